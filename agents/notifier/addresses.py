"""Where a webhook may connect to: a name is resolved once for each attempt, and every address of it must be global.

Without this, whoever may write an address into the file, or controls the DNS of one, could make the notifier call
services inside the operator's network.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

Look = Callable[[str, int], Sequence[Any]]

_GLOBAL_UNICAST = IPv6Network("2000::/3")
# A translator turns these into the IPv4 address in their last 32 bits.
_NAT64 = IPv6Network("64:ff9b::/96")
# Documentation, and addresses that other protocols are tunnelled to.
_NOT_FOR_SERVERS = (IPv6Network("2001::/23"), IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))


class NotAllowedError(Exception):
    """The name has an address that no webhook may connect to. The message shows no address."""


def is_global(text: str) -> bool:
    """Whether anyone on the internet could reach this address, and nobody inside a network only."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_global_v4(address)
    embedded = _embedded(address)
    if embedded is not None:
        return _is_global_v4(embedded)
    if any(address in network for network in _NOT_FOR_SERVERS):
        return False
    return address in _GLOBAL_UNICAST and address.is_global and "%" not in text


def _is_global_v4(address: IPv4Address) -> bool:
    # The library counts multicast as global; 192.88.99.0/24 leads to relays of 6to4.
    relay = address.packed.startswith(bytes((192, 88, 99)))
    return address.is_global and not (address.is_multicast or address.is_reserved or relay)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one end at."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.sixtofour


async def addresses_of(host: str, port: int, pool: Executor, *, any_address: bool, look: Look) -> list[str]:
    """The addresses of `host`, looked up once, in `pool`: a look-up may hang. Raises OSError when there is none, and
    NotAllowedError unless each is global or `any_address` is allowed.
    """
    found = await asyncio.get_running_loop().run_in_executor(pool, look, host, port)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if not addresses:
        raise OSError("the name has no address")
    if not any_address and not all(is_global(one) for one in addresses):
        raise NotAllowedError("the host has an address that is not global: only allow_private = true connects there")
    return addresses


def look_up(host: str, port: int) -> Sequence[Any]:
    """The addresses of `host` for TCP. Raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Pinned(AbstractResolver):
    """Resolves every name to addresses that were checked before, so that a second look-up cannot give others."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """All of them, whatever family is wanted."""
        del family
        return [_result(host, port, one) for one in self._addresses]

    async def close(self) -> None:
        """Nothing is open."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)

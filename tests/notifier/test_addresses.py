"""Where webhooks may connect to."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from agents.notifier.addresses import NotAllowedError, addresses_of, is_global, look_up

GLOBAL = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
NOT_GLOBAL = [
    # This host, loopback, private networks, link-local and the address of cloud metadata.
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
    # Carriers' networks, protocols, documentation, benchmarks, relays, multicast, reserved, broadcast.
    *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    # The same in IPv6.
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1"),
    *("100::1", "2001::1", "2001:10::1", "5f00::1", "2606:4700:4700::1111%eth0"),
    # IPv4 addresses inside of IPv6 ones: mapped, compatible, translated, 6to4.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0.0.0.0", "::ffff:169.254.169.254", "::127.0.0.1", "::1.1.1.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::1"),
    *("", "example.com", "1.1.1.1.", "0x7f.1"),
]


@pytest.mark.parametrize("address", GLOBAL)
def test_global(address: str) -> None:
    assert is_global(address)


@pytest.mark.parametrize("address", NOT_GLOBAL)
def test_not_global(address: str) -> None:
    assert not is_global(address)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def answers(*addresses: str) -> Sequence[Any]:
    """What a look-up returns."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]


def test_every_address_must_be_global(pool: ThreadPoolExecutor) -> None:
    """One global address beside a private one is how a name is made to pass a check."""
    looks: list[str] = []

    def look(host: str, _: int) -> Sequence[Any]:
        looks.append(host)
        return answers("1.1.1.1", "10.0.0.1")

    async def resolve(*, any_address: bool) -> list[str]:
        return await addresses_of("hooks.example", 443, pool, any_address=any_address, look=look)

    with pytest.raises(NotAllowedError, match="not global"):
        asyncio.run(resolve(any_address=False))
    assert asyncio.run(resolve(any_address=True)) == ["1.1.1.1", "10.0.0.1"]
    assert looks == ["hooks.example"] * 2, "one look-up for each attempt"


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "::1"])
def test_other_spellings_of_this_host(host: str, pool: ThreadPoolExecutor) -> None:
    """The system's resolver reads these as addresses, so it is its answer that is checked."""
    with pytest.raises(NotAllowedError):
        asyncio.run(addresses_of(host, 443, pool, any_address=False, look=look_up))


def test_a_name_without_an_address(pool: ThreadPoolExecutor) -> None:
    with pytest.raises(OSError, match="no address"):
        asyncio.run(addresses_of("hooks.example", 443, pool, any_address=False, look=lambda *_: []))

"""Webhooks: each event is posted as published, signed as Standard Webhooks wants it."""

import asyncio
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import ceil
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from agents.notifier.addresses import Look, NotAllowedError, Pinned, addresses_of, look_up
from agents.notifier.event import Event
from agents.notifier.event_types import resolve
from agents.notifier.outcome import Delivered, GaveUp, Outcome, Retry
from agents.notifier.signature import signed_headers
from agents.notifier.tables import Webhook, covers
from stream.version import project_version

# All of an attempt: the look-up, the connection and the answer's head.
ATTEMPT_S = 15.0
# A look-up that hangs holds up its own target alone.
LOOK_UPS_MAX = 4
DEFAULT_PORTS = {"https": 443, "http": 80}
SUCCESS = range(200, 300)


class WebhookTarget:
    """One `[[webhook]]`. Each attempt has a connection of its own, to the addresses that it has checked."""

    def __init__(self, table: Webhook, tls: ssl.SSLContext, look: Look = look_up) -> None:
        self.name, self.types = table.name, resolve(table.types)
        self._table, self._tls, self._look = table, tls, look
        self._url = URL(table.url, encoded=True)
        parts = urlsplit(table.url)
        self._host = (parts.hostname or "").rstrip(".")
        self._port = parts.port or DEFAULT_PORTS[parts.scheme]
        self._pool = ThreadPoolExecutor(LOOK_UPS_MAX, thread_name_prefix=f"names of {table.name}")

    def takes(self, event: Event) -> bool:
        return event.type in self.types and covers(self._table.accounts, event.account_id)

    async def deliver(self, event: Event, attempt: int) -> Outcome:  # noqa: ARG002 every attempt is the same
        """Post the event. Any answer but 2xx is a failure; 410 means that the receiver no longer wants it."""
        try:
            async with asyncio.timeout(ATTEMPT_S):
                return await self._post(event)
        except TimeoutError:
            return Retry(f"no answer within {ATTEMPT_S:.0f} s", timed_out=True)
        except NotAllowedError as error:
            return Retry(str(error))
        except (OSError, aiohttp.ClientError, ValueError) as error:
            # Only the kind: a message may show an address. ValueError: a host that no name or certificate can have.
            return Retry(f"no connection ({_kind(error)})")

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _post(self, event: Event) -> Outcome:
        private = self._table.allow_private
        addresses = await addresses_of(self._host, self._port, self._pool, any_address=private, look=self._look)
        connector = aiohttp.TCPConnector(resolver=Pinned(addresses), use_dns_cache=False, ssl=self._tls, limit=1)
        # `trust_env` is off: a proxy from the environment would connect for us, to wherever it resolves the name.
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=False,
        )
        headers = {
            **signed_headers(event.notification_id, int(time.time()), event.value, self._table.secrets),
            "content-type": "application/json",
            "user-agent": f"Tollgate/{project_version()}",
        }
        async with (
            session,
            session.post(
                self._url, data=event.value, headers=headers, allow_redirects=False, server_hostname=self._sni
            ) as answer,
        ):
            return outcome_of(answer.status, answer.headers.get("Retry-After"))

    @property
    def _sni(self) -> str | None:
        """The name that the certificate must have, without the dot that may end it in an address."""
        return self._host if self._url.scheme == "https" else None


def outcome_of(status: int, retry_after: str | None) -> Outcome:
    """What an answer means."""
    if status in SUCCESS:
        return Delivered()
    if status == HTTPStatus.GONE:
        return GaveUp("answered 410: the receiver no longer wants it")
    return Retry(f"answered {status}", seconds_of(retry_after, time.time()))


def seconds_of(retry_after: str | None, now_s: float) -> int | None:
    """The whole seconds in a `Retry-After`, which is a number or a date; None without one, or when it is neither."""
    given = (retry_after or "").strip()
    if given.isascii() and given.isdigit():
        return int(given.lstrip("0")[:9] or "0")
    try:
        at = parsedate_to_datetime(given)
    except (ValueError, OverflowError):
        # A number in a date may have any length; the receiver chooses it.
        return None
    return max(0, ceil((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_s))


def _kind(error: BaseException) -> str:
    """The name of the error that others were made from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__

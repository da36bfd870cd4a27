"""The targets in force: made from the file, replaced when it changes, and left alone for a while after a time-out."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache

from agents.notifier.channels import AppriseTarget
from agents.notifier.event import Event
from agents.notifier.file import EMAIL
from agents.notifier.metrics import Metrics
from agents.notifier.outcome import Delivered, GaveUp, Outcome, Retry
from agents.notifier.tables import Brand, Email, NotifyFile
from agents.notifier.target import Target
from agents.notifier.webhooks import WebhookTarget
from schemas.instant import SECOND_MS
from stream import log

logger = log.get("notifier")

REST_MS = 60 * SECOND_MS
# Targets bound their own time; this bounds one that does not.
ATTEMPT_MAX_S = 120.0
_LABELS: Mapping[type[Outcome], str] = {Delivered: "delivered", Retry: "failed", GaveUp: "refused"}

MakeMails = Callable[[Email, Brand], Target]


class Targets:
    """The targets by their names, shared by all partitions of the process."""

    def __init__(self, metrics: Metrics, make_mails: MakeMails) -> None:
        self._metrics, self._make_mails = metrics, make_mails
        self._tables: dict[str, object] = {}
        self._current: dict[str, Target] = {}
        self._under_way: Counter[int] = Counter()
        self._ended = asyncio.Event()
        self._rest_until_ms: dict[str, int] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> Mapping[str, Target]:
        return self._current

    def replace(self, found: NotifyFile) -> None:
        """Use these targets from now on. Those whose table is the same stay; a replaced one is closed after its last
        attempt.
        """
        wanted: dict[str, object] = {one.name: one for one in found.webhook}
        wanted |= {one.name: one for one in found.apprise}
        if found.email is not None:
            wanted[EMAIL] = (found.email, found.brand)
        changed = {name: self._make(found, name) for name, table in wanted.items() if self._tables.get(name) != table}
        retired = [old for name, old in self._current.items() if name in changed or name not in wanted]
        self._tables = wanted
        self._current = {name: changed.get(name) or self._current[name] for name in wanted}
        for name in changed:
            self._metrics.show_target(name)
        for old in retired:
            task = asyncio.create_task(self._close_after_last(old), name=f"close {old.name}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def deliver(self, name: str, event: Event, attempt: int) -> Outcome:
        """One attempt, measured. After a time-out of a first one the target rests; retries delay no other event."""
        target, began_s = self._current[name], time.monotonic()
        self._under_way[id(target)] += 1
        try:
            async with asyncio.timeout(ATTEMPT_MAX_S):
                outcome = await target.deliver(event, attempt)
        except TimeoutError:
            outcome = Retry(f"no end within {ATTEMPT_MAX_S:.0f} s", timed_out=True)
        finally:
            self._under_way[id(target)] -= 1
            self._ended.set()
        if isinstance(outcome, Retry) and outcome.timed_out and attempt == 1:
            self.rest(name, now_ms() + REST_MS)
        self._metrics.attempt_seconds.observe(time.monotonic() - began_s)
        self._metrics.attempts.labels(name, _LABELS[type(outcome)]).inc()
        return outcome

    def count_given_up(self, name: str) -> None:
        self._metrics.given_up.labels(name).inc()

    def rest(self, name: str, until_ms: int) -> None:
        """Begin no first attempt of the target before `until_ms`."""
        if until_ms > self._rest_until_ms.get(name, 0):
            self._rest_until_ms[name] = until_ms

    def rests_until_ms(self, name: str) -> int:
        """When the target's rest ends; a time that has passed when it does not rest."""
        return self._rest_until_ms.get(name, 0)

    async def close(self) -> None:
        """Close all. No attempt is under way."""
        await asyncio.gather(*self._closing)
        for target in self._current.values():
            await target.close()

    async def _close_after_last(self, target: Target) -> None:
        while self._under_way[id(target)]:
            self._ended.clear()
            await self._ended.wait()
        await target.close()

    def _make(self, found: NotifyFile, name: str) -> Target:
        for webhook in found.webhook:
            if webhook.name == name:
                return WebhookTarget(webhook, tls_context())
        for channel in found.apprise:
            if channel.name == name:
                return AppriseTarget(channel)
        assert found.email is not None
        return self._make_mails(found.email, found.brand)


@lru_cache
def tls_context() -> ssl.SSLContext:
    """Trusts the authorities of the system."""
    return ssl.create_default_context()


def now_ms() -> int:
    return time.time_ns() // 1_000_000

"""Redis as the views leave it, written by their own store: events at offsets of their own, and how far they are."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from redis import Redis

from agents.views import layout
from agents.views.layout import CHARGES, DECISIONS, INVOICES, SNAPSHOTS, Limits, caught_up_field
from agents.views.settings import Settings
from agents.views.store import Store
from schemas.partitioning import partition_of
from stream.redis_connection import connect
from tests.gateway.stage import PARTITIONS
from tests.views.events import written

ALL = Limits(10_000, 0)
ALERTS, LEDGER = "alerts", "ledger-entries"
INVOICES_TOPIC = INVOICES
EPOCH = b"the epoch of the tests"
Event = tuple[str, bytes]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Filled:
    """The views of one Redis."""

    def __init__(self, redis_url: str) -> None:
        self._settings = Settings(redis_url=redis_url)
        self._next: Counter[tuple[str, int]] = Counter()
        self.redis: Any = Redis.from_url(redis_url, socket_timeout=20)
        self.catch_up()

    def catch_up(
        self, behind_s: float = 0, partitions: Iterable[int] = range(PARTITIONS), epoch: bytes = EPOCH
    ) -> None:
        """The views have read these partitions up to `behind_s` ago."""
        at_ms = now_ms() - int(behind_s * 1_000)
        fields = {caught_up_field(partition): at_ms for partition in partitions}
        self.redis.hset(layout.META, mapping={b"epoch": epoch, **fields})

    def begin_again(self, partition: int) -> None:
        """The views read the partition from its start."""
        self.redis.hdel(layout.META, caught_up_field(partition))

    def write(self, events: Iterable[Event]) -> None:
        """Apply events in this order; each topic's offsets grow with gaps, as markers of transactions leave them."""
        asyncio.run(self._write(list(events)))

    async def _write(self, events: list[Event]) -> None:
        store = Store(connect(self._settings))
        try:
            for (topic, partition), some in itertools.groupby(events, key=_place):
                writes = []
                for _, value in some:
                    self._next[topic, partition] += 3
                    writes.append(written(topic, self._next[topic, partition], value))
                for first in range(0, len(writes), 500):
                    await store.write(topic, topic, partition, writes[first : first + 500], ALL)
        finally:
            await store.close()


def _place(event: Event) -> tuple[str, int]:
    topic, value = event
    return topic, partition_of(json.loads(value)["account_id"].encode(), PARTITIONS)


def topic_of(value: bytes) -> str:
    """The topic that carries an event with a list of its own."""
    kind = json.loads(value)["type"]
    if kind.startswith("call-") and kind in {"call-admitted", "call-redirected"}:
        return DECISIONS
    if kind in {"call-charged", "charge-adjusted"}:
        return CHARGES
    if kind in {"invoice-issued", "invoice-paid", "invoice-reversed", "receipt-issued"}:
        return INVOICES
    return {"account-snapshot": SNAPSHOTS, "ledger-entry-posted": LEDGER}.get(kind, ALERTS)

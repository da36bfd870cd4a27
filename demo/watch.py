"""Follows the facts as they appear and keeps totals of them."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.partitioning import partition_of
from stream.settings import Settings

# What the live view is made of. Ledger entries and snapshots are left to the audit: they are most of the bytes.
WATCHED = ("call-decisions", "charges", "alerts", "refills", "payment-requests", "dead-letters")
FACTS = ("call-decisions", "charges", "alerts", "refills", "payment-requests", "ledger-entries")
POLL_RECORDS_MAX = 5_000
POLL_MS = 200

Offsets = Mapping[TopicPartition, int]


class Seen(msgspec.Struct):
    """What the totals need of any fact."""

    type: str
    occurred_at: str
    amount_micros: int = 0
    reason: str = ""


@dataclass(slots=True)
class Totals:
    """`facts` counts by (topic, type), `reasons` redirects, `dead_letters` codes; `newest` is an RFC 3339 time."""

    facts: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    charged_micros: int = 0
    newest: str = ""

    def fact(self, topic: str, value: bytes) -> None:
        seen = msgspec.json.decode(value, type=Seen)
        self.facts[topic, seen.type] += 1
        self.newest = max(self.newest, seen.occurred_at)
        if topic == "charges":
            self.charged_micros += seen.amount_micros
        elif seen.type == "call-redirected":
            self.reasons[seen.reason] += 1

    def dead_letter(self, code: str) -> None:
        self.dead_letters[code] += 1

    def of(self, topic: str, *types: str) -> int:
        """How many facts of these types `topic` has had; of all types when none is named."""
        counts = self.types(topic)
        return sum(counts[kind] for kind in types) if types else counts.total()

    def types(self, topic: str) -> Counter[str]:
        """How many facts of each type `topic` has had."""
        return Counter({kind: count for (where, kind), count in self.facts.items() if where == topic})


class Watch:
    """Reads the facts from `begin` on, in the middle of no group, so that it takes nothing from anybody."""

    def __init__(self, settings: Settings, begin: Offsets) -> None:
        self.totals = Totals()
        self._settings = settings
        self._names = {settings.topic(name): name for name in WATCHED}
        self._begin = {where: offset for where, offset in begin.items() if where.topic in self._names}
        self._consumer = reader(settings)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        seek(self._consumer, self._begin)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def behind(self, end: Offsets) -> bool:
        """Whether facts before `end` have not been taken yet."""
        return any([await self._consumer.position(where) < end[where] for where in self._begin])

    async def poll(self, timeout_ms: int) -> None:
        """Take what has appeared; returns at once when something has."""
        batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=POLL_RECORDS_MAX)
        for where, batch in batches.items():
            topic = self._names[where.topic]
            for record in batch:
                if topic == "dead-letters":
                    self.totals.dead_letter(header(record, "errors.code"))
                else:
                    self.totals.fact(topic, record.value)


def reader(settings: Settings) -> AIOKafkaConsumer:
    """A consumer of committed records that belongs to no group; partitions are assigned by hand."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )


def seek(consumer: AIOKafkaConsumer, begin: Offsets) -> None:
    consumer.assign(list(begin))
    for where, offset in begin.items():
        consumer.seek(where, offset)


def header(record: ConsumerRecord, name: str) -> str:
    """A header's text. Raises KeyError when it is missing."""
    value: bytes = dict(record.headers)[name]
    return value.decode()


async def end_offsets(consumer: AIOKafkaConsumer, topics: list[str], partitions: int) -> dict[TopicPartition, int]:
    """Where each partition of `topics` ends now, open transactions left out."""
    every = [TopicPartition(topic, partition) for topic in topics for partition in range(partitions)]
    return dict(await consumer.end_offsets(every))


async def between(consumer: AIOKafkaConsumer, begin: Offsets, end: Offsets) -> AsyncIterator[ConsumerRecord]:
    """The committed records from `begin` up to `end`, in order within each partition."""
    unread = {where for where, offset in end.items() if offset > begin[where]}
    seek(consumer, {where: begin[where] for where in unread})
    while unread:
        batches = await consumer.getmany(*unread, timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
        for where, batch in batches.items():
            for record in batch:
                if record.offset < end[where]:
                    yield record
        # The position passes transaction markers, which are the last thing in a partition and no records.
        unread -= {where for where in unread if await consumer.position(where) >= end[where]}


async def facts_of(settings: Settings, account_id: str, begin: Offsets, end: Offsets) -> list[dict[str, Any]]:
    """Every fact about one account, from the one partition that owns it; snapshots left out."""
    key = account_id.encode()
    owner = partition_of(key, settings.partitions)
    topics = {settings.topic(name) for name in FACTS}
    wanted = {where: offset for where, offset in end.items() if where.topic in topics and where.partition == owner}
    async with reader(settings) as consumer:
        return [json.loads(record.value) async for record in between(consumer, begin, wanted) if record.key == key]

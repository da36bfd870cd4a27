"""`tollgate redrive`: sends dead letters back to the input topic once their cause is removed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError

from agents.wallet.dead_letter import OURS
from schemas.inputs import ALL_ACCOUNTS
from schemas.instant import format_instant
from schemas.partitioning import partition_of
from stream import rights, topics
from stream.repair.cluster import PROGRESS_EVERY_S, Cluster
from stream.repair.dead_letters import Letter, read_letter
from stream.repair.failure import RepairError, progress
from stream.settings import Settings

# Codes whose letters never have the input's value: it was emptied.
EMPTIED = frozenset({"card_number_refused", "unreadable_record"})
MASKED = b'{"masked":true}'
SENT_AT_ONCE = 500
# More than a letter can have, so that the broker, not the producer, refuses a record too large for the inputs.
REQUEST_BYTES_MAX = 8 << 20


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Selects letters by code, by write time (`since_ms` inclusive, `until_ms` exclusive) and by input partition."""

    codes: frozenset[str]
    since_ms: int | None = None
    until_ms: int | None = None
    partition: int | None = None

    def matches(self, letter: Letter, written_ms: int) -> bool:
        return (
            letter.code in self.codes
            and (self.since_ms is None or written_ms >= self.since_ms)
            and (self.until_ms is None or written_ms < self.until_ms)
            and (self.partition is None or letter.partition == self.partition)
        )


@dataclass(slots=True)
class Counts:
    """Letters found, by code and day; left, by code and reason; and not wanted, by code."""

    by_day: Counter[tuple[str, str]] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    sent: int = 0


async def redrive(settings: Settings, wanted: LetterFilter, *, apply: bool) -> bool:
    """Send the wanted letters back, or with `apply` false only count them. Returns whether all could be sent."""
    if wanted.partition is not None and not 0 <= wanted.partition < settings.partitions:
        raise RepairError(f"--partition {wanted.partition}: expected 0 to {settings.partitions - 1}")
    counts = Counts()
    async with Cluster(settings, rights.redrive(settings, apply=apply)) as cluster:
        await cluster.check_partitions(cluster.inputs, settings.topic(topics.DEAD_LETTERS))
        try:
            if apply:
                await _send(cluster, wanted, counts)
            else:
                async for _ in _sendable(cluster, wanted, counts):
                    pass
        finally:
            _report(counts, apply=apply)
    return not counts.left


async def _send(cluster: Cluster, wanted: LetterFilter, counts: Counts) -> None:
    producer = AIOKafkaProducer(
        **cluster.settings.connection.options,
        enable_idempotence=True,
        linger_ms=5,
        max_request_size=REQUEST_BYTES_MAX,
    )
    await producer.start()
    reported_at = monotonic()
    try:
        waiting: list[tuple[str, asyncio.Future[object]]] = []
        async for letter, record in _sendable(cluster, wanted, counts):
            headers = [(name, value) for name, value in record.headers if not name.startswith(OURS)]
            partition = partition_of(record.key, cluster.settings.partitions)
            sending = producer.send(cluster.inputs, record.value, key=record.key, partition=partition, headers=headers)
            waiting.append((letter.code, await sending))
            if len(waiting) >= SENT_AT_ONCE:
                await _confirm(waiting, counts)
            if monotonic() - reported_at > PROGRESS_EVERY_S:
                reported_at = monotonic()
                progress(f"{counts.sent} sent")
        await _confirm(waiting, counts)
    finally:
        await producer.stop()


async def _confirm(waiting: list[tuple[str, "asyncio.Future[object]"]], counts: Counts) -> None:
    """Wait for the broker's responses. A letter too large for the input topic is left."""
    for code, future in waiting:
        try:
            await future
        except MessageSizeTooLargeError:
            counts.left[code, f"it is larger than {topics.INPUTS} takes"] += 1
        else:
            counts.sent += 1
    waiting.clear()


async def _sendable(
    cluster: Cluster, wanted: LetterFilter, counts: Counts
) -> AsyncIterator[tuple[Letter, ConsumerRecord]]:
    """The wanted letters that can be sent, in order of each partition. All letters are counted.

    Reads up to the current ends: an input that is refused again meanwhile gives a letter after them.
    """
    name = cluster.settings.topic(topics.DEAD_LETTERS)
    for partition, (begin, end) in (await cluster.bounds(name)).items():
        async for records in cluster.records(name, partition, begin, end):
            for record in records:
                letter = read_letter(record)
                if letter is None or letter.topic != cluster.inputs:
                    counts.other["of another topic"] += 1
                    continue
                if not wanted.matches(letter, record.timestamp):
                    counts.other[letter.code] += 1
                    continue
                counts.by_day[letter.code, format_instant(record.timestamp)[:10]] += 1
                problem = _problem(letter, record)
                if problem:
                    counts.left[letter.code, problem] += 1
                else:
                    yield letter, record


def _problem(letter: Letter, record: ConsumerRecord) -> str:
    """The reason why a letter cannot be sent; empty if it can."""
    if letter.code in EMPTIED or not record.value or record.value == MASKED:
        return "its value was emptied"
    if letter.cut:
        return "it was cut"
    if not record.key:
        return "it has no key"
    if record.key == ALL_ACCOUNTS.encode():
        return "it is a tick: its time has passed"
    return ""


def _report(counts: Counts, *, apply: bool) -> None:
    if not counts.by_day:
        print("no dead letter of these codes, times and partitions" + ("; there are:" if counts.other else ""))
        for code, count in sorted(counts.other.items()):
            print(f"  {code:<24} {count:>9}")
        return
    for (code, day), count in sorted(counts.by_day.items()):
        print(f"{code:<24} {day} {count:>9}")
    for (code, problem), count in sorted(counts.left.items()):
        print(f"{code:<24} left       {count:>9}  {problem}")
    found, left = counts.by_day.total(), counts.left.total()
    if apply:
        print(f"{found} found, {counts.sent} sent to the inputs, {left} left")
    else:
        print(f"{found} found, {found - left} can be sent, {left} cannot; nothing was sent: --apply sends them")

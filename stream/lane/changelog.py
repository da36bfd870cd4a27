"""Reads the changelog back: its rows, its checkpoint, and where its log begins and ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, TypeVar, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas.batch import BatchResult
from schemas.rows import CHECKPOINT_KEY, Checkpoint, CorruptRowError, check_row, decode_row
from stream.broker_link import close_in_time
from stream.evidence import assign_paused, committed_reader
from stream.fail_stop import Exit, halt
from stream.lane.transaction import PartitionWriter

FETCH_BYTES = 8 << 20
POLL_MS = 200
STUCK_AFTER_S = 30.0

Row = TypeVar("Row")
CheckRow = Callable[[bytes, bytes, bytes | None], None]
CHECKPOINT_BYTES = CHECKPOINT_KEY.encode()


@dataclass(slots=True)
class CommittedRows(Generic[Row]):
    """The rows of one partition of a compacted topic, as committed.

    `checkpoint` is the partition's own row, None before the first batch; `checkpoint_bytes` are its bytes.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None
    checkpoint_bytes: bytes | None = None

    def read(self, record: ConsumerRecord, decode: Callable[[bytes, bytes, Row | None], Row], refusal: str) -> None:
        """Apply a record that was read back. `decode` takes key, value and the row before, and checks them.

        A row that fails a check ends the process with status 78, `refusal` and the address of the record.
        """
        try:
            if record.key == CHECKPOINT_BYTES:
                self._read_checkpoint(record.value)
                return
            name = record.key.decode()
            if record.value is None:
                self.rows.pop(name, None)
            else:
                self.rows[name] = decode(record.key, record.value, self.rows.get(name))
        except (CorruptRowError, UnicodeDecodeError, AttributeError) as error:
            halt(
                refusal,
                status=Exit.PERSON,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                error=str(error),
            )

    def _read_checkpoint(self, value: bytes | None) -> None:
        """Check the checkpoint against the one before; without a value it was removed. Raises CorruptRowError."""
        if value is None:
            self.checkpoint = None
        else:
            check_row(CHECKPOINT_BYTES, value, self.checkpoint_bytes)
            self.checkpoint = cast("Checkpoint", decode_row(CHECKPOINT_KEY, value))
        self.checkpoint_bytes = value


@dataclass(slots=True)
class LedgerPartition(CommittedRows[bytes]):
    """One partition this worker owns: its rows as committed, its writer, and the next input offset.

    `written_end` is the end of the changelog provided that no one else has written since, -1 while it is not known.
    """

    writer: PartitionWriter | None = None
    next_offset: int = -1
    changelog_end: int = -1
    written_end: int = -1
    open: bool = False

    def forget(self) -> None:
        """Discard all rows, so that they are read again."""
        self.rows.clear()
        self.checkpoint = self.checkpoint_bytes = None
        self.written_end = -1


def next_checkpoint(ledger: LedgerPartition, end: int, result: BatchResult, balances: Mapping[str, int]) -> Checkpoint:
    """The checkpoint once `result` is committed up to input offset `end`.

    Dictionaries are sorted, so that the same state and batches give the same bytes.
    """
    before = ledger.checkpoint or Checkpoint(0, 0)
    grown = sum((value is not None) - (key in ledger.rows) for key, value in result.rows)
    return Checkpoint(
        next_offset=end,
        rows=len(ledger.rows) + grown,
        balances=_sorted(balances),
        charged_micros=_sorted(result.charged_micros + Counter(before.charged_micros)),
        given_back_micros=_sorted(result.given_back_micros + Counter(before.given_back_micros)),
    )


def _sorted(sums: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(sums.items()))


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first offset that a partition of a topic keeps, and the end of its committed records."""

    begin: int
    end: int


class Changelog:
    """Reads committed records: rows of fenced partitions, and the bounds of topics."""

    def __init__(self, app: Any, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._app, self._topic = app, app.changelog
        self._check_row: CheckRow = app.check_row
        self._heartbeat_s = app.conf.broker_heartbeat_interval

    async def bounds(self, *topics: str, partitions: Iterable[int]) -> list[dict[int, Bounds]]:
        """The bounds of each topic, by partition."""
        numbers = list(partitions)
        places = [TopicPartition(topic, number) for topic in topics for number in numbers]
        assign_paused(self._consumer, places)
        begins, ends = await self._consumer.beginning_offsets(places), await self._consumer.end_offsets(places)
        found = {place: Bounds(begins[place], ends[place]) for place in places}
        return [{number: found[TopicPartition(topic, number)] for number in numbers} for topic in topics]

    async def read(self, partitions: Mapping[int, LedgerPartition]) -> int:
        """Read each partition from its beginning to its `changelog_end` and check each row. Returns the record count.

        A row that fails its check, or an end that is not reached, ends the worker.
        """
        reading = {TopicPartition(self._topic, partition): ledger for partition, ledger in partitions.items()}
        if not reading:
            return 0
        self._consumer.assign(list(reading))
        await self._consumer.seek_to_beginning(*reading)
        count, moved_at, beat_at = 0, monotonic(), monotonic()
        behind = {place for place, ledger in reading.items() if ledger.changelog_end > 0}
        while behind:
            for place, records in (await self._consumer.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    reading[place].read(record, self._checked, "a row of the changelog cannot be trusted")
                count += len(records)
                moved_at = monotonic()
                if moved_at - beat_at > self._heartbeat_s:
                    beat_at = moved_at
                    await self._app.consumer.keep_alive()
                await asyncio.sleep(0)
            if monotonic() - moved_at > STUCK_AFTER_S:
                missing = {str(place): reading[place].changelog_end for place in behind}
                halt("the changelog's end was not reached", status=Exit.PASSING, missing=missing)
            behind = {place for place in behind if await self._consumer.position(place) < reading[place].changelog_end}
        return count

    def _checked(self, key: bytes, value: bytes, before: bytes | None) -> bytes:
        self._check_row(key, value, before)
        return value


@asynccontextmanager
async def opened(app: Any) -> AsyncIterator[Changelog]:
    """A changelog to read from. Raises KafkaError."""
    consumer = committed_reader(app.settings.connection, f"{app.conf.id}-restore", FETCH_BYTES)
    try:
        await consumer.start()
        yield Changelog(app, consumer)
    finally:
        await close_in_time(consumer.stop())

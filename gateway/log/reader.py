"""Reads what the engine publishes, from the end of the log on, and hands each record to those who wait for its account.

One reader per process reads all partitions of every output topic but `payment-requests`, without a group.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from agents.views.layout import SNAPSHOTS
from gateway.log.feed import Feed
from schemas.instant import parse_instant
from schemas.partitioning import partition_of
from stream.failures import fail
from stream.settings import Settings
from stream.topics import CONTRACT, DEAD_LETTERS, INPUTS

# So many offsets before the ends a simulation's clock is read from.
CLOCK_FROM = 100
# The contract's names, in the order of its topic table.
TOPICS = tuple(topic.name for topic in CONTRACT if topic.name not in {INPUTS, "payment-requests"})


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A record of an output topic. `topic` is the contract's name, without the prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int


class Begin(NamedTuple):
    """Where a reader is in one partition: offsets in the order of TOPICS."""

    partition: int
    offsets: tuple[int, ...]


Listener = Callable[[Seen], None]


class _Occurred(msgspec.Struct, frozen=True, gc=False):
    occurred_at: str | None  # None in the answer to a refused start that has no time.


_occurred = msgspec.json.Decoder(_Occurred).decode


class Watch:
    """Calls its listener for each record of its account until it is closed."""

    def __init__(self, reader: "LogReader", key: bytes, listener: Listener) -> None:
        self._reader, self._key, self.listener = reader, key, listener

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening. Closing again changes nothing."""
        self._reader.forget(self._key, self)


class LogReader:
    """All output topics from their ends on, `read_committed`.

    With `simulation` it also reads the time of every event, for a clock that follows the events, and begins a little
    before the ends, so that the clock does not begin anew with each process. With `begin` it reads one partition from
    where another reader was.
    """

    def __init__(self, settings: Settings, *, simulation: bool = False, begin: Begin | None = None) -> None:
        self._settings = settings
        self._names = {settings.topic(name): name for name in TOPICS}
        partitions = range(settings.partitions) if begin is None else [begin.partition]
        places = [TopicPartition(name, at) for name in self._names for at in partitions]
        behind = CLOCK_FROM if simulation else 0
        self._feed = Feed(settings, places, self._wanted, self._hand_over, self._moved, behind=behind)
        if begin is not None:
            offsets = dict(zip(TOPICS, begin.offsets, strict=True))
            self._feed.positions = {place: offsets[self._names[place.topic]] for place in places}
        self._watches: dict[bytes, tuple[Watch, ...]] = {}
        self._watched = [0] * settings.partitions
        self._waiting: defaultdict[int, list[tuple[Mapping[str, int], asyncio.Future[None]]]] = defaultdict(list)
        self._committed = [-1] * settings.partitions
        self._task: asyncio.Task[None] | None = None
        self._simulation, self._began = simulation, False
        self.newest_occurred_ms = 0

    @property
    def ready(self) -> bool:
        """Whether the position of every partition is known, and in a simulation the time."""
        if not self._began and self._feed.positions:
            positions, ends = self._feed.positions, self._feed.ends
            self._began = not self._simulation or all(positions[place] >= end for place, end in ends.items())
        return self._began

    async def start(self) -> None:
        """Begin to read. Brokers that are away are tried until they answer."""
        self._task = asyncio.ensure_future(self._feed.follow())
        self._task.add_done_callback(_ended)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def watch(self, account_id: str, listener: Listener) -> Watch:
        """Call `listener` for each record of the account that is read from now on, in the order of each topic.

        A watch that is opened before a write sees everything that the write causes. The listener must not block.
        """
        key = account_id.encode()
        watch = Watch(self, key, listener)
        if key not in self._watches:
            self._watched[self._partition(key)] += 1
        self._watches[key] = (*self._watches.get(key, ()), watch)
        return watch

    def forget(self, key: bytes, watch: Watch) -> None:
        """Drop a watch, if it is still there."""
        before = self._watches.get(key, ())
        left = tuple(one for one in before if one is not watch)
        if left:
            self._watches[key] = left
        elif before:
            del self._watches[key]
            self._watched[self._partition(key)] -= 1

    async def ends(self, partition: int) -> Mapping[str, int]:
        """The end of the partition in each topic (contract's names), behind open transactions. Raises KafkaError."""
        ends = await (await self._feed.offsets()).ends(partition)
        return {self._names[topic]: end for topic, end in ends.items()}

    def position(self, account_id: str) -> Begin:
        """Where the reader is in the account's partition. What a later write causes is at or behind this."""
        partition = self._partition(account_id.encode())
        places = (TopicPartition(topic, partition) for topic in self._names)
        return Begin(partition, tuple(self._feed.positions[place] for place in places))

    def next_snapshot(self, account_id: str) -> tuple[TopicPartition, int]:
        """The account's partition of the snapshots, and the next offset that is read there."""
        place = TopicPartition(self._settings.topic(SNAPSHOTS), self._partition(account_id.encode()))
        return place, self._feed.positions[place]

    async def committed(self, partition: int) -> int:
        """The engine group's offset of the partition of the inputs; -1 without one, and while the broker reports an
        older one than before, as it does for a moment after a restart. Raises KafkaError.
        """
        offset = await (await self._feed.offsets()).committed(partition)
        if offset < self._committed[partition]:
            return -1
        self._committed[partition] = offset
        return offset

    async def passed(self, partition: int, ends: Mapping[str, int]) -> None:
        """Return when every record of the partition before `ends` has been handed over."""
        if self._has_passed(partition, ends):
            return
        entry = (ends, asyncio.get_running_loop().create_future())
        self._waiting[partition].append(entry)
        try:
            await entry[1]
        finally:
            self._waiting[partition].remove(entry)

    def _partition(self, key: bytes) -> int:
        return partition_of(key, self._settings.partitions)

    def _wanted(self, partition: int) -> Collection[bytes] | None:
        if self._simulation:
            return None
        return self._watches.keys() if self._watched[partition] else ()

    def _hand_over(self, record: ConsumerRecord) -> None:
        if self._simulation:
            self._note_time(record)
        watches = self._watches.get(record.key)
        if watches is None:
            return
        seen = Seen(
            *(self._names[record.topic], record.partition, record.offset, record.key, record.value),
            *(record.headers, record.timestamp),
        )
        for watch in watches:
            watch.listener(seen)

    def _note_time(self, record: ConsumerRecord) -> None:
        """Take the record's time. A record that somebody else has written to an output topic has none."""
        if self._names[record.topic] == DEAD_LETTERS or record.value is None:
            return
        with contextlib.suppress(msgspec.MsgspecError, ValueError):
            occurred_at = _occurred(record.value).occurred_at
            if occurred_at is not None:
                self.newest_occurred_ms = max(self.newest_occurred_ms, parse_instant(occurred_at))

    def _moved(self, place: TopicPartition) -> None:
        for ends, waiting in self._waiting[place.partition]:
            if not waiting.done() and self._has_passed(place.partition, ends):
                waiting.set_result(None)

    def _has_passed(self, partition: int, ends: Mapping[str, int]) -> bool:
        positions, topic = self._feed.positions, self._settings.topic
        return all(positions.get(TopicPartition(topic(name), partition), -1) >= end for name, end in ends.items())


def _ended(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        fail("reading the engine's events failed", error)

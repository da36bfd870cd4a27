"""Reads a topic's committed records between two times, up to the ends that it had at the start."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

from aiokafka import ConsumerRecord, TopicPartition

from stream.fail_stop import Exit
from stream.repair.cluster import POLL_MS, PROGRESS_EVERY_S, STUCK_AFTER_S, Cluster
from stream.repair.failure import RepairError, progress

T = TypeVar("T")

RECORDS_AT_ONCE = 2_000

Spans = Mapping[int, tuple[int, int]]  # Of each partition the first offset to read, and the end.


@dataclass(frozen=True, slots=True)
class Selection:
    """What to export. Times are broker or producer timestamps of records in milliseconds, half-open. `partition` is
    the account's where an account is given; None means all.
    """

    account_id: str | None = None
    partition: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None

    def has_time(self, timestamp: int) -> bool:
        return (self.from_ms is None or timestamp >= self.from_ms) and (self.to_ms is None or timestamp < self.to_ms)

    def has_partition(self, partition: int) -> bool:
        return self.partition in {None, partition}


async def spans_of(cluster: Cluster, name: str, selection: Selection) -> tuple[dict[int, tuple[int, int]], list[int]]:
    """The offsets to read of a topic, and the partitions whose first records have been deleted."""
    bounds = {
        partition: span
        for partition, span in (await cluster.bounds(name)).items()
        if selection.has_partition(partition)
    }
    deleted = [partition for partition, (begin, _) in bounds.items() if begin]
    if selection.from_ms is None or not bounds:
        return bounds, deleted
    consumer = await cluster.consumer()
    wanted = {TopicPartition(name, partition): selection.from_ms for partition in bounds}
    first = {place.partition: at for place, at in (await consumer.offsets_for_times(wanted)).items()}
    spans = {}
    for partition, (begin, end) in bounds.items():
        at = first.get(partition)
        spans[partition] = (end if at is None else max(begin, at.offset), end)
    return spans, deleted


class SideBySide(Generic[T]):
    """Reads several partitions of a topic at once. `heads` has the next record of each partition that has one left."""

    def __init__(self, cluster: Cluster, name: str, spans: Spans, read: Callable[[ConsumerRecord], T | None]) -> None:
        """`read` makes of a record what is kept of it, None for a record that is left out."""
        self._cluster = cluster
        self._name = name
        self._spans = {partition: span for partition, span in spans.items() if span[0] < span[1]}
        self._read = read
        self._kept: dict[int, deque[T]] = {partition: deque() for partition in self._spans}
        self._unread = set(self._spans)

    @property
    def partitions(self) -> set[int]:
        """The partitions that have anything to read."""
        return set(self._spans)

    async def heads(self) -> AsyncIterator[dict[int, T]]:
        """The heads, again and again until nothing is left; the caller takes at least one each time."""
        consumer = await self._cluster.consumer()
        consumer.assign([TopicPartition(self._name, partition) for partition in self._spans])
        for partition, (begin, _) in self._spans.items():
            consumer.seek(TopicPartition(self._name, partition), begin)
        while True:
            if any(not self._kept[partition] for partition in self._unread):
                await self._fill(consumer)
            heads = {partition: kept[0] for partition, kept in self._kept.items() if kept}
            if not heads:
                return
            yield heads

    def take(self, partition: int) -> None:
        """Go on to the partition's next record."""
        self._kept[partition].popleft()

    async def _fill(self, consumer: Any) -> None:
        """Fetch until every partition has a record or is read to its end. Raises RepairError without progress."""
        moved_at, reported_at = monotonic(), monotonic()
        positions: dict[int, int] = {}
        while empty := [partition for partition in self._unread if not self._kept[partition]]:
            places = [TopicPartition(self._name, partition) for partition in empty]
            fetched = await consumer.getmany(*places, timeout_ms=POLL_MS, max_records=RECORDS_AT_ONCE)
            for place, records in fetched.items():
                self._keep(place.partition, records)
            for place in places:
                at = await consumer.position(place)
                if at >= self._spans[place.partition][1]:
                    self._unread.discard(place.partition)
                if positions.get(place.partition) != at:
                    positions[place.partition], moved_at = at, monotonic()
            if monotonic() - moved_at > STUCK_AFTER_S:
                raise RepairError(f"{self._name}: no progress in {STUCK_AFTER_S:.0f} s", Exit.PASSING)
            if monotonic() - reported_at > PROGRESS_EVERY_S:
                reported_at = monotonic()
                progress(f"{self._name}: at {_shown(positions)}")

    def _keep(self, partition: int, records: list[ConsumerRecord]) -> None:
        end = self._spans[partition][1]
        kept = (self._read(record) for record in records if record.offset < end)
        self._kept[partition].extend(one for one in kept if one is not None)


def _shown(positions: Mapping[int, int]) -> str:
    return ", ".join(f"{partition}/{offset}" for partition, offset in sorted(positions.items()))

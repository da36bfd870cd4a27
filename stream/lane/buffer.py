"""Buffers the fetched records of a partition: all records that arrive while a batch commits form the next batch."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from stream.fail_stop import halt
from stream.lane.record_stream import AnyRecord, record_bytes

# Fetching a partition pauses at this many buffered bytes, far more than its records usually have.
BUFFER_BYTES_MAX = 4 << 20


@dataclass(slots=True)
class Batch:
    """Records of one partition in log order, which cover the log from `begin` to before `end`.

    Some offsets between them may hold no record (transaction markers, compacted or aborted records).
    """

    partition: int
    begin: int
    end: int
    records: list[AnyRecord]
    size_bytes: int = 0

    def halves(self) -> tuple["Batch", "Batch"]:
        """Split the batch into two that cover the same stretch of the log. It must have more than one record."""
        return _split(self, len(self.records) // 2)


class PartitionBuffer:
    """Records of one partition that were fetched and not yet taken. At most one batch of it is under way at a time."""

    def __init__(self, partition: int, batch_records_max: int, buffer_records_max: int) -> None:
        self.partition = partition
        self.waiting = 0
        self.waiting_bytes = 0
        self.under_way = False
        self.commits = 0  # Only grows; the watchdog compares it.
        # behind: timed work is left. served: the scheduler processes batches of this buffer. closed: no further batch
        # may begin, because the partition may move to another worker.
        self.behind = self.served = self.closed = False
        self._batch_records_max = batch_records_max
        self._buffer_records_max = buffer_records_max
        self._fetched: deque[Batch] = deque()

    def put(self, batch: Batch) -> bool:
        """Append a fetched batch; true when the agent must be woken. Needless wake-ups would fill Faust's queue."""
        wake = not self._fetched and not self.served
        self._fetched.append(batch)
        self.waiting += len(batch.records)
        self.waiting_bytes += batch.size_bytes
        return wake

    @property
    def full(self) -> bool:
        return self.waiting >= self._buffer_records_max or self.waiting_bytes >= BUFFER_BYTES_MAX

    def take(self) -> Batch | None:
        """Take the gathered records, up to the maximum of a batch; None when there are none."""
        if not self._fetched:
            return None
        batch = self._fetched.popleft()
        if len(batch.records) > self._batch_records_max:
            batch, rest = _split(batch, self._batch_records_max)
            self._fetched.appendleft(rest)
        while self._fetched and len(batch.records) + len(self._fetched[0].records) <= self._batch_records_max:
            following = self._fetched.popleft()
            if following.begin != batch.end:
                halt(
                    "fetched records do not follow one another",
                    partition=self.partition,
                    expected_offset=batch.end,
                    offset=following.begin,
                )
            batch.records.extend(following.records)
            batch.end = following.end
            batch.size_bytes += following.size_bytes
        self.waiting -= len(batch.records)
        self.waiting_bytes -= batch.size_bytes
        return batch

    @property
    def wants_batch(self) -> bool:
        return not self.closed and (self.waiting > 0 or self.behind)

    def clear(self) -> None:
        self._fetched.clear()
        self.waiting = self.waiting_bytes = 0

    def close(self) -> None:
        self.clear()
        self.closed = True


def _split(batch: Batch, count: int) -> tuple[Batch, Batch]:
    cut = batch.records[count].offset
    first, rest = batch.records[:count], batch.records[count:]
    bytes_before = size_bytes(first)
    return (
        Batch(batch.partition, batch.begin, cut, first, bytes_before),
        Batch(batch.partition, cut, batch.end, rest, batch.size_bytes - bytes_before),
    )


def size_bytes(records: Iterable[AnyRecord]) -> int:
    return sum(map(record_bytes, records))

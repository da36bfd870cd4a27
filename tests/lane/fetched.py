"""Reads fetched bytes as the fetcher does, without a broker."""

from time import monotonic

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED

from schemas.batch import UnreadableRecord
from stream.lane.record_batches import FetchedBatches, ReadableRecords
from stream.lane.record_stream import AnyRecord, RecordBatchHead
from tests.lane.handmade import Made

PLACE = TopicPartition("account-events", 3)
BASE = 40
SECONDS_MAX = 120


def fetched(data: bytes, offset: int, aborted: list[tuple[int, int]] | None = None) -> ReadableRecords:
    return ReadableRecords(PLACE, FetchedBatches(data), aborted, offset, None, None, True, READ_COMMITTED)


def read(data: bytes, offset: int = 0, aborted: list[tuple[int, int]] | None = None) -> list[AnyRecord]:
    """All records of a log, as the fetcher reads it: fetch after fetch, until the end."""
    end = max(head.last_offset for head in map(RecordBatchHead.read, FetchedBatches(data))) + 1
    found: list[AnyRecord] = []
    deadline = monotonic() + SECONDS_MAX
    while offset < end:
        rest = b"".join(one for one in FetchedBatches(data) if RecordBatchHead.read(one).last_offset >= offset)
        records = fetched(rest, offset, aborted)
        found += records
        assert records.next_fetch_offset >= offset
        offset = records.next_fetch_offset
        assert monotonic() < deadline, f"stuck at {offset}"
    return found


def shown(record: AnyRecord) -> tuple[object, ...]:
    """Offset, key, value and headers; of an unreadable one only the offset."""
    if isinstance(record, UnreadableRecord):
        return (record.offset, "unreadable")
    return (record.offset, record.key, record.value, tuple(record.headers))


GOOD = Made(b"acme", b"good", [(b"trace", b"1"), (b"empty", None)])
READ_GOOD = (b"acme", b"good", (("trace", b"1"), ("empty", None)))

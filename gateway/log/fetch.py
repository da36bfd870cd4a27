"""Fetch requests in sessions, and the records of an answer that somebody waits for.

aiokafka's consumer asks for every partition in every request and makes an object of each record. A gateway reads every
output of the engine and needs few records of it, so it fetches with aiokafka's client and passes over the rest.
"""

from collections.abc import Collection, Generator, Mapping
from typing import Any, ClassVar

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.api import Request
from aiokafka.protocol.fetch import FetchRequest_v11

from stream.lane.record_batches import FetchedBatches, ReadableRecords
from stream.lane.record_stream import AnyRecord, RecordBatchHead
from stream.offsets import READ_COMMITTED

# The broker answers at once when it has a record, and after this long when it has none.
WAIT_MS = 500
PARTITION_BYTES = 1 << 20
ANSWER_BYTES = 16 << 20
# aiokafka's arguments for no decoding of keys and values, and for checked batches of committed records.
_AS_STORED = (None, None, True, READ_COMMITTED)
# All errors that the compiled decoder raises for bytes that it cannot read.
_CANNOT_READ = (CorruptRecordException, ValueError, OverflowError, MemoryError)


class SessionFetch(Request[FetchRequest_v11]):  # type: ignore[misc]  # aiokafka has no types
    """A fetch of those partitions whose position changed since the last one of the session (KIP-227)."""

    API_KEY: ClassVar[int] = 1

    def __init__(self, session: int, epoch: int, positions: Mapping[TopicPartition, int]) -> None:
        self._session, self._epoch = session, epoch
        self._topics: dict[str, list[tuple[int, int, int, int, int]]] = {}
        for place, position in positions.items():
            entry = (place.partition, -1, position, -1, PARTITION_BYTES)
            self._topics.setdefault(place.topic, []).append(entry)

    def build(self, request_struct_class: type[FetchRequest_v11]) -> FetchRequest_v11:
        topics = list(self._topics.items())
        return request_struct_class(
            *(-1, WAIT_MS, 1, ANSWER_BYTES, READ_COMMITTED), *(self._session, self._epoch), topics, [], ""
        )


class Session:
    """The fetch session with one broker: what the broker knows of our positions, so that only changes are sent."""

    def __init__(self) -> None:
        self._id, self._epoch = 0, 0
        self._sent: dict[TopicPartition, int] = {}

    def request(self, positions: Mapping[TopicPartition, int]) -> SessionFetch:
        """The next request. A partition that leaves the session begins another one."""
        if not self._sent.keys() <= positions.keys():
            self.reset()
        changed = {place: at for place, at in positions.items() if self._sent.get(place) != at}
        self._sent = dict(positions)
        return SessionFetch(self._id, self._epoch, changed)

    def answered(self, session: int) -> None:
        """Note the session that the broker keeps; 0 when it keeps none."""
        if session == 0:
            self.reset()
            return
        self._id, self._epoch = session, self._epoch % 0x7FFFFFFF + 1

    def reset(self) -> None:
        """Begin again with all positions."""
        self._id, self._epoch, self._sent = 0, 0, {}


class WatchedRecords(ReadableRecords):
    """The records of an answer whose keys are wanted. `next_fetch_offset` also passes all others."""

    def __init__(
        self, place: TopicPartition, data: bytes, aborted: Any, position: int, keys: Collection[bytes]
    ) -> None:
        self._keys = keys
        super().__init__(place, FetchedBatches(data), aborted, position, *_AS_STORED)

    def _read_fast(self, batch: Any, stored: memoryview) -> Generator[AnyRecord, None, bool | None]:  # noqa: ARG002
        # The engine writes these batches, so their offsets are not checked. One that cannot be decoded is read slowly.
        keys, (topic, partition), position = self._keys, self._tp, self.next_fetch_offset
        try:
            for record in batch:
                key, offset = record.key, record.offset
                if key in keys and offset >= position:
                    value = record.value
                    sizes = (len(key), -1 if value is None else len(value))
                    self.next_fetch_offset = offset + 1
                    yield ConsumerRecord(
                        *(topic, partition, offset, record.timestamp or -1, record.timestamp_type),
                        *(key, value, None, *sizes, tuple(record.headers)),
                    )
        except _CANNOT_READ:
            return False
        return True


def records_of(
    place: TopicPartition, data: bytes, aborted: Any, position: int, keys: Collection[bytes] | None
) -> ReadableRecords:
    """The committed records of an answer that have one of `keys`; all when None."""
    if keys is None:
        return ReadableRecords(place, FetchedBatches(data), aborted, position, *_AS_STORED)
    return WatchedRecords(place, data, aborted, position, keys)


def passed_over(data: bytes, position: int) -> int:
    """The position behind all batches of an answer, read from their heads alone."""
    for stored in FetchedBatches(data):
        position = max(position, RecordBatchHead.read(stored).last_offset + 1)
    return position

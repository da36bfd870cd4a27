"""Reads fetched record batches so that no content of a batch can stop the reader.

aiokafka's fetcher fails at a header name that is not UTF-8 and at a batch that is broken inside, at every fetch again,
and it unpacks compressed batches of any size. Once `install` was called, each offset gives a ConsumerRecord or an
UnreadableRecord. aiokafka's compiled decoder still reads a well-formed batch of usual size; `RecordStream` reads
batches that the decoder cannot read or that are too large for it.

Damage by a broker or the network is a different case: the checksum is wrong, and the batch is fetched again.
"""

import hashlib
import struct
from collections.abc import Generator, Iterator
from time import monotonic
from typing import Any, ClassVar

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

from schemas.batch import UnreadableRecord
from stream import log
from stream.fail_stop import Exit, halt
from stream.lane.record_stream import (
    CODEC_MASK,
    HEADER_BYTES,
    HEADERS_MAX,
    AnyRecord,
    RecordBatchHead,
    RecordStream,
    record_bytes,
)
from stream.lane.unpack import BrokenStreamError, room_for, unpack, unpacked_chunks

logger = log.get("fetch")

# A larger batch is read record by record: decoded at once, its records may take fifty times its size in memory.
PLAIN_BYTES_MAX = 1 << 20
# Limits of one slice of reading: unpacked bytes, headers, and seconds, because the loop also sends the heartbeats.
# After a slice the rest of the batch is fetched again, and no partition reads for as long as the slice took.
SLICE_BYTES_MAX = 4 << 20
SLICE_HEADERS_MAX = 50_000
SLICE_S = 0.1
HEADER_S = 0.5e-6
REFETCHES_MAX = 5

_FIRST_ROOM_BYTES, _FIRST_RATIO = 1 << 14, 16
# The compiled decoder checks where a number begins, not where it ends, so it needs memory behind the batch.
_PADDING = bytes(16)
_LENGTH = struct.Struct(">i")
_LENGTH_OFFSET, _LOG_OVERHEAD, _MAGIC_OFFSET, _CODEC_OFFSET, _LEGACY_CODEC_OFFSET = 8, 12, 16, 22, 17
_UNUSUAL = CODEC_MASK | 0x10 | 0x20  # Compressed, of a transaction, a marker.
_FORMAT = 2  # Of all batches since Kafka 0.11.
_LEGACY_BYTES_MIN = (26, 34)
# All errors that the compiled decoders raise for bytes that they cannot read.
_CANNOT_READ = (CorruptRecordException, ValueError, OverflowError, MemoryError)

# Streams that a slice left unfinished, and batches fetched with a wrong checksum: (offset, times).
_unfinished: dict[TopicPartition, RecordStream] = {}
_corrupt: dict[TopicPartition, tuple[int, int]] = {}


def install() -> None:
    """Make every consumer of this process read batches with this module. Calling it again changes nothing."""
    fetcher.MemoryRecords = FetchedBatches
    fetcher.PartitionRecords = ReadableRecords


class FetchedBatches:
    """The batches of one partition in a fetch, as stored; the last one may be cut off."""

    def __init__(self, data: bytes | None) -> None:
        self._size = len(data or b"")
        self._data = memoryview((data or b"") + _PADDING)

    def size_in_bytes(self) -> int:
        return self._size

    def has_next(self) -> bool:
        return next(iter(self), None) is not None

    def __iter__(self) -> Iterator[memoryview]:
        data, size, begin = self._data, self._size, 0
        while begin + _LOG_OVERHEAD <= size:
            length: int = _LENGTH.unpack_from(data, begin + _LENGTH_OFFSET)[0]
            # A negative length counts as 0: the checksum will show that the batch is corrupt.
            end = begin + _LOG_OVERHEAD + max(0, length)
            if end > size:
                return
            yield data[begin:end]
            begin = end


class ReadableRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """The records of one fetch. When reading ends early, the next fetch begins at `next_fetch_offset`."""

    next_fetch_offset: int
    paused_until: ClassVar[float] = 0.0

    def _unpack_records(self) -> Generator[AnyRecord]:
        begin, unpacked = self.next_fetch_offset, 0
        for stored in self._records:
            if monotonic() < ReadableRecords.paused_until:
                return
            batch = _checked(stored)
            usual = batch is not None and _usual(stored)
            skipped = False if batch is None or usual else self._skips(batch)
            if batch is None or skipped is None:
                # The records before a corrupt batch are returned first.
                if self.next_fetch_offset == begin:
                    _fetch_again(self._tp, _offset(stored))
                return
            if _corrupt:
                _corrupt.pop(self._tp, None)
            if not skipped:
                plain, size = (batch, 0) if usual else self._plain(stored, batch)
                unpacked += size
                read = False if plain is None else (yield from self._read_fast(plain, stored))
                if not (read or (read is False and (yield from self._read_slowly(stored)))):
                    return
            self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)
            if unpacked > SLICE_BYTES_MAX:
                return

    def _plain(self, stored: memoryview, batch: Any) -> tuple[Any, int]:
        """The batch for the compiled decoder, as from `_unpacked`; None when `RecordStream` must read it."""
        if stored[_MAGIC_OFFSET] < _FORMAT or self._tp in _unfinished:
            return None, 0
        return _unpacked(stored, batch)

    def _skips(self, batch: Any) -> bool | None:
        """Whether the batch has no records to read: a marker, or records of an aborted transaction. None when it claims
        to be a marker but is malformed.
        """
        try:
            if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
                self._consume_aborted_up_to(batch.base_offset)
                if batch.is_control_batch and self._contains_abort_marker(batch):
                    self._aborted_producers.discard(batch.producer_id)
                if batch.is_transactional and batch.producer_id in self._aborted_producers:
                    return True
        except _CANNOT_READ:
            return None
        return bool(batch.is_control_batch)

    def _read_fast(self, batch: Any, stored: memoryview) -> Generator[AnyRecord, None, bool | None]:
        """Read with the compiled decoder; false at bytes that it cannot read, None when the slice is over."""
        (topic, partition), previous, last = self._tp, batch.base_offset - 1, batch.next_offset - 1
        records, dense, given = iter(batch), None, 0
        while True:
            try:
                record = next(records)
            except StopIteration:
                return True
            except _CANNOT_READ:
                return False
            offset, key, value, headers = record.offset, record.key, record.value, record.headers
            if offset != previous + 1:
                dense = RecordBatchHead.read(stored).dense if dense is None else dense
                if dense or not previous < offset <= last:
                    return False
            if len(headers) > HEADERS_MAX:
                _pause_reading(len(headers) * HEADER_S)
                return False
            previous, timestamp = offset, record.timestamp
            if offset < self.next_fetch_offset:
                continue
            self.next_fetch_offset = offset + 1
            yield ConsumerRecord(
                topic,
                partition,
                offset,
                -1 if timestamp is None else timestamp,
                record.timestamp_type,
                key,
                value,
                None,
                -1 if key is None else len(key),
                -1 if value is None else len(value),
                tuple(headers),
            )
            given += len(headers)
            if given > SLICE_HEADERS_MAX:
                _pause_reading(given * HEADER_S)
                return None

    def _read_slowly(self, stored: memoryview) -> Generator[AnyRecord, None, bool]:
        """Read one by one, from where the last slice ended. Returns false when this slice ends before the batch."""
        if stored[_MAGIC_OFFSET] < _FORMAT:
            yield self._legacy(stored)
            return True
        records, given = self._stream(stored), 0
        slice_ends = monotonic() + SLICE_S
        for record in records:
            if record is not None:
                self.next_fetch_offset = record.offset + 1
                given += record_bytes(record)
                yield record
            if given > SLICE_BYTES_MAX or monotonic() > slice_ends:
                _unfinished[self._tp] = records
                _pause_reading(SLICE_S)
                return False
        records.close()
        return True

    def _stream(self, stored: memoryview) -> RecordStream:
        known = _unfinished.pop(self._tp, None)
        if known is not None:
            if known.next_offset == self.next_fetch_offset and known.head.stored == stored:
                return known
            known.close()
        head = RecordBatchHead.read(stored)
        return RecordStream(self._tp, head, unpacked_chunks(head.codec, head.payload), self.next_fetch_offset)

    def _legacy(self, stored: memoryview) -> AnyRecord:
        """A message of a format before 2, which brokers no longer accept: unreadable when compressed or broken."""
        topic, partition = self._tp
        if not stored[_LEGACY_CODEC_OFFSET] & CODEC_MASK:
            try:
                [record] = LegacyRecordBatch(stored, stored[_MAGIC_OFFSET])
                sizes = (
                    -1 if record.key is None else len(record.key),
                    -1 if record.value is None else len(record.value),
                )
                when = -1 if record.timestamp is None else record.timestamp
                return ConsumerRecord(
                    topic, partition, _offset(stored), when, 0, record.key, record.value, None, *sizes, ()
                )
            except _CANNOT_READ:
                pass
        digest, why = hashlib.sha256(stored).hexdigest(), "a compressed or broken message of an old format"
        return UnreadableRecord(topic, partition, _offset(stored), -1, len(stored), digest, why, "batch")


def _offset(stored: memoryview) -> int:
    return int.from_bytes(stored[:_LENGTH_OFFSET], "big", signed=True)


def _usual(stored: memoryview) -> bool:
    """Whether the batch is small, of the current format, uncompressed and not part of a transaction."""
    return len(stored) <= PLAIN_BYTES_MAX and stored[_MAGIC_OFFSET] == _FORMAT and not stored[_CODEC_OFFSET] & _UNUSUAL


def _checked(stored: memoryview) -> Any:
    """The unread batch as an object of aiokafka; None when its checksum or its head is wrong."""
    length = len(stored)
    magic = stored[_MAGIC_OFFSET] if length > _MAGIC_OFFSET else -1
    if magic == _FORMAT and length >= HEADER_BYTES:
        batch = DefaultRecordBatch(stored)
        return batch if batch.validate_crc() and batch.next_offset > batch.base_offset else None
    if magic in (0, 1) and length >= _LEGACY_BYTES_MIN[magic]:
        old = LegacyRecordBatch(stored, magic)
        return old if old.validate_crc() else None
    return None


def _pause_reading(seconds: float) -> None:
    """Leave the loop to other tasks for this long: meanwhile no partition reads more of its fetched batches."""
    ReadableRecords.paused_until = monotonic() + seconds


def _unpacked(stored: memoryview, batch: Any) -> tuple[Any, int]:
    """The uncompressed batch for the compiled decoder and its unpacked size in bytes; None and 0 when the batch is too
    large or cannot be unpacked.
    """
    codec = batch.attributes & CODEC_MASK
    if not codec:
        return (batch if len(stored) <= PLAIN_BYTES_MAX else None), 0
    packed = stored[HEADER_BYTES:]
    # Most batches are small and unpack to a few times their size, so a small buffer, quick to allocate, comes first.
    for room_bytes in (min(PLAIN_BYTES_MAX, _FIRST_ROOM_BYTES + _FIRST_RATIO * len(packed)), PLAIN_BYTES_MAX):
        room = room_for(HEADER_BYTES + room_bytes + len(_PADDING))
        try:
            size = unpack(codec, packed, room[HEADER_BYTES : HEADER_BYTES + room_bytes])
        except BrokenStreamError:
            return None, 0
        if size is not None:
            room[:HEADER_BYTES] = stored[:HEADER_BYTES]
            room[_CODEC_OFFSET] &= ~CODEC_MASK
            return DefaultRecordBatch(room[: HEADER_BYTES + size]), size
    return None, 0


def _fetch_again(place: TopicPartition, offset: int) -> None:
    """Count a corrupt batch; the fetcher requests it again once the caller returns. One that stays corrupt ends the
    process.
    """
    known, times = _corrupt.get(place, (offset, 0))
    times = times + 1 if known == offset else 1
    _corrupt[place] = (offset, times)
    where = {"topic": place.topic, "partition": place.partition, "offset": offset}
    if times > REFETCHES_MAX:
        halt("a record batch is corrupt in the log: its checksum is wrong", status=Exit.PERSON, **where)
    logger.warning("corrupt record batch, fetched again", times=times, **where)

"""Reads the records of one batch one by one from its unpacked bytes, whatever a producer wrote into it.

aiokafka's decoder reads a batch at once and fails at the first wrong byte, and then never gets past it in the log. This
decoder is slower but reads everything readable: each offset of the batch gives a record or an UnreadableRecord, in
order, and memory depends on the largest record read, not on the batch.
"""

import hashlib
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aiokafka import ConsumerRecord, TopicPartition

from schemas.batch import UnreadableRecord
from stream.lane.unpack import BrokenStreamError

# Maximum size of a record that is read, with its frame. Records that a broker accepts uncompressed are far smaller.
RECORD_BYTES_MAX = 8 << 20
# In memory a header takes some fifty times its two bytes in a batch, so the number of headers has its own limit.
HEADERS_MAX = 1_000
HEADER_COST_BYTES = 150
# A compressed batch is unpacked up to this size: two records of the largest size that the format can state. The rest is
# unreadable, so that the time for a batch has a bound whatever a producer packed.
UNPACKED_BYTES_MAX = 4 << 30
_VARINT_BYTES_MAX = 10
# Maximum size of attributes, timestamp and offset of a record.
_HEAD_BYTES = 1 + 2 * _VARINT_BYTES_MAX
_INT64_LIMIT = 1 << 63
_HEADER = struct.Struct(">qiibIhiqqqhii")

HEADER_BYTES = _HEADER.size
CODEC_MASK = 0x07
_LOG_APPEND_TIME = 0x08

AnyRecord: TypeAlias = ConsumerRecord | UnreadableRecord


def record_bytes(record: AnyRecord) -> int:
    """Memory of a record in bytes, beyond the fixed cost of every record."""
    size = len(record.key or b"") + len(record.value or b"")
    for name, text in record.headers:
        size += HEADER_COST_BYTES + len(name) + len(text or b"")
    return size


class BrokenRecordError(Exception):
    """A record that does not follow the format; the message explains how."""


@dataclass(frozen=True, slots=True)
class RecordBatchHead:
    """The head of a batch of format 2, which applies to all its records. `stored` is the whole batch as in the log."""

    base_offset: int
    attributes: int
    last_offset: int
    first_timestamp: int
    max_timestamp: int
    count: int
    stored: memoryview

    @classmethod
    def read(cls, stored: memoryview) -> "RecordBatchHead":
        base, _, _, _, _, attributes, delta, first, newest, _, _, _, count = _HEADER.unpack_from(stored)
        return cls(base, attributes, base + delta, first, newest, count, stored)

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def dense(self) -> bool:
        """Whether every offset of the batch has a record, as in every batch that was not compacted."""
        return self.count > self.last_offset - self.base_offset

    @property
    def payload(self) -> memoryview:
        return self.stored[HEADER_BYTES:]

    def timestamp(self, delta_ms: int) -> int:
        """The timestamp of a record in milliseconds; -1, which means none, when the sum exceeds 64 bits."""
        if self.attributes & _LOG_APPEND_TIME:
            return self.max_timestamp
        timestamp = self.first_timestamp + delta_ms
        return timestamp if abs(timestamp) < _INT64_LIMIT else -1


class RecordStream:
    """Iterates over records; None stands for a step of work without a record, after which the caller may do other work.

    Skips records before `from_offset`. `next_offset` is one past the last record returned. `chunks` are the unpacked
    payload of the batch; after `unpacked_bytes_max` bytes the rest of the batch is unreadable.
    """

    def __init__(
        self,
        place: TopicPartition,
        head: RecordBatchHead,
        chunks: Generator[bytes],
        from_offset: int,
        unpacked_bytes_max: int = UNPACKED_BYTES_MAX,
    ) -> None:
        self.next_offset = from_offset
        self.head = head
        self._place, self._from = place, from_offset
        self._chunks, self._unpacked_bytes_max = chunks, unpacked_bytes_max
        self._buffer = bytearray()
        self._unpacked = 0
        self._seen_offset = head.base_offset - 1
        self._steps = self._records()

    def __iter__(self) -> "RecordStream":
        return self

    def __next__(self) -> AnyRecord | None:
        return next(self._steps)

    def close(self) -> None:
        """Release the resources that unpack the batch."""
        self._steps.close()
        self._chunks.close()

    def _records(self) -> Generator[AnyRecord | None]:
        found, wrong = 0, ""
        try:
            while self._seen_offset < self.head.last_offset and self._has(1):
                yield from self._record(self._length())
                found += 1
        except (BrokenRecordError, BrokenStreamError) as error:
            wrong = str(error)
        yield from self._missing(found, wrong or "the batch holds fewer records than it claims")

    def _record(self, length: int) -> Generator[AnyRecord | None]:
        if length > RECORD_BYTES_MAX:
            yield from self._large_record(length)
            return
        if not self._has(length):
            raise BrokenRecordError("the batch ends within a record")
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        offset, timestamp = self._address(body)
        if not self._passes(offset):
            yield None
            return
        try:
            record: AnyRecord = _parse(body, self._place, offset, timestamp)
        except BrokenRecordError as error:
            digest = hashlib.sha256(body).hexdigest()
            record = self._unreadable(offset, timestamp, length, digest, str(error))
        yield record

    def _large_record(self, length: int) -> Generator[AnyRecord | None]:
        """Discard a record piece by piece, but keep its address and digest."""
        digest, left = hashlib.sha256(), length
        if not self._has(_HEAD_BYTES):
            raise BrokenRecordError("the batch ends within a record")
        offset, timestamp = self._address(bytes(self._buffer[:_HEAD_BYTES]))
        while left:
            if not self._has(1):
                raise BrokenRecordError("the batch ends within a record")
            piece = self._buffer[:left]
            del self._buffer[:left]
            digest.update(piece)
            left -= len(piece)
            yield None
        if self._passes(offset):
            why = f"the record has {length} bytes: at most {RECORD_BYTES_MAX} are read"
            yield self._unreadable(offset, timestamp, length, digest.hexdigest(), why)

    def _address(self, start: bytes) -> tuple[int, int]:
        """Offset and timestamp. The offset in the record counts only where compaction removed others: a producer may
        write any offset, and brokers accept it.
        """
        expected = self._seen_offset + 1
        offset, timestamp = expected, self.head.timestamp(0)
        try:
            delta_ms, position = _varint(start, 1)
            delta, _ = _varint(start, position)
        except BrokenRecordError:
            pass
        else:
            timestamp = self.head.timestamp(delta_ms)
            claimed = self.head.base_offset + delta
            offset = claimed if not self.head.dense and expected <= claimed <= self.head.last_offset else expected
        return offset, timestamp

    def _passes(self, offset: int) -> bool:
        """Note the offset of a record; false when the record is to be skipped."""
        self._seen_offset = offset
        if offset < self._from:
            return False
        self.next_offset = offset + 1
        return True

    def _missing(self, found: int, why: str) -> Generator[AnyRecord | None]:
        """Unreadable records in place of those that the batch announces but does not contain. Compaction leaves offsets
        unused, so the count of the batch decides how many are missing.
        """
        missing = min(self.head.count - found, self.head.last_offset - self._seen_offset)
        if missing <= 0:
            return
        digest = hashlib.sha256(self.head.stored).hexdigest()
        size, timestamp = len(self.head.stored), self.head.timestamp(0)
        for offset in range(self._seen_offset + 1, self._seen_offset + 1 + missing):
            passes = self._passes(offset)
            yield self._unreadable(offset, timestamp, size, digest, why, "batch") if passes else None

    def _unreadable(
        self,
        offset: int,
        timestamp: int,
        size: int,
        digest: str,
        why: str,
        measured: Literal["record", "batch"] = "record",
    ) -> UnreadableRecord:
        topic, partition = self._place
        return UnreadableRecord(topic, partition, offset, timestamp, size, digest, why, measured)

    def _has(self, length: int) -> bool:
        """Read on until `length` bytes are buffered; false when the batch ends before."""
        while len(self._buffer) < length:
            if self._unpacked > self._unpacked_bytes_max:
                raise BrokenStreamError(f"the batch unpacks to more than {self._unpacked_bytes_max} bytes")
            chunk = next(self._chunks, b"")
            if not chunk:
                return False
            self._unpacked += len(chunk)
            self._buffer += chunk
        return True

    def _length(self) -> int:
        self._has(_VARINT_BYTES_MAX)
        length, position = _varint(bytes(self._buffer[:_VARINT_BYTES_MAX]), 0)
        if length < 0:
            raise BrokenRecordError("a record's length is negative")
        del self._buffer[:position]
        return length


def _varint(body: bytes, position: int) -> tuple[int, int]:
    """A zigzag integer and where it ends."""
    result = 0
    for count in range(_VARINT_BYTES_MAX):
        if position >= len(body):
            raise BrokenRecordError("a number has no end")
        byte = body[position]
        position += 1
        result |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return (result >> 1) ^ -(result & 1), position
    raise BrokenRecordError("a number is too long")


def _bytes(body: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = _varint(body, position)
    if length < 0:
        return None, position
    if position + length > len(body):
        raise BrokenRecordError("a length leads out of the record")
    return body[position : position + length], position + length


def _parse(body: bytes, place: TopicPartition, offset: int, timestamp: int) -> ConsumerRecord:
    _, position = _varint(body, 1)
    _, position = _varint(body, position)
    key, position = _bytes(body, position)
    value, position = _bytes(body, position)
    count, position = _varint(body, position)
    if not 0 <= count <= HEADERS_MAX:
        raise BrokenRecordError(f"the record has {count} headers: at most {HEADERS_MAX} are read")
    headers = []
    for _ in range(count):
        name, position = _bytes(body, position)
        if name is None:
            raise BrokenRecordError("a header has no name")
        text, position = _bytes(body, position)
        # A name that is not UTF-8 is kept in a form that equals no valid name, and is never written out.
        headers.append((name.decode("utf-8", "surrogateescape"), text))
    if position != len(body):
        raise BrokenRecordError("the record's fields do not fill it")
    sizes = (-1 if key is None else len(key), -1 if value is None else len(value))
    return ConsumerRecord(*place, offset, timestamp, 0, key, value, None, *sizes, tuple(headers))

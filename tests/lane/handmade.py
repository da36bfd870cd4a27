"""Record batches written byte by byte, including ones that no client would write."""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.util import calc_crc32c

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PACK: dict[int, Callable[[bytes], bytes]] = {0: bytes, 1: gzip_encode, 2: snappy_encode, 3: lz4_encode, 4: zstd_encode}
TIMESTAMP_MS = 1_767_225_600_000

Header = tuple[bytes, bytes | None]


@dataclass(frozen=True)
class Made:
    """A record to write. `tail` goes behind its fields, within its length."""

    key: bytes | None = b"k"
    value: bytes | None = b"v"
    headers: Sequence[Header] = ()
    delta: int | None = None
    tail: bytes = b""


def varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def with_length(part: bytes | None) -> bytes:
    return varint(-1) if part is None else varint(len(part)) + part


def body(record: Made, delta: int) -> bytes:
    headers = b"".join(with_length(name) + with_length(text) for name, text in record.headers)
    return b"".join(
        (
            b"\0",
            varint(0),
            varint(delta if record.delta is None else record.delta),
            with_length(record.key),
            with_length(record.value),
            varint(len(record.headers)),
            headers,
            record.tail,
        )
    )


def payload(records: Iterable[Made]) -> bytes:
    return b"".join(with_length(body(record, delta)) for delta, record in enumerate(records))


def stored(
    packed: bytes,
    count: int,
    *,
    codec: int = 0,
    base: int = 0,
    last_delta: int | None = None,
    timestamp: int = TIMESTAMP_MS,
    attributes: int = 0,
    producer: tuple[int, int, int] = (-1, -1, -1),
) -> bytes:
    """A batch of format 2 around records that are packed already, with a right checksum."""
    last = count - 1 if last_delta is None else last_delta
    covered = struct.pack(">hiqqqhii", attributes | codec, last, timestamp, timestamp, *producer, count) + packed
    return struct.pack(">qiibI", base, len(covered) + 9, 0, 2, calc_crc32c(covered)) + covered


def batch(records: Sequence[Made], *, codec: int = 0, base: int = 0, **fields: Any) -> bytes:
    """A well-formed batch of these records."""
    return stored(PACK[codec](payload(records)), len(records), codec=codec, base=base, **fields)

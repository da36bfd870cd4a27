"""Batches that are small as they are stored and large unpacked, made without holding what they unpack to."""

import zlib
from collections.abc import Iterator
from typing import Any

import cramjam

from tests.lane.handmade import CODECS, PACK, Made, body, payload, varint, with_length

ZEROS = bytes(1 << 20)


def unpacked_pieces(before: list[Made], size: int, after: list[Made]) -> Iterator[bytes]:
    """The payload of a batch: records, one with a value of `size` zeros, and records again."""
    yield payload(before)
    head = b"\0" + varint(0) + varint(len(before)) + with_length(b"bomb") + varint(size)
    yield varint(len(head) + size + 1) + head
    for start in range(0, size, len(ZEROS)):
        yield ZEROS[: size - start]
    yield b"\0" + b"".join(with_length(body(record, len(before) + 1 + n)) for n, record in enumerate(after))


def packed_pieces(codec: str, pieces: Iterator[bytes]) -> bytes:
    """`pieces` compressed together; snappy's framing has a block for each."""
    if codec == "gzip":
        gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
        return b"".join([*map(gzip.compress, pieces), gzip.flush()])
    if codec == "snappy":
        header, blocks = PACK[CODECS["snappy"]](b"")[:16], (cramjam.snappy.compress_raw(piece) for piece in pieces)
        return header + b"".join(len(block).to_bytes(4, "big") + bytes(block) for block in blocks)
    stream: Any = cramjam.zstd.Compressor(level=3) if codec == "zstd" else cramjam.lz4.Compressor(9, block_linked=False)
    for piece in pieces:
        stream.compress(piece)
    return bytes(stream.finish())

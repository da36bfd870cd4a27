"""Unpacks compressed record batches within bounds: a kilobyte may unpack to gigabytes.

`unpack` unpacks a small batch at once, which covers nearly all batches. `unpacked_chunks` unpacks the others piece by
piece, so that memory never depends on what a producer packed.
"""

import mmap
import os
import struct
import threading
import zlib
from collections.abc import Callable, Generator
from typing import Any

import cramjam

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CHUNK_BYTES = 1 << 18

# Snappy's smallest element has three bytes and stands for 64. A block that claims a higher ratio is broken, and
# trusting it would allocate up to 4 GiB.
SNAPPY_RATIO_MAX = 22
_MAPPED_BYTES_MIN = 1 << 18
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_GZIP_WINDOW = 31  # In zlib: gzip's header and trailer, any window.


class BrokenStreamError(Exception):
    """The bytes are not valid for the codec. The chunks before them were good."""


def unpack(codec: int, packed: memoryview, room: memoryview) -> int | None:
    """Unpack into `room` and return the number of bytes, None when they do not fit.

    Raises BrokenStreamError.
    """
    if codec in _CRAMJAM:
        try:
            return int(_CRAMJAM[codec].decompress_into(packed, room))
        except cramjam.DecompressionError as error:
            # Only the text distinguishes a full buffer from a broken stream. If a batch is both, a later step finds it
            # broken.
            if "whole buffer" in str(error):
                return None
            raise BrokenStreamError(str(error)) from error
    length = 0
    for chunk in unpacked_chunks(codec, packed):
        if length + len(chunk) > len(room):
            return None
        room[length : length + len(chunk)] = chunk
        length += len(chunk)
    return length


def unpacked_chunks(codec: int, packed: memoryview) -> Generator[bytes]:
    """The unpacked bytes, piece by piece. Raises BrokenStreamError at the first bytes that cannot be unpacked."""
    if codec == NONE:
        for start in range(0, len(packed), CHUNK_BYTES):
            yield bytes(packed[start : start + CHUNK_BYTES])
    elif codec == GZIP:
        yield from _gunzip(packed)
    elif codec == SNAPPY:
        yield from _unsnap(packed)
    elif codec in _CRAMJAM:
        yield from _stream_through_pipe(_CRAMJAM[codec].decompress_into, packed)
    else:
        raise BrokenStreamError(f"compression {codec} is not known")


_CRAMJAM: dict[int, Any] = {LZ4: cramjam.lz4, ZSTD: cramjam.zstd}


def _gunzip(packed: memoryview) -> Generator[bytes]:
    """Unpack the members of a gzip file, one after another."""
    rest: bytes | memoryview = packed
    while rest:
        member = zlib.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            try:
                chunk = member.decompress(rest, CHUNK_BYTES)
            except zlib.error as error:
                raise BrokenStreamError(str(error)) from error
            rest = member.unconsumed_tail
            if chunk:
                yield chunk
            elif not member.eof and not rest:
                raise BrokenStreamError("the gzip stream ends before its end")
        rest = member.unused_data


def _unsnap(packed: memoryview) -> Generator[bytes]:
    """Unpack the blocks of the framing that Java clients use, or one bare block."""
    if bytes(packed[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC or len(packed) < _XERIAL_HEADER_BYTES:
        yield _snappy_block(packed)
        return
    position = _XERIAL_HEADER_BYTES
    while position < len(packed):
        if position + 4 > len(packed):
            raise BrokenStreamError("a snappy block has no length")
        (length,) = struct.unpack_from(">i", packed, position)
        position += 4
        if length < 0 or position + length > len(packed):
            raise BrokenStreamError("a snappy block is longer than its batch")
        yield _snappy_block(packed[position : position + length])
        position += length


def _snappy_block(block: memoryview) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(block) > SNAPPY_RATIO_MAX * (len(block) + 1):
            raise BrokenStreamError("a snappy block claims more bytes than it can hold")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise BrokenStreamError(str(error)) from error


def _stream_through_pipe(decompress: Callable[[memoryview, Any], int], packed: memoryview) -> Generator[bytes]:
    """Stream the output of `decompress` through a pipe: cramjam only unpacks as a whole, but can write to a file.

    The pipe holds 64 KiB, and its writer waits for the reader. A reader that stops early closes the pipe, which ends
    the writer.
    """
    reading, writing = os.pipe()
    wrong: list[str] = []

    def write() -> None:
        try:
            with os.fdopen(writing, "wb"):
                decompress(packed, cramjam.File(f"/dev/fd/{writing}", read=False, write=True))
        except (cramjam.DecompressionError, OSError) as error:
            wrong.append(str(error))

    # A daemon, so that the end of the process does not wait for it.
    writer = threading.Thread(target=write, name="unpack", daemon=True)
    try:
        writer.start()
        while chunk := os.read(reading, CHUNK_BYTES):
            yield chunk
    finally:
        os.close(reading)
    writer.join()
    if wrong:
        raise BrokenStreamError(wrong[0])


def room_for(length: int) -> memoryview:
    """Zeroed memory of `length` bytes, released with its view. A large mapping costs nothing until it is written to."""
    return memoryview(mmap.mmap(-1, length) if length > _MAPPED_BYTES_MIN else bytearray(length))

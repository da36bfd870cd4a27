"""A backup as one file: gzip of JSON lines. A partial file never appears, and a whole one is checked before use.

    {"format": 1, "app_id": "tollgate", "topic_prefix": "", "partitions": 8}
    {"partition": 0, "rows": 3, "checkpoint": {"next_offset": 12, …}, "undecided": 0}
    {"key": "acme", "value": "<base64>"}                        one line a row, `rows` lines
    …                                                           the other partitions, in order
    {"rows": 3, "sha256": "<hex of all bytes before this line>"}

Rows have the changelog's bytes. The checkpoint's own row is one of them.
"""

import base64
import binascii
import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, TextIO

import msgspec
import orjson

from schemas.rows import Checkpoint, CorruptRowError, check_row
from stream.progress import EVERY_S, with_progress
from stream.repair.failure import RepairError
from stream.repair.state import PartitionState, check_state

FORMAT = 1
# The fastest level compresses the changelog to a third; slower levels gain a few percent for three times the time.
GZIP_LEVEL = 1


class Header(msgspec.Struct, frozen=True):
    """The application whose state the file contains."""

    format: int
    app_id: str
    topic_prefix: str
    partitions: int


class Part(msgspec.Struct, frozen=True):
    """The line before a partition's rows. `undecided` counts the inputs after the checkpoint, without ticks, when the
    backup was taken.
    """

    partition: int
    rows: int
    checkpoint: dict[str, Any] | None
    undecided: int = 0


class Row(msgspec.Struct, frozen=True):
    key: str
    value: str


class Trailer(msgspec.Struct, frozen=True):
    rows: int
    sha256: str


class ArchiveWriter:
    """Writes a backup under a temporary name in the same directory; `finish` renames it."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.part")
        self._raw = self._temporary.open("wb")
        # No name and no time in the gzip header, so the same state gives the same bytes.
        self._file = gzip.GzipFile("", "wb", GZIP_LEVEL, self._raw, mtime=0)
        self._sha256 = hashlib.sha256()
        self._rows = 0
        self._write(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove an unfinished file."""
        if not self._raw.closed:
            self._raw.close()
            self._temporary.unlink(missing_ok=True)

    def add(self, state: PartitionState, undecided: int) -> None:
        checkpoint = state.checkpoint
        fields = None if checkpoint is None else _fields(checkpoint)
        self._write(Part(state.partition, len(state.rows), fields, undecided))
        for key, value in state.rows.items():
            self._write(Row(key, base64.b64encode(value).decode()))
        self._rows += len(state.rows)

    def finish(self) -> int:
        """Sync the file to disk, give it its name, and return the number of its rows."""
        self._file.write(orjson.dumps(msgspec.to_builtins(Trailer(self._rows, self._sha256.hexdigest()))) + b"\n")
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._temporary.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return self._rows

    def _write(self, content: msgspec.Struct) -> None:
        line = msgspec.json.encode(content) + b"\n"
        self._sha256.update(line)
        self._file.write(line)


class Archive:
    """A backup to read. Each partition is checked as a worker checks its changelog. A terminal `out`, by default
    standard error, shows how far that is.
    """

    def __init__(self, path: Path, out: TextIO | None = None, every_s: float = EVERY_S) -> None:
        self.path, self._out, self._every_s = path, out, every_s
        self.header = self._read_header()

    def check(self) -> list[Part]:
        """Read the whole file and check every row, count and balance, and the checksum. Returns the line of each
        partition. Raises RepairError.
        """
        return [part for part, _ in self.states()]

    def states(self) -> Iterator[tuple[Part, PartitionState]]:
        """Each partition in order. Raises RepairError if the file is truncated or was changed."""
        try:
            with self.path.open("rb") as raw, gzip.GzipFile(fileobj=raw) as file:
                shown = with_progress(file, str(self.path), self._out, self._every_s, raw.tell)
                yield from self._states(iter(shown))
        except (gzip.BadGzipFile, EOFError, msgspec.MsgspecError, binascii.Error, CorruptRowError) as error:
            raise RepairError(f"{self.path}: not a backup, or damaged: {error}") from None

    def _states(self, lines: Iterator[bytes]) -> Iterator[tuple[Part, PartitionState]]:
        sha256, rows = hashlib.sha256(), 0
        sha256.update(next(lines, b""))
        for number in range(self.header.partitions):
            line = next(lines, b"")
            sha256.update(line)
            part = msgspec.json.decode(line, type=Part)
            if part.partition != number:
                raise CorruptRowError(f"found partition {part.partition}, expected {number}")
            state = PartitionState(number)
            for _ in range(part.rows):
                line = next(lines, b"")
                sha256.update(line)
                _add_row(state, line)
            checkpoint = state.checkpoint
            if part.checkpoint != (None if checkpoint is None else _fields(checkpoint)):
                raise CorruptRowError(f"partition {number}: the checkpoint differs from its row")
            check_state(state)
            rows += part.rows
            yield part, state
        trailer = msgspec.json.decode(next(lines, b""), type=Trailer)
        if (trailer.rows, trailer.sha256) != (rows, sha256.hexdigest()) or next(lines, b""):
            raise CorruptRowError("the checksum at its end does not match")

    def _read_header(self) -> Header:
        try:
            with gzip.open(self.path, "rb") as file:
                header = msgspec.json.decode(file.readline(), type=Header)
        except (gzip.BadGzipFile, EOFError, msgspec.MsgspecError) as error:
            raise RepairError(f"{self.path}: not a backup: {error}") from None
        if header.format != FORMAT:
            raise RepairError(f"{self.path}: format {header.format}, this version reads format {FORMAT}")
        return header


def _fields(checkpoint: Checkpoint) -> dict[str, Any]:
    """The checkpoint by field name, readable in the file."""
    return {name: getattr(checkpoint, name) for name in checkpoint.__struct_fields__}


def _add_row(state: PartitionState, line: bytes) -> None:
    row = msgspec.json.decode(line, type=Row)
    value = base64.b64decode(row.value, validate=True)
    if row.key in state.rows:
        raise CorruptRowError(f"partition {state.partition}: a row occurs twice")
    check_row(row.key.encode(), value, None)
    state.rows[row.key] = value

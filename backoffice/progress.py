"""How far a long file is read, for the person who waits."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import BinaryIO, TextIO

EVERY_S = 5.0


def with_progress(
    lines: BinaryIO, command: str, out: TextIO | None = None, every_s: float = EVERY_S
) -> Iterable[bytes]:
    """The lines of a file. Where `out`, by default standard error, is a terminal, it gets a line every `every_s`
    seconds.
    """
    shown = sys.stderr if out is None else out
    return _reported(lines, command, shown, every_s) if shown.isatty() else lines


def _reported(lines: BinaryIO, command: str, out: TextIO, every_s: float) -> Iterator[bytes]:
    size, read, reported_at = _size(lines), 0, monotonic()
    for number, line in enumerate(lines, start=1):
        yield line
        read += len(line)
        if monotonic() - reported_at >= every_s:
            reported_at = monotonic()
            part = f", {min(read, size) * 100 // size} %" if size else ""
            print(f"{command}: {number:,} lines read{part}", file=out, flush=True)


def _size(lines: BinaryIO) -> int:
    """The bytes of a regular file; 0 for a pipe, which has no end that is known."""
    try:
        found = os.fstat(lines.fileno())
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0

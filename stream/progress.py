"""How far a long file is read, for the person who waits."""

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from io import IOBase
from time import monotonic
from typing import BinaryIO, TextIO

EVERY_S = 5.0


def with_progress(
    lines: BinaryIO | IOBase,
    command: str,
    out: TextIO | None = None,
    every_s: float = EVERY_S,
    position: Callable[[], int] | None = None,
) -> Iterable[bytes]:
    """The lines of a file. Where `out`, by default standard error, is a terminal, it gets a line every `every_s`
    seconds. `position` gives the bytes read so far of a file that is compressed.
    """
    shown = sys.stderr if out is None else out
    return _reported(lines, command, shown, every_s, position) if shown.isatty() else lines


def _reported(
    lines: BinaryIO | IOBase, command: str, out: TextIO, every_s: float, position: Callable[[], int] | None
) -> Iterator[bytes]:
    size, read, reported_at = _size(lines), 0, monotonic()
    for number, line in enumerate(lines, start=1):
        yield line
        read += len(line)
        if monotonic() - reported_at >= every_s:
            reported_at = monotonic()
            done = min(read if position is None else position(), size)
            part = f", {done * 100 // size} %" if size else ""
            print(f"{command}: {number:,} lines read{part}", file=out, flush=True)


def _size(lines: BinaryIO | IOBase) -> int:
    """The bytes of a regular file; 0 for a pipe, which has no end that is known."""
    try:
        found = os.fstat(lines.fileno())
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0

"""Reads logs of processes that still write them."""

from pathlib import Path


def whole_lines(log: Path) -> list[str]:
    """The lines of a log, without one that is not complete yet."""
    text, _, _ = log.read_text(errors="replace").rpartition("\n")
    return text.splitlines()

"""A command that reads a long file says how far it is, to a person only, and passes every line on."""

import gzip
import random
from io import BytesIO, StringIO
from pathlib import Path

from stream.progress import with_progress

LINES = [b"one\n", b"two\n", b"three\n", b"four"]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_lines_read_and_their_part_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(LINES))
    shown = Terminal()
    with file.open("rb") as lines:
        assert list(with_progress(lines, "replay", shown, every_s=0)) == LINES
    assert shown.getvalue().splitlines() == [
        *("replay: 1 lines read, 22 %", "replay: 2 lines read, 44 %", "replay: 3 lines read, 77 %"),
        "replay: 4 lines read, 100 %",
    ]


def test_input_without_a_known_end_has_no_part() -> None:
    shown = Terminal()
    assert list(with_progress(BytesIO(b"".join(LINES)), "report", shown, every_s=0)) == LINES
    assert shown.getvalue().endswith("report: 4 lines read\n")


def test_the_part_of_a_compressed_file_is_that_of_its_bytes_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "events.gz"
    file.write_bytes(gzip.compress(b"\n".join(random.Random(7).randbytes(1_000).hex().encode() for _ in range(8_000))))
    shown = Terminal()
    with file.open("rb") as raw, gzip.GzipFile(fileobj=raw) as lines:
        assert len(list(with_progress(lines, "restore", shown, every_s=0, position=raw.tell))) == 8_000
    parts = [int(line.split()[-2]) for line in shown.getvalue().splitlines()]
    assert parts == sorted(parts)
    assert parts[0] < 25 < parts[4_000] < 75
    assert parts[-1] == 100


def test_a_file_or_a_pipe_gets_nothing() -> None:
    shown = StringIO()
    assert list(with_progress(BytesIO(b"".join(LINES)), "replay", shown, every_s=0)) == LINES
    assert shown.getvalue() == ""


def test_a_short_wait_gets_nothing() -> None:
    shown = Terminal()
    assert list(with_progress(BytesIO(b"".join(LINES)), "replay", shown)) == LINES
    assert shown.getvalue() == ""

"""A backup as a file: while it is checked, a person sees how far that is."""

from io import StringIO
from pathlib import Path

from stream.repair.archive import FORMAT, Archive, ArchiveWriter, Header
from stream.repair.state import PartitionState
from tests.ops.test_progress import Terminal


def test_the_check_of_a_backup_shows_on_a_terminal_how_far_it_is(tmp_path: Path) -> None:
    file = tmp_path / "state.gz"
    with ArchiveWriter(file, Header(FORMAT, "tollgate", "", 3)) as written:
        for partition in range(3):
            written.add(PartitionState(partition), undecided=0)
        written.finish()
    terminal, pipe = Terminal(), StringIO()
    assert len(Archive(file, terminal, every_s=0).check()) == 3
    assert len(Archive(file, pipe, every_s=0).check()) == 3
    # One for the head, each partition and the last line, which holds the checksum.
    assert terminal.getvalue().splitlines() == [f"{file}: {n} lines read, 100 %" for n in range(1, 6)]
    assert pipe.getvalue() == ""

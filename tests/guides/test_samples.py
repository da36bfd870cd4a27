"""The console blocks of the pages: their commands, run one after the other, print what the pages show."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guides.pages import ROOT, blocks

PAGES = ("docs/money.md", "docs/finance.md", "docs/documents.md")


def steps(page: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a page, and the lines that the page shows below it."""
    for block in blocks((ROOT / page).read_text(encoding="utf-8"), "console"):
        command, *others = block.removeprefix("$ ").split("\n$ ")
        for step in (command, *others):
            line, *shown = step.rstrip("\n").split("\n")
            yield line, shown


def run(line: str, directory: Path) -> list[str]:
    """The lines that the command prints, or none where it writes them to a file."""
    program, *arguments = shlex.split(line)
    assert program == "tollgate", line
    target = arguments[arguments.index(">") + 1] if ">" in arguments else None
    done = subprocess.run(
        [sys.executable, "-m", "tollgate", *(arguments[:-2] if target else arguments)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
    if target:
        (directory / target).write_text(done.stdout, encoding="utf-8")
        return []
    return [printed.rstrip() for printed in done.stdout.splitlines()]


@pytest.mark.parametrize("page", PAGES)
def test_commands_print_what_the_page_shows(page: str, tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    run_steps = list(steps(page))
    assert run_steps
    for line, shown in run_steps:
        assert run(line, tmp_path) == shown, line

"""A command that fails ends with one clear line and an exit status for scripts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devkit.broker import DevBroker
from stream.fail_stop import Exit
from tests.lane.stage import ROOT

AWAY = "127.0.0.1:1"  # Nobody listens there.
SKIP = ("skip", "--partition", "0", "--offset", "0", "--reason", "r", "--yes")
ALL = [("backup", "--to", "x.gz"), ("rebuild",), SKIP, ("redrive", "--code", "too_late")]


def run(directory: Path, *arguments: str, **settings: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "stream", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **{f"TOLLGATE_{n.upper()}": v for n, v in settings.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize("arguments", ALL, ids=lambda arguments: arguments[0])
def test_a_broker_that_is_away_passes_and_a_wrong_setting_needs_a_person(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    status, [line] = run(tmp_path, *arguments, bootstrap_servers=AWAY)
    assert (status, line.partition(":")[0]) == (Exit.PASSING, arguments[0])
    status, [line] = run(tmp_path, *arguments, bootstrap_servers=AWAY, partitions="none")
    assert status == Exit.PERSON
    assert "TOLLGATE_PARTITIONS" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", ALL, ids=lambda arguments: arguments[0])
def test_missing_topics_need_a_person(arguments: tuple[str, ...], repair_broker: DevBroker, tmp_path: Path) -> None:
    status, [line] = run(tmp_path, *arguments, bootstrap_servers=repair_broker.bootstrap, topic_prefix="nothing.")
    assert status == Exit.PERSON
    assert "nothing.account-events: no such topic" in line
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_backup_needs_a_person(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("{}")
    for name in ("plain", "missing"):
        status, [line] = run(tmp_path, "restore", name, bootstrap_servers=AWAY)
        assert (status, line[:9]) == (Exit.PERSON, "restore: ")
        assert name in line

"""A restored backup continues exactly where it was taken: nothing is lost, repeated or wrong."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from stream.fail_stop import Exit
from tests.lane.operator import delete_topic
from tests.lane.stage import wait_until
from tests.repair.stage import COMMAND_S, RepairStage

# A dozen worker and command processes in sequence are slow on a busy machine.
pytestmark = pytest.mark.timeout(900)


def make_history(stage: RepairStage, batches: int = 2) -> None:
    stage.worker().wait_owned()
    stage.open_accounts()
    for _ in range(batches):
        stage.add_traffic(120)
        stage.wait_decided()


def test_a_deleted_changelog_is_restored_and_the_worker_continues_from_it(stage: RepairStage) -> None:
    """Over 20 s: a history, a backup, a restore and the history's continuation."""
    make_history(stage)
    file = stage.file("state.gz")
    stage.run("backup", "--to", str(file))
    assert "workers are in the group" in stage.run("restore", str(file), status=Exit.PERSON)
    stage.stop_workers()
    rows, outputs = stage.rows(), stage.outputs()
    assert "not empty" in stage.run("restore", str(file), status=Exit.PERSON)
    delete_topic(stage.bootstrap, stage.changelog)
    assert "nothing was changed" in stage.run("restore", str(file), "--dry-run")
    stage.run("restore", str(file))
    assert stage.rows() == rows
    stage.worker().wait_owned()
    assert stage.outputs() == outputs
    stage.add_traffic(120)
    stage.wait_decided()
    stage.stop_workers()
    again = stage.outputs()
    for name, values in outputs.items():
        if name != "dead-letters":
            ids = [json.loads(value)["id"] for value in again[name]]
            assert len(ids) == len(set(ids)) >= len(values)
    # The same state, decided again from the first input.
    rows = stage.rows()
    stage.run("rebuild", "--replace")
    assert stage.rows() == rows


def test_an_older_backup_is_refused_by_restore_and_continued_by_rebuild(stage: RepairStage) -> None:
    """Over 20 s: a history, a backup, more traffic, and both commands."""
    make_history(stage)
    file = stage.file("state.gz")
    stage.run("backup", "--to", str(file))
    stage.add_traffic(120)
    stage.wait_decided()
    assert "workers are in the group" in stage.run("rebuild", "--backup", str(file), status=Exit.PERSON)
    stage.stop_workers()
    rows, outputs = stage.rows(), stage.outputs()
    delete_topic(stage.bootstrap, stage.changelog)
    output = stage.run("restore", str(file), status=Exit.PERSON)
    assert "rebuild --backup" in output
    stage.run("rebuild", "--backup", str(file))
    assert stage.rows() == rows
    assert stage.outputs() == outputs


def test_a_state_moves_to_another_cluster_and_continues_at_its_first_input(stage: RepairStage) -> None:
    """Another prefix and app id simulate the other cluster. Over 20 s: a history, a move, and its continuation."""
    make_history(stage)
    stage.stop_workers()
    file, rows = stage.file("state.gz"), stage.rows()
    stage.run("backup", "--to", str(file))
    assert "leave out --replace" in stage.run("restore", str(file), "--new-cluster", "--replace", status=2)
    assert "is not empty" in stage.run("restore", str(file), "--new-cluster", status=Exit.PERSON)
    stage.app_id, stage.prefix = f"{stage.app_id}-moved", f"moved-{stage.prefix}"
    assert "is of app_id" in stage.run("restore", str(file), status=Exit.PERSON)
    stage.create_topics()
    stage.run("restore", str(file), "--new-cluster")
    assert {k: v for k, v in stage.rows().items() if "*/checkpoint" not in k} == {
        k: v for k, v in rows.items() if "*/checkpoint" not in k
    }
    stage.forget_answers()
    stage.worker().wait_owned()
    stage.run("backup", "--to", str(file))
    stage.add_traffic(120)
    stage.wait_decided()
    stage.stop_workers()
    rows = stage.rows()
    assert "rebuild --backup" in stage.run("restore", str(file), "--replace", status=Exit.PERSON)
    stage.run("rebuild", "--backup", str(file), "--replace")
    assert stage.rows() == rows
    delete_topic(stage.bootstrap, stage.changelog)
    assert "had inputs" in stage.run("restore", str(file), "--new-cluster", status=Exit.PERSON)


def test_a_backup_waits_for_transactions_that_are_not_readable_yet(stage: RepairStage) -> None:
    """Without the last transaction of stopped workers a state would move to another cluster too old."""
    make_history(stage, 1)
    stage.stop_workers()
    rows = stage.rows()
    asyncio.run(back_up_beside_open_transaction(stage))
    delete_topic(stage.bootstrap, stage.changelog)
    stage.run("restore", str(stage.file("state.gz")))
    assert stage.rows() == rows


async def back_up_beside_open_transaction(stage: RepairStage) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap, transactional_id=f"{stage.app_id}-open") as other:
        await other.begin_transaction()
        await other.send_and_wait(stage.changelog, b"never committed", key=b"a1", partition=0)
        backup = stage.start("backup", "--to", str(stage.file("state.gz")))
        waiting = f"{stage.changelog}: waiting for open transactions"
        await asyncio.to_thread(wait_until, lambda: waiting in backup.tail(), waiting)
        assert backup.process.poll() is None
        await other.abort_transaction()
    assert await asyncio.to_thread(backup.process.wait, COMMAND_S) == 0, backup.tail()


def test_a_damaged_backup_is_refused_before_anything_is_changed(stage: RepairStage) -> None:
    make_history(stage, 1)
    stage.stop_workers()
    file = stage.file("state.gz")
    stage.run("backup", "--to", str(file))
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    rows = stage.rows()
    for name, damaged in {
        "cut": lines[:-1],
        "missing row": lines[:5] + lines[6:],
        "swapped": [*lines[:4], lines[5]],
    }.items():
        bad = stage.file("bad.gz")
        bad.write_bytes(gzip.compress(b"".join(damaged)))
        assert "damaged" in stage.run("restore", str(bad), "--replace", status=Exit.PERSON), name
    bad.write_bytes(file.read_bytes()[:-200])
    assert "damaged" in stage.run("restore", str(bad), "--replace", status=Exit.PERSON)
    assert stage.rows() == rows
    assert not list(Path(file.parent).glob(".*.part"))

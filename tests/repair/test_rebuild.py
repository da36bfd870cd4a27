"""A lost table is rebuilt from the inputs, and no event is published again."""

import json
import re
from pathlib import Path

import pytest

from schemas.partitioning import partition_of
from stream.fail_stop import Exit
from tests.lane.operator import delete_before, delete_group, delete_topic
from tests.lane.stage import PARTITIONS
from tests.repair.stage import NEXT_PLANS, RepairStage

# A dozen worker and command processes in sequence are slow on a busy machine.
pytestmark = pytest.mark.timeout(900)


def two_versions(stage: RepairStage) -> Path:
    """A history of both products: first under the shipped catalogue, then under its next version."""
    plans = stage.file("next.toml")
    plans.write_text(NEXT_PLANS)
    stage.worker().wait_owned()
    stage.open_accounts()
    for _ in range(3):
        stage.add_traffic(150)
        stage.wait_decided()
    stage.stop_workers()
    stage.worker(plans=plans).wait_owned()
    # An account's snapshot names the catalogue version of its newest input.
    stage.touch_accounts()
    stage.wait_decided()
    for _ in range(3):
        stage.add_traffic(150)
        stage.wait_decided()
    stage.stop_workers()
    return plans


def test_a_lost_table_is_rebuilt_from_the_inputs_under_two_versions_of_the_catalogue(stage: RepairStage) -> None:
    """Over 20 s: a history of a thousand inputs under two workers, decided again."""
    plans = two_versions(stage)
    rows, outputs = stage.rows(), stage.outputs()
    delete_topic(stage.bootstrap, stage.changelog)
    output = stage.run("rebuild", "--plans", str(plans), status=Exit.PERSON)
    assert "no given plan catalogue explains it" in output
    stage.run("rebuild", "--plans", "schemas/plans.toml", "--plans", str(plans))
    assert stage.rows() == rows
    assert stage.outputs() == outputs


def test_a_rebuild_that_differs_from_the_published_events_writes_nothing(stage: RepairStage) -> None:
    """Over 20 s: a history, and a rebuild of it for each kind of difference."""
    stage.worker().wait_owned()
    stage.open_accounts()
    for _ in range(2):
        stage.add_traffic(120)
        stage.wait_decided()
    stage.stop_workers()
    rows = stage.rows()
    dry = ("rebuild", "--replace", "--dry-run")
    assert "not empty" in stage.run("rebuild", status=Exit.PERSON)
    assert "nothing was changed" in stage.run(*dry)
    refuses_another_catalogue(stage, dry)

    # Retention has deleted dead letters.
    delete_before(stage.bootstrap, stage.topic("dead-letters"), stage.ends(stage.topic("dead-letters")))
    assert "--letters-gone" in stage.run(*dry, status=Exit.PERSON)
    assert "all balances as published" in stage.run(*dry, "--letters-gone")
    refuses_another_ledger(stage, dry)

    # Inputs are deleted.
    delete_before(stage.bootstrap, stage.topic("account-events"), {0: 5})
    output = stage.run(*dry, "--letters-gone", status=Exit.PERSON)
    assert "partition 0: the inputs from offset 0 to 4 are gone" in output
    assert stage.rows() == rows


def refuses_another_catalogue(stage: RepairStage, dry: tuple[str, ...]) -> None:
    """A catalogue with other prices than the one in force."""
    other = stage.file("other.toml")
    other.write_text(NEXT_PLANS.replace("version = 2", "version = 1"))
    output = stage.run(*dry, "--plans", str(other), status=Exit.PERSON)
    assert "was published with other bytes, and no given plan catalogue explains it" in output
    assert re.search(r"input \S+account-events/\d, offset \d+", output)
    assert "has version 1 too" in stage.run(*dry, "--plans", str(other), "--plans", str(other), status=Exit.PERSON)


def refuses_another_ledger(stage: RepairStage, dry: tuple[str, ...]) -> None:
    """A ledger with an entry that the inputs do not give."""
    entry = json.loads(stage.read(stage.topic("ledger-entries"))[-1].value)
    home = partition_of(entry["account_id"].encode(), PARTITIONS)
    number = int(entry["entry_id"].rpartition("/")[2]) + 1_000
    entry |= {"id": "extra", "entry_id": f"{entry['account_id']}/ledger/{number}", "caused_by": "nothing"}
    stage.write(stage.topic("ledger-entries"), [(home, entry["account_id"].encode(), json.dumps(entry).encode())])
    output = stage.run(*dry, "--letters-gone", status=Exit.PERSON)
    assert f"partition {home}: 1 of " in output
    assert f"its last entry is number {number}" in output


def test_inputs_not_decided_yet_are_left_to_the_workers(stage: RepairStage) -> None:
    """Without a group only the outcomes show how far the inputs were decided. Over 20 s: a history, two workers."""
    stage.worker().wait_owned()
    stage.open_accounts()
    stage.add_traffic(120)
    stage.wait_decided()
    stage.stop_workers()
    rows = stage.rows()
    stage.add_traffic(120)
    waiting = sum(stage.ends(stage.topic("account-events")).values())
    delete_topic(stage.bootstrap, stage.changelog)
    delete_group(stage.bootstrap, stage.app_id)
    stage.run("rebuild")
    again = stage.rows()
    # Repeats and ticks at the end leave no outcome, so the clock, the offset and rows that a tick removes may be older.
    assert {k: v for k, v in again.items() if is_account(k)} == {k: v for k, v in rows.items() if is_account(k)}
    decided = sum(stage.committed().values())
    assert decided < waiting
    stage.worker().wait_owned()
    stage.wait_decided()
    stage.stop_workers()
    for name, values in stage.outputs().items():
        if name != "dead-letters":
            ids = [json.loads(value)["id"] for value in values]
            assert len(ids) == len(set(ids)), name
    rows = stage.rows()
    stage.run("rebuild", "--replace")
    assert stage.rows() == rows


def is_account(key: str) -> bool:
    return "/" not in key and not key.endswith("*")

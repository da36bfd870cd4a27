"""A worker never starts on rows that a later version has written; a backup of before leads back (upgrade.md)."""

import json
from collections import Counter

import pytest
from aiokafka import ConsumerRecord
from msgspec.structs import astuple

from schemas.account import Account
from schemas.rows import decode_row, encode_row
from stream.fail_stop import Exit
from tests.lane.operator import members
from tests.lane.stage import wait_until
from tests.repair.stage import RepairStage

# A dozen worker and command processes in sequence are slow on a busy machine.
pytestmark = pytest.mark.timeout(900)


class LaterAccount(Account, frozen=True, array_like=True):
    """An account's row as a later version may write it: with one more field."""

    of_a_later_version: int = 1


def write_later_row(stage: RepairStage) -> ConsumerRecord:
    """Write an account's row again with the field of a later version. Returns the row as it was."""
    last = [record for record in stage.read(stage.changelog) if record.key == b"a1"][-1]
    account = decode_row("a1", last.value)
    later = encode_row("a1", LaterAccount(*astuple(account)), last.value)
    stage.write(stage.changelog, [(last.partition, last.key, later)])
    return last


def test_a_later_row_is_refused_and_a_backup_leads_back(stage: RepairStage) -> None:
    """Over 20 s: a history, a backup, more of the history, a refused start, a rebuild and the history's end."""
    stage.worker().wait_owned(seconds=120)
    stage.open_accounts()
    stage.add_traffic(120)
    stage.wait_decided()
    file = stage.file("before.gz")
    stage.run("backup", "--to", str(file))
    stage.add_traffic(120)
    stage.wait_decided()
    stage.stop_workers()
    rows, outputs = stage.rows(), stage.outputs()
    before = write_later_row(stage)
    later = stage.rows()
    stage.add_traffic(120)

    status, last = stage.worker().wait_ended(120)
    assert status == Exit.PERSON
    assert (last["reason"], last["partition"]) == ("the wallets cannot be opened", before.partition)
    assert last["error"].startswith("row 'a1': its fields are not those of this version, a later version may have")
    # It has decided nothing, in no partition.
    assert (stage.rows(), stage.outputs()) == (later, outputs)

    refuses_another_format(stage, before)
    assert stage.outputs() == outputs

    wait_until(lambda: members(stage.bootstrap, stage.app_id) == 0, "a group without members")
    stage.run("rebuild", "--backup", str(file), "--replace")
    assert (stage.rows(), stage.outputs()) == (rows, outputs)
    stage.worker().wait_owned(seconds=120)
    stage.wait_decided()
    stage.stop_workers()
    for name, values in stage.outputs().items():
        assert Counter(outputs[name]) <= Counter(values), name
        if name != "dead-letters":
            ids = [json.loads(value)["id"] for value in values]
            assert len(ids) == len(set(ids)), name
    assert sum(map(len, stage.outputs().values())) > sum(map(len, outputs.values()))


def refuses_another_format(stage: RepairStage, before: ConsumerRecord) -> None:
    """A later version may write another format altogether."""
    stage.write(stage.changelog, [(before.partition, before.key, b"\x02" + before.value[1:])])
    status, last = stage.worker().wait_ended(120)
    assert (status, last["reason"]) == (Exit.PERSON, "a row of the changelog cannot be trusted")
    assert last["error"] == "row b'a1': format 2, this version reads format 1"

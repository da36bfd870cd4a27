"""One record ends every worker: it is skipped by address, and every other record counts once."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from devkit.broker import DevBroker
from schemas.partitioning import partition_of
from stream.fail_stop import Exit
from tests.lane.operator import members
from tests.lane.stage import PARTITIONS, ROOT, Stage, wait_until
from tests.lane.tally import Deposit
from tests.repair.stage import RepairStage

ACCOUNT = "account-1"
HOME = partition_of(ACCOUNT.encode(), PARTITIONS)

# A dozen worker and command processes in sequence are slow on a busy machine.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def tally(repair_broker: DevBroker, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(repair_broker.bootstrap, "skip-a-record", tmp_path)
    yield made
    made.close()


def run(stage: Stage, *arguments: object, status: int = 0) -> str:
    settings = stage.settings().model_dump(include={"bootstrap_servers", "app_id", "topic_prefix", "partitions"})
    done = subprocess.run(
        [sys.executable, "-m", "tests.repair.tally_skip", *map(str, arguments)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **{f"TOLLGATE_{name.upper()}": str(value) for name, value in settings.items()},
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == status, output
    assert "Traceback" not in output
    return output


def test_a_record_that_ends_every_worker_is_skipped_and_all_others_count_once(tally: Stage) -> None:
    """Over 20 s: two workers run until they end."""
    tally.worker(clock="none").wait_owned()
    tally.send(tally.deposits(50))
    tally.wait_charged()
    tally.workers[0].stop()
    before = tally.deposits(30)
    tally.send(before)
    poison = msgspec.json.encode(Deposit("poison", ACCOUNT, type="hang"))
    offset = tally.ends(tally.topic("account-events"))[HOME]
    tally.write(tally.topic("account-events"), [(HOME, ACCOUNT.encode(), poison)])
    tally.send(tally.deposits(30))
    # The records before the poison are in the same batch, so none of them is committed.
    for _ in range(2):
        status, _ = tally.worker(clock="none", stalled_after_s=2, transaction_timeout_ms=5_000).wait_ended()
        assert status != 0
    wait_until(lambda: not members(tally.bootstrap, tally.app_id), "a group without its killed worker")
    described = run(tally, HOME, offset, "rule hangs, ticket 7")
    assert f"offset {offset}" in described
    assert "--yes" in described
    assert "applied" in run(tally, HOME, 0, "rule hangs", "--yes", status=Exit.PERSON)
    assert "none is" in run(tally, HOME, offset + 10_000, "rule hangs", "--yes", status=Exit.PERSON)
    assert "reason" in run(tally, HOME, offset, " ", "--yes", status=Exit.PERSON)
    run(tally, HOME, offset, "rule hangs, ticket 7", "--yes")
    [letter] = tally.read(tally.topic("dead-letters"))
    headers = dict(letter.headers)
    assert (letter.partition, letter.key, letter.value) == (HOME, ACCOUNT.encode(), poison)
    assert headers["errors.code"] == b"skipped"
    assert headers["errors.message"] == b"rule hangs, ticket 7"
    assert (headers["errors.partition"], headers["errors.offset"]) == (str(HOME).encode(), str(offset).encode())
    assert "applied" in run(tally, HOME, offset, "rule hangs", "--yes", status=Exit.PERSON)
    worker = tally.worker(clock="none")
    worker.wait_owned()
    tally.check_exactly_once()
    assert Counter(tally.committed()) == Counter(tally.ends(tally.topic("account-events")))


def test_a_real_workers_record_is_skipped_by_the_command(stage: RepairStage) -> None:
    """Over 20 s: a real worker before and after."""
    stage.worker().wait_owned()
    stage.open_accounts()
    stage.wait_decided()
    assert "workers are in the group" in stage.run(
        "skip", "--partition", "0", "--offset", "0", "--reason", "x", "--yes", status=Exit.PERSON
    )
    stage.stop_workers()
    offset = stage.ends(stage.topic("account-events"))[0]
    stage.write(stage.topic("account-events"), [(0, b"a1", b"{")])
    stage.write_unreadable(0)
    stage.write(stage.topic("account-events"), [(0, b"a1", b"{")])
    stage.run("skip", "--partition", "0", "--offset", str(offset + 1), "--reason", "as a test", "--yes")
    stage.worker().wait_owned()
    stage.wait_decided()
    codes = [dict(r.headers)["errors.code"] for r in stage.read(stage.topic("dead-letters"))]
    assert codes == [b"malformed_json", b"skipped", b"malformed_json"]
    stage.stop_workers()
    rows = stage.rows()
    # A rebuild treats a skipped record as refused.
    stage.run("rebuild", "--replace")
    assert stage.rows() == rows

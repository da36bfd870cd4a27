"""What a worker restores, and which state it refuses to start with."""

import msgspec
import pytest
from aiokafka.partitioner import murmur2

from stream.fail_stop import Exit
from tests.lane.operator import delete_before, set_group
from tests.lane.stage import CHECKPOINT, PARTITIONS, SESSION_TIMEOUT_MS, Stage, wait_until
from tests.lane.tally import HEAD, Charge, Deposit, row

ROWS = 100_000


def home(account_id: str) -> int:
    return int((murmur2(account_id.encode()) & 0x7FFFFFFF) % PARTITIONS)


def test_a_hundred_thousand_rows_come_back_before_anything_flows(stage: Stage) -> None:
    stage.create_topics()
    accounts = [f"account-{n}" for n in range(ROWS)]
    stage.write(stage.changelog, ((home(a), a.encode(), row(a.encode(), 7, n)) for n, a in enumerate(accounts)))
    removed = accounts[5]
    stage.write(stage.changelog, [(home(removed), removed.encode(), None)])
    set_group(stage.bootstrap, stage.app_id, stage.topic("account-events"), dict.fromkeys(range(PARTITIONS), 0))
    worker = stage.worker()
    stage.send([Deposit("first", accounts[99_999], 1), Deposit("second", removed, 1)])
    charges = {
        one.caused_by: (one.count, one.balance)
        for one in (
            msgspec.json.decode(r.value, type=Charge)
            for r in stage.read(stage.topic("charges"), lambda found: len(found) == 2)
        )
    }
    assert charges == {"first": (8, 100_000), "second": (1, 1)}
    [restored] = worker.events("restored")
    assert restored["rows"] == ROWS + 1


def test_a_restore_longer_than_the_session_keeps_the_worker_in_its_group(stage: Stage) -> None:
    stage.create_topics()
    accounts = [f"account-{n}" for n in range(80)]
    stage.write(stage.changelog, ((home(a), a.encode(), row(a.encode(), 1, n)) for n, a in enumerate(accounts)))
    set_group(stage.bootstrap, stage.app_id, stage.topic("account-events"), dict.fromkeys(range(PARTITIONS), 0))
    worker = stage.worker(TALLY_RESTORE_PAUSE_S=0.1)
    worker.wait_owned()
    [restored] = worker.events("restored")
    assert restored["seconds"] > SESSION_TIMEOUT_MS / 1_000
    stage.send([Deposit("first", accounts[7], 1)])
    [charge] = stage.read(stage.topic("charges"), lambda found: len(found) == 1)
    assert msgspec.json.decode(charge.value, type=Charge).balance == 8
    assert len(worker.events("partitions owned")) == 1


def test_tables_that_take_longer_to_open_than_group_and_watchdog_wait_are_opened(stage: Stage) -> None:
    """Each of four partitions for longer than the watchdog waits, and all together for longer than the session.

    50 s: the worker opens its partitions three times, and the waiting is what it is about.
    """
    worker = stage.worker(TALLY_OPEN_PAUSE_S=3, stalled_after_s=2)
    worker.wait_owned(seconds=150)
    other = stage.worker()
    wait_until(lambda: len(other.owned()) == len(worker.owned()) == PARTITIONS // 2, "an even share", 60)
    stage.send(stage.deposits(100))
    stage.check_exactly_once()
    other.stop()
    worker.wait_owned(seconds=60)
    stage.send(stage.deposits(100))
    stage.check_exactly_once()
    # The group had not removed it.
    assert len(worker.events("partitions owned")) == 3


def corrupt(account_id: bytes) -> bytes:
    good = row(account_id, 3, 300)
    return good[:-1] + bytes([good[-1] ^ 1])


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([corrupt(b"account-1")], "wrong checksum"),
        ([b"{}"], "wrong length"),
        ([row(b"account-1", 3, 300), row(b"account-1", 2, 200)], "the sequence goes back"),
    ],
    ids=["checksum", "length", "sequence"],
)
def test_a_row_that_cannot_be_trusted_is_refused_by_its_address(stage: Stage, rows: list[bytes], error: str) -> None:
    stage.create_topics()
    stage.write(stage.changelog, [(3, b"account-1", value) for value in rows])
    status, last = stage.worker().wait_ended()
    assert status == Exit.PERSON
    assert last["reason"] == "a row of the changelog cannot be trusted"
    assert (last["topic"], last["partition"], last["offset"]) == (stage.changelog, 3, len(rows) - 1)
    assert last["error"] == error


def test_another_partition_count_is_refused(stage: Stage) -> None:
    stage.create_topics()
    status, last = stage.worker(partitions=4).wait_ended()
    assert status == Exit.PERSON
    assert f"{stage.topic('account-events')}: has 8 partitions, TOLLGATE_PARTITIONS is 4" in last["reason"]


def test_inputs_deleted_before_they_were_processed_are_a_refusal_not_a_gap(stage: Stage) -> None:
    first = stage.worker(clock="none")
    first.wait_owned()
    stage.write(stage.topic("account-events"), [(0, b"a", deposit("a", n)) for n in range(10)])
    stage.read(stage.topic("charges"), lambda found: len(found) == 10)
    first.stop()
    stage.write(stage.topic("account-events"), [(0, b"a", deposit("a", n)) for n in range(10, 20)])
    delete_before(stage.bootstrap, stage.topic("account-events"), {0: 15})
    status, last = stage.worker(clock="none").wait_ended()
    assert status == Exit.PERSON
    assert last["reason"] == "inputs were deleted before they were processed"
    assert (last["partition"], last["next_offset"], last["first_offset_kept"]) == (0, 10, 15)


def deposit(account_id: str, n: int) -> bytes:
    return msgspec.json.encode(Deposit(f"d{n}", account_id, 1))


def test_the_changelog_alone_holds_the_state(stage: Stage) -> None:
    worker = stage.worker()
    worker.wait_owned()
    stage.send(stage.deposits(100))
    stage.wait_charged()
    rows = [record for record in stage.read(stage.changelog) if record.key != CHECKPOINT]
    assert {HEAD.unpack(record.value)[0] != 0 for record in rows} == {True}
    assert {record.partition for record in rows} == {home(record.key.decode()) for record in rows}

"""A partition continues at the offset of its own row, whatever the consumer group reports."""

import signal
import threading
from functools import partial

from devkit.broker import DevBroker
from stream.fail_stop import Exit
from stream.lane.takeover import How
from tests.lane.operator import delete_group, set_group
from tests.lane.stage import CHECKPOINT, PARTITIONS, SESSION_TIMEOUT_MS, Stage, WorkerProcess, wait_until

LETTERS = [(n, b"k", b"not a deposit") for n in range(PARTITIONS)]
ALL = dict.fromkeys(range(PARTITIONS))


def work(stage: Stage) -> None:
    """A worker takes deposits and dead letters of every partition, and stops."""
    worker = stage.worker(clock="none")
    worker.wait_owned()
    stage.write(stage.topic("account-events"), LETTERS)
    stage.send(stage.deposits(200))
    stage.wait_charged()
    worker.stop()


def go_on(stage: Stage) -> WorkerProcess:
    """One more worker goes on: each deposit counts once, and no dead letter is written again."""
    worker = stage.worker(clock="none")
    worker.wait_owned()
    stage.send(stage.deposits(100))
    stage.check_exactly_once()
    letters = stage.read(stage.topic("dead-letters"))
    assert sorted(record.partition for record in letters) == [partition for partition, _, _ in LETTERS]
    assert {p: row.next_offset for p, row in stage.checkpoints().items()} == stage.committed()
    return worker


def taken_over(worker: WorkerProcess) -> dict[int, str]:
    return {line["partition"]: line["how"] for line in worker.events("partition taken over")}


def moved(stage: Stage, by: int) -> dict[int, int]:
    """Set the group's offsets to other values."""
    offsets = {partition: offset + by for partition, offset in stage.committed().items()}
    set_group(stage.bootstrap, stage.app_id, stage.topic("account-events"), offsets)
    return offsets


def test_a_group_that_was_deleted_is_no_loss(stage: Stage) -> None:
    work(stage)
    delete_group(stage.bootstrap, stage.app_id)
    assert stage.committed() == {}
    assert taken_over(go_on(stage)) == dict.fromkeys(ALL, How.NO_GROUP)


def test_a_group_that_is_behind_the_row_is_ignored(stage: Stage) -> None:
    """As a broker does after it was killed, for a second; here for good."""
    work(stage)
    moved(stage, -1)  # Every partition has one record at least.
    assert taken_over(go_on(stage)) == dict.fromkeys(ALL, How.GROUP_BEHIND)


def test_a_group_that_is_ahead_of_the_row_is_refused(stage: Stage) -> None:
    work(stage)
    stage.write(stage.topic("account-events"), LETTERS)
    moved(stage, 1)
    status, last = stage.worker(clock="none").wait_ended()
    assert status == Exit.PERSON
    assert last["reason"].startswith("the group is ahead of the checkpoint")
    assert last["group_offset"] == last["row_offset"] + 1


def test_state_of_an_earlier_version_has_no_row_and_gets_one_with_its_first_batch(stage: Stage) -> None:
    work(stage)
    stage.write(stage.changelog, [(partition, CHECKPOINT, None) for partition in range(PARTITIONS)])
    again = go_on(stage)
    assert taken_over(again) == dict.fromkeys(ALL, How.NO_ROW)
    again.stop()
    assert taken_over(go_on(stage)) == dict.fromkeys(ALL, How.AGREED)


def test_rows_in_memory_stand_only_where_nobody_else_has_written_since(stage: Stage) -> None:
    first = stage.worker(clock="none")
    first.wait_owned()
    stage.send(stage.deposits(200))
    stage.wait_charged()
    second = stage.worker(clock="none")
    wait_until(lambda: len(first.owned()) == len(second.owned()) == PARTITIONS // 2, "an even share")
    assert first.events("restored")[-1]["partitions"] == []  # Those it kept it need not read again.
    second.stop()
    first.wait_owned()
    first.signal(signal.SIGSTOP)
    heir = stage.worker(clock="none")
    heir.wait_owned(seconds=SESSION_TIMEOUT_MS / 1_000 + 30)
    stage.send(stage.deposits(200))
    stage.wait_charged()
    heir.kill()
    first.signal(signal.SIGCONT)
    # It joins again with rows that others have written since, unless what it had fetched makes it find itself fenced.
    wait_until(
        lambda: first.process.poll() is not None or first.events("restored")[-1]["partitions"] == list(ALL),
        "all rows read again",
        60,
    )
    first.kill()
    stage.worker(clock="none")
    stage.send(stage.deposits(200))
    stage.check_exactly_once()


def test_a_rebalance_that_begins_as_another_one_ends_while_the_group_has_no_offsets(stage: Stage) -> None:
    """Nothing is fetched before the positions of the last assignment are set.

    30 s: each take-over queries a group without offsets for five seconds, and a session must end.
    """
    before = stage.worker(clock="none")
    before.wait_owned()
    stage.send(stage.deposits(200))
    stage.wait_charged()
    before.stop()
    delete_group(stage.bootstrap, stage.app_id)
    third = stage.worker(clock="none")
    wait_until(lambda: bool(third.events("worker starts")), "one that has not joined yet")
    third.signal(signal.SIGSTOP)
    worker, paused = stage.worker(clock="none", TALLY_SEEK_S=0.5), stage.worker(clock="none")
    wait_until(lambda: bool(worker.events("restored") and paused.events("restored")), "two that take over", 60)
    # The rebalance that the third one begins waits for the one that is paused, until its session ends.
    paused.signal(signal.SIGSTOP)
    third.signal(signal.SIGCONT)
    wait_until(lambda: len(third.owned()) == PARTITIONS // 2, "a third one in the place of the second", 120)
    stage.send(stage.deposits(200))
    stage.check_exactly_once()
    assert worker.process.poll() is None, worker.tail()


def test_the_broker_is_killed_again_and_again_under_load(stage: Stage, broker: DevBroker) -> None:
    """Three kills with two workers, each with a take-over while the broker recovers: it takes a minute. Dead letters
    have no id: one that was decided twice would be there twice.
    """
    letters = 1_500
    workers = [stage.worker(), stage.worker()]
    wait_until(lambda: sum(len(worker.owned()) for worker in workers) == PARTITIONS, "all partitions")
    inputs = stage.topic("account-events")
    for kills in range(3):
        deposits = stage.deposits(1_000)
        sender = threading.Thread(target=stage.send, args=(deposits, 400))
        sender.start()
        stage.write(inputs, [(n % PARTITIONS, str(kills).encode(), b"not a deposit") for n in range(letters // 3)])
        enough = sum(stage.committed().values()) + 200
        wait_until(partial(consumed_more_than, stage, enough), "batches under way")
        broker.kill()
        broker.start()
        revive(stage, workers)
        sender.join()
        all_committed(stage, workers)
    stage.check_exactly_once()
    found = stage.read(stage.topic("dead-letters"))
    addresses = [dict(record.headers)["errors.code"] for record in found]
    assert len(addresses) == letters


def consumed_more_than(stage: Stage, inputs: int) -> bool:
    return sum(stage.committed().values()) > inputs


def revive(stage: Stage, workers: list[WorkerProcess]) -> None:
    """As a supervisor would: a worker that has ended because the broker was away is started again."""
    for place, worker in enumerate(workers):
        if worker.process.poll() is not None:
            assert worker.process.returncode == Exit.PASSING, worker.tail(3)
            workers[place] = stage.worker()


def all_committed(stage: Stage, workers: list[WorkerProcess]) -> None:
    def committed() -> bool:
        revive(stage, workers)
        ends = stage.ends(stage.topic("account-events"))
        return sum(ends.values()) - sum(stage.committed().values()) < 2 * PARTITIONS

    wait_until(committed, "all inputs committed", 120)

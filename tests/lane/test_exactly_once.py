"""Each input takes effect once and its output is seen once, whatever happens to workers and broker."""

import signal
import threading
from functools import partial

from devkit.broker import DevBroker
from tests.lane.stage import PARTITIONS, SESSION_TIMEOUT_MS, Stage, WorkerProcess, wait_until

# After kill -9 another worker, or the restarted one, has the partitions flowing: within ten seconds on an idle machine,
# later where other tests run beside it.
FLOWING_AGAIN_S = 25


def test_every_deposit_has_one_output_and_every_balance_is_right(stage: Stage) -> None:
    stage.worker().wait_owned()
    stage.send(stage.deposits(3_000))
    stage.check_exactly_once()


def test_a_restart_repeats_nothing_because_only_transactions_commit_offsets(stage: Stage) -> None:
    first = stage.worker(clock="none")
    first.wait_owned()
    stage.send(stage.deposits(500))
    stage.wait_charged()
    first.stop()
    # Faust commits later and older offsets than the transactions when it commits at all: a restart then repeats.
    assert stage.committed() == stage.ends(stage.topic("account-events"))
    second = stage.worker(clock="none")
    second.wait_owned()
    stage.send(stage.deposits(500))
    stage.check_exactly_once()


def test_the_same_records_sent_again_are_new_records_but_each_of_them_counts_once(stage: Stage) -> None:
    stage.worker().wait_owned()
    deposits = stage.deposits(200)
    stage.send(deposits)
    stage.sent += deposits
    stage.send(deposits)
    assert len(stage.wait_charged()) == 400


def test_kill_at_the_last_step_of_a_transaction(stage: Stage) -> None:
    for commits in (1, 3, 6):
        worker = stage.worker(TALLY_DIE_AT=commits)
        worker.wait_owned()
        stage.send(stage.deposits(300), per_second=1_000)
        assert worker.process.wait(60) == -signal.SIGKILL
    last = stage.worker()
    last.wait_owned()
    stage.check_exactly_once()


def test_two_workers_share_and_the_one_left_takes_over(stage: Stage) -> None:
    first = stage.worker()
    first.wait_owned()
    sender = threading.Thread(target=stage.send, args=(stage.deposits(9_000), 600))
    sender.start()
    second = stage.worker()
    wait_until(lambda: len(first.owned()) == len(second.owned()) == PARTITIONS // 2, "an even share")
    first.kill()
    assert second.wait_owned() < FLOWING_AGAIN_S
    third = stage.worker()
    wait_until(lambda: len(second.owned()) == len(third.owned()) == PARTITIONS // 2, "an even share again")
    second.stop()
    assert (
        third.wait_owned() < SESSION_TIMEOUT_MS / 1_000
    )  # A worker that stops leaves the group, so the group does not wait for its session to end.
    sender.join()
    stage.check_exactly_once()


def test_a_worker_that_was_paused_while_another_took_over_changes_nothing(stage: Stage) -> None:
    zombie = stage.worker()
    zombie.wait_owned()
    sender = threading.Thread(target=stage.send, args=(stage.deposits(8_000), 500))
    sender.start()
    wait_until(lambda: len(zombie.events("batch")) > 20, "batches under way")
    zombie.signal(signal.SIGSTOP)
    heir = stage.worker()
    heir.wait_owned(seconds=SESSION_TIMEOUT_MS / 1_000 + FLOWING_AGAIN_S)
    zombie.signal(signal.SIGCONT)
    # It either finds itself fenced and ends, or was between two batches, joins again and gets its share.
    wait_until(lambda: zombie.process.poll() is not None or 0 < len(zombie.owned()) < PARTITIONS, "the zombie's fate")
    sender.join()
    stage.check_exactly_once()


def test_the_broker_restarts_under_load(stage: Stage, broker: DevBroker) -> None:
    workers = [stage.worker()]
    workers[0].wait_owned()
    sender = threading.Thread(target=stage.send, args=(stage.deposits(3_000), 600))
    sender.start()
    wait_until(lambda: len(workers[0].events("batch")) > 50, "batches under way")
    broker.restart()
    sender.join()
    # As a supervisor would: a worker whose commit got lost ends by itself, and another one takes its place.
    restart_when_ended(stage, workers)
    stage.check_exactly_once()


def restart_when_ended(stage: Stage, workers: list[WorkerProcess]) -> None:
    def all_committed() -> bool:
        if workers[-1].process.poll() is not None:
            assert workers[-1].process.returncode > 0
            workers.append(stage.worker())
        ends = stage.ends(stage.topic("account-events"))
        committed = stage.committed()
        return sum(ends.values()) - sum(committed.values()) < 2 * PARTITIONS

    wait_until(all_committed, "all inputs committed", 60)


def test_what_arrives_in_the_second_after_a_rebalance_is_read_by_a_worker_that_kept_its_partition(stage: Stage) -> None:
    """A fetch that waited through the rebalance received those records, but its caller no longer used them.

    Takes most of a minute: eight rebalances.
    """
    worker = stage.worker(clock="none")
    worker.wait_owned()
    for _ in range(4):
        other = stage.worker(clock="none")
        wait_until(partial(share, worker, other), "an even share")
        stage.send(stage.deposits(100))
        stage.wait_charged()
        other.stop()
        worker.wait_owned()
        stage.send(stage.deposits(100))
        stage.wait_charged()
    assert worker.process.poll() is None, worker.tail(1)
    stage.check_exactly_once()


def share(first: WorkerProcess, second: WorkerProcess) -> bool:
    return len(first.owned()) == len(second.owned()) == PARTITIONS // 2

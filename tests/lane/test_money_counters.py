"""Counters of money are the table's: `rate` and `sum` over all workers hold across restarts and hand-overs."""

import signal

from tests.lane.scrape import by_partition
from tests.lane.stage import PARTITIONS, Stage, WorkerProcess, wait_until

CHARGED, GIVEN_BACK = "tollgate_charged_micros_total", "tollgate_given_back_micros_total"


def shown(*workers: WorkerProcess) -> tuple[float, float]:
    """Charged and given back, over all workers."""
    charged, given_back = (sum(sum(by_partition(w, name).values()) for w in workers) for name in (CHARGED, GIVEN_BACK))
    return charged, given_back


def expected(stage: Stage) -> tuple[int, int]:
    amounts = [deposit.amount for deposit in stage.sent]
    return sum(amount for amount in amounts if amount > 0), -sum(amount for amount in amounts if amount < 0)


def test_money_counters_survive_a_kill_and_go_with_the_partition(stage: Stage) -> None:
    """Takes half a minute: the session of the worker that was killed, and two rebalances."""
    first = stage.worker()
    first.wait_owned()
    stage.send(stage.deposits(600))
    wait_until(lambda: shown(first) == expected(stage), "everything counted")
    assert min(expected(stage)) > 0
    first.signal(signal.SIGKILL)
    first.process.wait()
    second = stage.worker()
    second.wait_owned()
    assert shown(second) == expected(stage)  # Before anything more is charged.
    stage.send(stage.deposits(300))
    wait_until(lambda: shown(second) == expected(stage), "the sums go on")
    third = stage.worker()
    wait_until(lambda: len(second.owned()) == len(third.owned()) == PARTITIONS // 2, "an even share")
    assert shown(second, third) == expected(stage)
    for worker in (second, third):
        assert set(by_partition(worker, CHARGED)) == set(by_partition(worker, GIVEN_BACK)) == worker.owned()
    stage.send(stage.deposits(300))
    wait_until(lambda: shown(second, third) == expected(stage), "the sums go on, each for its own partitions")
    stage.check_exactly_once()

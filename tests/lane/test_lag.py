"""The metrics that every worker exports for every partition: progress, ownership, and what it waits for."""

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from devkit.broker import DevBroker
from tests.lane.scrape import by_partition
from tests.lane.stage import PARTITIONS, Stage, WorkerProcess, wait_until

EVERY = set(range(PARTITIONS))
LAG, COMMITTED = "tollgate_lag_records", "tollgate_committed_offset"
OWNED, SINCE_COMMIT = "tollgate_partition_owned", "tollgate_seconds_since_commit"
UNDECIDED, STALLED = "tollgate_undecided_records", "tollgate_input_stalled_seconds"


def share(stage: Stage, **settings: Any) -> tuple[WorkerProcess, WorkerProcess]:
    """Two workers with half of the partitions each."""
    first, second = stage.worker(**settings), stage.worker(**settings)
    wait_until(lambda: len(first.owned()) == len(second.owned()) == PARTITIONS // 2, "an even share")
    return first, second


def test_the_lag_of_a_worker_that_is_paused_is_seen_by_the_one_beside_it(stage: Stage) -> None:
    well, paused = share(stage, clock="none", session_timeout_ms=30_000)
    stage.send(stage.deposits(200))
    stage.wait_charged()
    before = stage.committed()
    wait_until(lambda: by_partition(well, COMMITTED) == before, "what is committed, of every partition")
    assert by_partition(well, LAG) == dict.fromkeys(EVERY, 0)
    assert by_partition(well, OWNED) == {p: int(p in well.owned()) for p in EVERY}
    paused.signal(signal.SIGSTOP)
    stage.send(stage.deposits(200))
    ends = stage.ends(stage.topic("account-events"))
    behind = {p: ends[p] - before[p] if p in paused.owned() else 0 for p in EVERY}
    assert sum(behind.values()) > 0
    wait_until(lambda: by_partition(well, LAG) == behind, "the lag of the partitions without commits, and of no other")
    standing = {p: before[p] for p in paused.owned()}
    assert {p: offset for p, offset in by_partition(well, COMMITTED).items() if p in standing} == standing
    assert {p for p, owned in by_partition(well, OWNED).items() if not owned} == paused.owned()
    paused.signal(signal.SIGCONT)
    wait_until(lambda: by_partition(well, COMMITTED) == ends, "everything committed")
    wait_until(lambda: set(by_partition(well, LAG).values()) == {0}, "no lag")
    stage.check_exactly_once()


def test_a_partition_without_an_owner_is_0_everywhere_until_another_worker_has_it(stage: Stage) -> None:
    survivor, killed = share(stage)
    assert set(by_partition(survivor, SINCE_COMMIT)) == survivor.owned()
    lost = killed.owned()
    killed.kill()
    assert {p for p, owned in by_partition(survivor, OWNED).items() if not owned} == lost
    survivor.wait_owned()
    assert by_partition(survivor, OWNED) == dict.fromkeys(EVERY, 1)
    assert set(by_partition(survivor, SINCE_COMMIT)) == EVERY
    # Ticks alone make it commit each second.
    wait_until(lambda: max(by_partition(survivor, SINCE_COMMIT).values()) < 2, "commits of every partition")


def test_a_transaction_left_open_in_the_inputs_is_shown_while_it_stands(stage: Stage) -> None:
    worker = stage.worker(clock="none")
    worker.wait_owned()
    stage.send(stage.deposits(40))
    stage.wait_charged()
    asyncio.run(leave_open(stage, worker))
    wait_until(lambda: set(by_partition(worker, UNDECIDED).values()) == {0}, "all decided")
    assert by_partition(worker, STALLED)[3] == 0
    stage.check_exactly_once()


async def leave_open(stage: Stage, worker: WorkerProcess) -> None:
    """Meanwhile what comes behind it waits; the rest flows. In the end it is aborted."""

    def waits_for(seconds: float) -> bool:
        return by_partition(worker, STALLED)[3] > seconds

    topic = stage.topic("account-events")
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap, transactional_id=f"{stage.app_id}-open") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"{}", partition=3)
        await producer.send_and_wait(topic, b"{}", partition=3)
        await asyncio.to_thread(wait_until, lambda: waits_for(3), "the standstill")
        assert by_partition(worker, UNDECIDED) == {p: 2 if p == 3 else 0 for p in EVERY}
        assert by_partition(worker, LAG) == {p: 2 if p == 3 else 0 for p in EVERY}
        assert {p for p, seconds in by_partition(worker, STALLED).items() if seconds} == {3}
        await producer.abort_transaction()


def test_a_broker_that_crashes_and_returns_makes_no_offset_go_back_and_no_lag_absurd(
    stage: Stage, tmp_path: Path
) -> None:
    """Takes half a minute: a broker of its own, its crash, its recovery, and the group's return."""
    with DevBroker(tmp_path / "kafka") as broker:
        stage.bootstrap = broker.bootstrap
        worker = stage.worker()
        worker.wait_owned()
        deposits = stage.deposits(6_000)
        stage.send(deposits[:3_000])
        wait_until(lambda: sum(by_partition(worker, COMMITTED).values()) > 2_000, "commits")
        watch = Watch(worker)
        broker.kill()
        broker.start()
        if worker.process.poll() is not None:
            worker = watch.worker = stage.worker()
        stage.send(deposits[3_000:])
        wait_until(lambda: all_committed(stage, watch), "every deposit committed, as the metrics show", 90)
        watch.stop()
        assert watch.looks > 20
        assert watch.fell_back == []
        assert watch.largest_lag <= len(deposits)
        assert len(watch.worker.events("the offsets of the inputs cannot be read")) <= 2


def all_committed(stage: Stage, watch: "Watch") -> bool:
    """A worker whose commit got lost ends by itself: as a supervisor would, start another one."""
    if watch.worker.process.poll() is not None:
        watch.worker = stage.worker()
    committed = watch.last
    return bool(committed) and all(committed.get(p, 0) >= end for p, end in stage.ends(stage.changelog).items() if end)


class Watch:
    """Scrapes a worker again and again, in a thread of its own."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.looks, self.largest_lag = 0, 0.0
        self.fell_back: list[tuple[int, float, float]] = []
        self.last: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            try:
                committed, lag = by_partition(self.worker, COMMITTED), by_partition(self.worker, LAG)
            except (OSError, AssertionError, IndexError):
                continue  # No worker, or one that has just been started.
            self.looks += bool(committed)
            self.fell_back += [(p, self.last[p], at) for p, at in committed.items() if at < self.last.get(p, 0)]
            self.last.update(committed)
            self.largest_lag = max(self.largest_lag, *lag.values()) if lag else self.largest_lag

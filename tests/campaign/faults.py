"""Faults of workers, their broker and their group under load. After each fault they must recover by themselves."""

import os
import random
import signal
from collections.abc import Callable

from aiokafka.errors import KafkaError

from devkit.broker import DevBroker
from tests.campaign.crew import Crew
from tests.lane.operator import delete_group
from tests.lane.stage import SESSION_TIMEOUT_MS, WorkerProcess, wait_until

SESSION_S = SESSION_TIMEOUT_MS / 1_000
PATIENCE_S = 60.0


class Faults:
    """One fault at a time, each a method. `chance` alone decides its duration and its target."""

    def __init__(self, crew: Crew, broker: DevBroker, chance: random.Random) -> None:
        self._crew, self._broker, self._chance = crew, broker, chance

    def all(self) -> list[Callable[[], None]]:
        return [
            self.worker_killed,
            self.worker_killed,
            self.worker_paused_beyond_its_session,
            self.worker_paused,
            self.workers_rolled,
            self.broker_killed,
            self.broker_frozen,
            self.worker_started_without_broker,
            self.stopped_while_broker_is_frozen,
            self.group_deleted,
            self.killed_between_fence_and_commit,
        ]

    def worker_killed(self) -> None:
        worker = self._crew.pick(self._chance)
        if worker is not None:
            self._crew.kill([worker])

    def worker_paused_beyond_its_session(self) -> None:
        self._pause(self._chance.uniform(SESSION_S + 1, SESSION_S + 5))

    def worker_paused(self) -> None:
        self._pause(self._chance.uniform(0.5, SESSION_S - 1))

    def workers_rolled(self) -> None:
        """A rolling restart: one after another, each replaced before the next one goes."""
        for worker in self._crew.running():
            self._crew.stop([worker])
            self._crew.tend()
            self._crew.rest(self._chance.uniform(0, 3))

    def broker_killed(self) -> None:
        self._broker.kill()
        self._crew.rest(self._chance.uniform(0, 6))
        self._broker.start()

    def broker_frozen(self) -> None:
        with self._broker.frozen():
            self._crew.rest(self._chance.uniform(0.5, SESSION_S + 3))

    def worker_started_without_broker(self) -> None:
        worker = self._crew.pick(self._chance)
        self._broker.kill()
        if worker is not None:
            self._crew.kill([worker])
        self._crew.rest(self._chance.uniform(5, 20))
        self._broker.start()

    def stopped_while_broker_is_frozen(self) -> None:
        """Batches are under way, because inputs continue."""
        with self._broker.frozen():
            self._crew.rest(self._chance.uniform(0, 1))
            self._crew.stop(self._crew.running())

    def group_deleted(self) -> None:
        """The broker does this to a group that was empty for long."""
        if self._chance.random() < 0.5:
            self._crew.stop(self._crew.running())
        else:
            self._crew.kill(self._crew.running())
        wait_until(self._deletes_group, "a group without members", PATIENCE_S)

    def killed_between_fence_and_commit(self) -> None:
        """A worker fences its partitions, reads their rows, and is killed."""
        worker = self._crew.start()
        wait_until(lambda: _has_fenced(worker), "a take-over", PATIENCE_S)
        if worker.process.poll() is None:
            self._crew.kill([worker])

    def _pause(self, seconds: float) -> None:
        worker = self._crew.pick(self._chance)
        if worker is None:
            return
        os.kill(worker.process.pid, signal.SIGSTOP)
        self._crew.rest(seconds)
        os.kill(worker.process.pid, signal.SIGCONT)

    def _deletes_group(self) -> bool:
        try:
            delete_group(self._broker.bootstrap, self._crew.stage.app_id)
        except (AssertionError, KafkaError):  # The sessions of those killed have not ended, or no coordinator yet.
            return False
        return True


def _has_fenced(worker: WorkerProcess) -> bool:
    return worker.process.poll() is not None or bool(worker.events("partition taken over"))

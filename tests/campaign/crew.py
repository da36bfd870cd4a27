"""Workers under a supervisor: each that ends is restarted, and none may end because of a defect of its own."""

import random
import signal
import time
from collections import Counter
from collections.abc import Sequence

from stream.fail_stop import Exit
from tests.lane.stage import PARTITIONS, POLL_EVERY_S, Stage, WorkerProcess

# Stopped in order; the broker or the partition was away; killed by us.
ALLOWED = frozenset({0, int(Exit.PASSING), -signal.SIGKILL})
# A stop takes at most ten seconds; a busy machine needs some more.
STOPPED_S = 25


class Crew:
    """A number of workers. `endings` counts their exit statuses; one that is not allowed is an AssertionError."""

    def __init__(self, stage: Stage, module: Sequence[str], settings: dict[str, object], size: int) -> None:
        self.stage = stage
        self.endings: Counter[int] = Counter()
        self._module, self._settings, self._size = module, settings, size
        self._workers: list[WorkerProcess] = []

    def pick(self, chance: random.Random) -> WorkerProcess | None:
        """One that runs; None while none does."""
        running = [worker for worker in self._workers if worker.process.poll() is None]
        return chance.choice(running) if running else None

    def running(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers if worker.process.poll() is None]

    def tend(self) -> None:
        """Note the workers that ended and start replacements."""
        self._note_ended()
        while len(self._workers) < self._size:
            self.start()

    def works(self) -> bool:
        """Whether every partition has an owner, as the workers see it. Tends."""
        self.tend()
        return set().union(*(worker.owned() for worker in self.running())) == set(range(PARTITIONS))

    def start(self) -> WorkerProcess:
        worker = self.stage.worker(self._module, log_level="info", **self._settings)
        self._workers.append(worker)
        return worker

    def rest(self, seconds: float) -> None:
        """Tend the workers for this long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.tend()
            time.sleep(POLL_EVERY_S)

    def stop(self, workers: Sequence[WorkerProcess], *, wait_s: float = STOPPED_S) -> None:
        """SIGTERM: each must end in time. None is replaced yet."""
        for worker in workers:
            worker.signal(signal.SIGTERM)
        for worker in workers:
            worker.process.wait(wait_s)
        self._note_ended()

    def kill(self, workers: Sequence[WorkerProcess]) -> None:
        for worker in workers:
            worker.kill()
        self._note_ended()

    def reasons(self) -> Counter[str]:
        """The last lines of all that ended with an error, and how partitions were taken over."""
        found: Counter[str] = Counter()
        for worker in self.stage.workers:
            found.update(line["reason"] for line in worker.events("worker stopped"))
            found.update(f"taken over: {line['how']}" for line in worker.events("partition taken over"))
        return found

    def _note_ended(self) -> None:
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            status = worker.process.returncode
            self.endings[status] += 1
            if status == -signal.SIGTERM and not worker.tail():
                continue  # The interpreter had not reached our first log line.
            assert status in ALLOWED, f"a worker ended with {status}:\n{worker.tail()}"

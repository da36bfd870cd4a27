"""Turns a silence into an exit: a loop that is stuck, or inputs that wait while nothing is committed.

Faust sends heartbeats from another thread than the agents, so a worker whose loop hangs would keep its partitions.
"""

import threading
import time
from typing import Any

from mode import Service

from stream.fail_stop import halt

CHECK_S = 0.5


class Watchdog(Service):  # type: ignore[misc]  # mode has no types
    """Beats in the worker's loop; a thread counts the beats that do not come.

    It counts its own rounds instead of reading a clock, so that a process that was stopped as a whole (a paused
    machine, a debugger) is not taken for one that hangs.
    """

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        self._beats = 0
        super().__init__(**kwargs)
        self._rounds_max = int(app.settings.stalled_after_s / CHECK_S)

    async def on_start(self) -> None:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @Service.task  # type: ignore[untyped-decorator]  # mode has no types
    async def _beat(self) -> None:
        while not self.should_stop:
            self._beats += 1
            await self.sleep(CHECK_S / 2)

    def _watch(self) -> None:
        loop = _Age()
        partitions: dict[int, _Age] = {}
        while not self.should_stop:
            time.sleep(CHECK_S)
            self._judge("the event loop is stuck", loop.rounds_at(self._beats, pending=True))
            buffers = dict(self.app.buffers)
            worst = 0
            for partition, buffer in buffers.items():
                age = partitions.setdefault(partition, _Age())
                rounds = age.rounds_at((id(buffer), buffer.commits), pending=buffer.waiting > 0 or buffer.under_way)
                self._judge("inputs wait and nothing is committed", rounds, partition=partition)
                worst = max(worst, rounds)
            self.app.metrics.watchdog.labels("loop").set(loop.rounds * CHECK_S)
            self.app.metrics.watchdog.labels("commit").set(worst * CHECK_S)

    def _judge(self, reason: str, rounds: int, **fields: int) -> None:
        if rounds > self._rounds_max:
            halt(reason, seconds=rounds * CHECK_S, **fields)


class _Age:
    """How many rounds something has been pending without a sign of progress."""

    def __init__(self) -> None:
        self.rounds = 0
        self._last: object = None

    def rounds_at(self, progress: object, *, pending: bool) -> int:
        self.rounds = self.rounds + 1 if pending and progress == self._last else 0
        self._last = progress
        return self.rounds

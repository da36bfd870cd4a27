"""Exits when the event loop hangs, inputs or timed work wait without a commit, or inputs wait in the log without a
fetch.

Faust sends heartbeats from a different thread than the agents', so a worker whose loop hangs would keep its partitions.
"""

import threading
import time
from collections import defaultdict
from typing import Any

from mode import Service

from stream.fail_stop import Exit, halt
from stream.lane.buffer import PartitionBuffer
from stream.ops.lag import LagView

CHECK_S = 0.5


class Watchdog(Service):  # type: ignore[misc]  # mode has no types
    """Beats in the worker's loop, while a thread counts missing beats.

    The thread counts its own rounds instead of reading a clock, so that a process that was paused as a whole (a paused
    machine, a debugger) does not count as one that hangs.
    """

    def __init__(self, app: Any, view: LagView, **kwargs: Any) -> None:
        self.app = app
        self._view = view
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
        loop, commits, fetches = _Age(), defaultdict[int, _Age](_Age), defaultdict[int, _Age](_Age)
        while not self.should_stop:
            time.sleep(CHECK_S)
            self._end_after("the event loop is stuck", Exit.BUG, loop.rounds_at(self._beats, pending=True))
            worst = 0
            for partition, buffer in dict(self.app.buffers).items():
                pending = buffer.wants_batch or buffer.under_way
                rounds = commits[partition].rounds_at((id(buffer), buffer.commits), pending=pending)
                # Status 75: the loop runs, as just checked, so this is a wait for a broker.
                what = "inputs or timed work wait and nothing is committed"
                self._end_after(what, Exit.PASSING, rounds, partition=partition)
                worst = max(worst, rounds)
                self._watch_fetches(partition, buffer, fetches[partition])
            self.app.metrics.watchdog.labels("loop").set(loop.rounds * CHECK_S)
            self.app.metrics.watchdog.labels("commit").set(worst * CHECK_S)

    def _watch_fetches(self, partition: int, buffer: PartitionBuffer, age: "_Age") -> None:
        """Check that inputs in the log are fetched: a consumer that was not resumed after a rebalance waits for
        ever.
        """
        seen = self._view.shown(time.monotonic()).get(partition)
        at = self.app.consumer.fetched_to(partition)
        unread = not buffer.closed and seen is not None and at is not None and at < seen.last_stable
        rounds = age.rounds_at((id(buffer), at), pending=unread and not buffer.full)
        self._end_after("inputs wait in the log and nothing is fetched", Exit.PASSING, rounds, partition=partition)

    def _end_after(self, reason: str, status: Exit, rounds: int, **fields: Any) -> None:
        if rounds > self._rounds_max:
            halt(reason, status=status, seconds=rounds * CHECK_S, **fields)


class _Age:
    """Counts the rounds in which work was pending without progress."""

    def __init__(self) -> None:
        self.rounds = 0
        self._last: object = None

    def rounds_at(self, progress: object, *, pending: bool) -> int:
        self.rounds = self.rounds + 1 if pending and progress == self._last else 0
        self._last = progress
        return self.rounds

"""Handles SIGTERM and SIGINT: an orderly stop, bounded by a deadline even if the broker or the event loop hangs."""

import signal
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from stream import log
from stream.fail_stop import Exit, end_now, halt

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
# Supervisors wait at least ten seconds before they kill; two of them are for the exit of the process itself.
STOP_WITHIN_S = 8.0


class StopSignals:
    """Receives the signals in its own thread, so that a stop also works when the event loop is stuck.

    Before `begin_with` is called the process owns nothing and has no work under way: a signal ends it at once, with
    status 0.
    """

    def __init__(self, process: str, within_s: float = STOP_WITHIN_S) -> None:
        self._process, self._within_s = process, within_s
        self._begin: Callable[[], object] | None = None
        self._waits_for: Callable[[], str] = lambda: "its start"

    def watch(self) -> None:
        """Receive the signals from now on. Call it in the main thread before any other thread starts: threads inherit
        the signal mask.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=self._run, name="stop signals", daemon=True).start()

    def begin_with(self, begin: Callable[[], object], waits_for: Callable[[], str]) -> None:
        """From now on a signal calls `begin` in this object's thread. `waits_for` describes what did not end in
        time.
        """
        self._waits_for = waits_for
        self._begin = begin

    def _run(self) -> None:
        number = signal.Signals(signal.sigwait(SIGNALS))
        if self._begin is None:
            self._end_at_once()
        log.get(self._process).info("stop begins", signal=number.name)
        self._begin()
        time.sleep(self._within_s)
        halt("the stop did not finish", status=Exit.PASSING, seconds=self._within_s, waits_for=self._waits_for())

    def _end_at_once(self) -> NoReturn:
        log.get(self._process).info(f"{self._process} ends", before="it started")
        end_now(0)

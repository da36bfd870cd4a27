"""Faust's recovery, which resumes the consumer after a rebalance, changed to end the process where it would give up."""

from typing import Any

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery, ServiceStopped

from stream.fail_stop import Exit, halt


class EndingRecovery(Recovery):  # type: ignore[misc]  # Faust has no types
    """Ends the process when a step takes longer than its time-out.

    Faust treats such a step like a stop: its task ends silently, and the worker keeps its partitions, unready, for
    ever. At the first start not even the watchdog runs yet.
    """

    async def _wait(self, coro: Any, timeout: float | None = None) -> None:  # noqa: ASYNC109 Faust's signature
        try:
            await super()._wait(coro, timeout)
        except ServiceStopped:
            if not self.should_stop:
                halt("the consumer did not resume in time", status=Exit.PASSING, seconds=timeout)
            raise


class Tables(TableManager):  # type: ignore[misc]  # Faust has no types
    _recovery: EndingRecovery | None = None

    @property
    def recovery(self) -> EndingRecovery:
        if self._recovery is None:
            self._recovery = EndingRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

"""Measures the lag of this worker's group by partition, from the ends of the log rather than from batches.

Every worker reads every partition, its own or not. So healthy workers report a worker that crash-loops, a partition
without an owner, and a transaction left open in the inputs.
"""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiokafka.errors import KafkaError
from mode import Service

from stream import log
from stream.failures import fail_without_access
from stream.offsets import OffsetReader, Offsets

logger = log.get("lag")

READ_EVERY_S = 2.0
RETRY_AFTER_S = 5.0  # After an error.
LOG_EVERY_S = 60.0
# After an unclean restart a broker reports older offsets of the group, or none, for about a second.
ACCEPT_AFTER_S = 10.0
# While the broker does not answer, the last values are shown for this long, then none: an old lag is a wrong lag.
SHOWN_FOR_S = 30.0


@dataclass(slots=True)
class Progress:
    """The accepted progress of one partition. Times are seconds of the monotonic clock.

    `committed` is the next input to apply according to the group's commits, None while it is not known.
    """

    end: int
    last_stable: int
    committed: int | None
    stood_since: float | None  # Since when the last stable offset has not moved, below the end.
    doubted_since: float | None  # Since when the group has reported less than `committed`.

    @property
    def lag(self) -> int | None:
        """Records of the log that are not applied yet, None while unknown."""
        return None if self.committed is None else max(0, self.end - self.committed)

    @property
    def undecided(self) -> int:
        """Records that no reader gets because a transaction before them is open."""
        return self.end - self.last_stable

    def stalled_s(self, now: float) -> float:
        """How long an open transaction has held up reading (s), 0 when none does."""
        return 0.0 if self.stood_since is None else max(0.0, now - self.stood_since)


@dataclass(slots=True)
class LagView:
    """The accepted progress of every partition. The worker's loop writes it; the threads that serve scrapes read it."""

    _progress: dict[int, Progress] = field(default_factory=dict)
    _read_at: float = float("-inf")

    def update(self, offsets: dict[int, Offsets], applied: dict[int, int], now: float) -> None:
        """Update from an answer of the broker. `applied` is the next input of each owned partition: the group cannot be
        behind it.
        """
        self._progress = {
            partition: _updated(self._progress.get(partition), answer, applied.get(partition, -1), now)
            for partition, answer in offsets.items()
        }
        self._read_at = now

    def shown(self, now: float) -> dict[int, Progress]:
        """The progress by partition; empty when the last answer is too old."""
        return self._progress if now - self._read_at <= SHOWN_FOR_S else {}


def _updated(before: Progress | None, answer: Offsets, applied: int, now: float) -> Progress:
    known = None if before is None else before.committed
    committed = max(answer.committed, applied)
    doubted: float | None = None
    if committed < 0 or (known is not None and committed < known):
        doubted = now if before is None or before.doubted_since is None else before.doubted_since
        if now - doubted < ACCEPT_AFTER_S:
            committed = -1 if known is None else known
        else:
            # A new group, or one that an operator set back, starts at the first kept record at the earliest.
            committed, doubted = max(committed, answer.begin), None
    stood: float | None = None
    if answer.last_stable < answer.end:
        still = before is not None and before.last_stable == answer.last_stable
        stood = before.stood_since if still and before is not None and before.stood_since is not None else now
    return Progress(answer.end, answer.last_stable, None if committed < 0 else committed, stood, doubted)


class LagMonitor(Service):  # type: ignore[misc]  # mode has no types
    """Reads the offsets from the broker every few seconds. A broker that does not answer does not end the worker."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        self.view = LagView()
        self._reader: OffsetReader | None = None
        self._logged_at = float("-inf")
        super().__init__(**kwargs)

    @Service.task  # type: ignore[untyped-decorator]  # mode has no types
    async def _run(self) -> None:
        try:
            while not self.should_stop:
                await self.sleep(READ_EVERY_S if await self._read() else RETRY_AFTER_S)
        finally:
            await self._close()

    async def _read(self) -> bool:
        """Read the offsets once; false when the broker did not answer."""
        try:
            if self._reader is None:
                self._reader = await OffsetReader.open(self.app.settings, self.app.input_topic)
            offsets = await self._reader.read()
        except (KafkaError, OSError) as error:
            fail_without_access(error)
            await self._close()
            self._log_failure(error)
            return False
        owned = self.app.rows.owned
        self.view.update(offsets, {p: ledger.next_offset for p, ledger in owned.items()}, monotonic())
        return True

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def _log_failure(self, error: Exception) -> None:
        if monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = monotonic()
            logger.warning("the offsets of the inputs cannot be read", error=repr(error))

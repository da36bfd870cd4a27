"""Writes time as an input: one `clock-ticked` per partition and second. Rule G2.

The owner of partition 0 ticks for every partition. Where its ticks are missing, a partition's own owner ticks. A worker
whose wall clock disagrees with the broker's does not tick, so one wrong clock has no effect.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata
from faust.exceptions import ProducerSendError
from mode import Service

from agents.wallet.signature import HEADER, sign
from stream import log
from stream.failures import fail_without_access
from stream.ops.wall_clock import WallClock

logger = log.get("clock")

TICK_KEY = b"*"
TICK_MS = 1_000
# A partition without a tick for this long has lost its leader. Up to two ticks of the leader may be late or lost.
LEADER_GONE_S = 4.0
LOG_EVERY_S = 60.0


class TickMessage(msgspec.Struct, frozen=True):
    """A tick on the wire. Its id is derived from the second, so that two leaders write repeats of the same tick."""

    type: str
    id: str
    account_id: str
    occurred_at: str


def tick(at_ms: int) -> bytes:
    """The value of the tick for the second that began at `at_ms` (ms since 1970, a multiple of 1000)."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode(TickMessage("clock-ticked", f"tick-{at}", "*", at))


class Ticker(Service):  # type: ignore[misc]  # mode has no types
    """Ticks for the partitions that this worker is responsible for. Two tickers at once are harmless: the second tick
    is a repeat.
    """

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        self._wall = WallClock()
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._logged_s = -LOG_EVERY_S
        super().__init__(**kwargs)

    async def on_stop(self) -> None:
        for task in self._sending.values():
            task.cancel()

    @Service.task  # type: ignore[untyped-decorator]  # mode has no types
    async def _run(self) -> None:
        while not self.should_stop:
            now_ms = _now_ms()
            await self.sleep((TICK_MS - now_ms % TICK_MS) / 1_000)
            if self.app.ready and not self.should_stop:
                now_ms = _now_ms()
                self._tick(now_ms - now_ms % TICK_MS)

    def _tick(self, at_ms: int) -> None:
        """Send the ticks of this second. A partition whose broker is away does not delay the others."""
        self._sending = {partition: task for partition, task in self._sending.items() if not task.done()}
        for partition in self._agreed(self._partitions()):
            if partition not in self._sending:
                self._sending[partition] = asyncio.create_task(self._send(partition, at_ms))

    def _partitions(self) -> list[int]:
        """The partitions to tick for, owned ones first."""
        own = sorted(self.app.buffers)
        if self.app.leads:
            return [*own, *(p for p in range(self.app.settings.partitions) if p not in self.app.buffers)]
        now_s = time.monotonic()
        return [p for p in own if now_s - self.app.ticked_s[p] > LEADER_GONE_S]

    def _agreed(self, partitions: list[int]) -> Iterable[int]:
        """Restrict `partitions` by the wall clock: all when it agrees, one to find out, none when it disagrees."""
        self._wall.check(time.monotonic(), _now_ms(), self.app.newest_arrived_ms)
        self.app.metrics.wall_clock_ahead.set(self._wall.ahead_ms / 1_000)
        if self._wall.agrees is False:
            self._log_disagreement()
            return ()
        return partitions if self._wall.agrees else partitions[:1]

    async def _send(self, partition: int, at_ms: int) -> None:
        value = tick(at_ms)
        keys = self.app.settings.keys()
        headers = [(HEADER, sign(value, keys[0]))] if keys else None
        sent_ms = _now_ms()
        try:
            answer = await self.app.producer.send(
                self.app.input_topic, TICK_KEY, value, partition, at_ms / 1_000, headers
            )
            metadata: RecordMetadata = await answer
        except (KafkaError, ProducerSendError) as error:
            fail_without_access(error if error.__cause__ is None else error.__cause__)
            # The next second brings another tick. Missing ticks show in `tollgate_clock_seconds`.
            logger.debug("tick not sent", partition=partition, error=repr(error))
            return
        if metadata.timestamp_type == 1:
            self._wall.acknowledged(sent_ms, metadata.timestamp, _now_ms(), time.monotonic())

    def _log_disagreement(self) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            logger.error(
                "the wall clock disagrees with the broker's: this worker does not tick; set the machine's clock",
                ahead_seconds=self._wall.ahead_ms / 1_000,
            )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

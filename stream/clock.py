"""Time as an input: one `clock-ticked` for each partition and second, from whichever worker owns partition 0."""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from mode import Service

TICK_KEY = b"*"
TICK_MS = 1_000


class ClockTicked(msgspec.Struct, frozen=True):
    """The tick on the wire. Its id names the second, so that two leaders of one moment say the same thing twice."""

    type: str
    id: str
    account_id: str
    occurred_at: str


def tick(at_ms: int) -> bytes:
    """The value of the tick for the second that began at `at_ms` (ms since 1970, a multiple of 1000)."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode(ClockTicked("clock-ticked", f"tick-{at}", "*", at))


class Clock(Service):  # type: ignore[misc]  # mode has no types
    """Ticks while this worker owns partition 0. Two leaders at once are harmless, a gap ends with the next tick."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        super().__init__(**kwargs)

    @Service.task  # type: ignore[untyped-decorator]  # mode has no types
    async def _run(self) -> None:
        while not self.should_stop:
            now_ms = time.time_ns() // 1_000_000
            await self.sleep((TICK_MS - now_ms % TICK_MS) / 1_000)
            at_ms = time.time_ns() // 1_000_000
            if self.app.leads and not self.should_stop:
                await self._tick(at_ms - at_ms % TICK_MS)

    async def _tick(self, at_ms: int) -> None:
        value = tick(at_ms)
        for partition in range(self.app.settings.partitions):
            await self.app.producer.send(self.app.input_topic, TICK_KEY, value, partition, at_ms / 1_000, None)

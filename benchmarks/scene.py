"""One run of the benchmarks: its size, its broker, and the log that throughput and restore share."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rich.console import Console

from benchmarks.stage import Worker, fill, watch
from benchmarks.traffic import MINUTES, Traffic
from stream.settings import Settings


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. `window_s` is how long one latency is sampled at each of `rates` (events/s)."""

    accounts: int = 2_000
    calls: int = 150_000
    repeats: int = 3
    rates: tuple[int, ...] = (50, 500, 1_000)
    window_s: float = 8.0
    idle_accounts: tuple[int, int] = (20_000, 120_000)
    short: bool = False


SHORT = Size(
    accounts=500,
    calls=10_000,
    repeats=1,
    rates=(50, 500),
    window_s=1.5,
    idle_accounts=(1_000, 3_000),
    short=True,
)


@dataclass(slots=True)
class Scene:
    """`settings` name the broker; everything else in them is what an operator has who sets nothing."""

    settings: Settings
    folder: Path
    size: Size
    console: Console
    events: int = 0
    minutes_prefix: str = ""  # Of the topics that hold the same calls on a minutes plan, once they are filled.
    consumed: Settings | None = None  # Of a worker that has taken in the whole log: its changelog can be restored.
    _numbers: Iterator[int] = field(default_factory=count)

    def say(self, line: str) -> None:
        self.console.print(line, style="dim", highlight=False, soft_wrap=True)

    def next_number(self) -> int:
        return next(self._numbers)

    def named(self, app_id: str, **changed: object) -> Settings:
        """The settings of one more app; with a `topic_prefix` it has topics to itself."""
        return self.settings.model_copy(update={"app_id": app_id, **changed})

    def consuming_settings(self) -> Settings:
        """Of a fresh worker that is to take in the whole log."""
        self.consumed = self.named(f"worker-{self.next_number()}")
        return self.consumed

    async def filled(self) -> None:
        """Put the log on the input topic, unless it is there."""
        if self.events:
            return
        size = self.size
        self.say(f"filling the log: {size.accounts:,} accounts, {size.calls:,} calls")
        traffic = Traffic(size.accounts, size.calls, time.time_ns() // 1_000_000)
        settings = self.named("fill")
        await fill(settings, traffic.opening())
        self.events = sum(await fill(settings, traffic.played()))

    async def filled_with_minutes(self) -> None:
        """Put the same calls, of accounts on a minutes plan, on an input topic of its own, unless they are there."""
        if self.minutes_prefix:
            return
        size, self.minutes_prefix = self.size, f"{self.settings.topic_prefix}minutes."
        self.say("filling another log with the same calls on a minutes plan")
        traffic = Traffic(size.accounts, size.calls, time.time_ns() // 1_000_000, plan=MINUTES)
        settings = self.named("fill", topic_prefix=self.minutes_prefix)
        await fill(settings, [*traffic.opening(), *traffic.played()])

    async def with_changelog(self) -> Settings:
        """Settings of a worker that has taken in the whole log and is stopped."""
        if self.consumed is None:
            await self.filled()
            self.say("a worker takes in the log, for the changelog that is restored")
            worker = Worker(self.consuming_settings(), self.folder)
            try:
                await watch(worker.settings, worker.child, self.events)
            finally:
                worker.stop()
        assert self.consumed is not None
        return self.consumed

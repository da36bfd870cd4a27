"""One run of the benchmarks: its size, its broker, and the input log that throughput and restore share."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rich.console import Console

from benchmarks.input_log import fill, watch
from benchmarks.processes import Worker
from benchmarks.traffic import MINUTES, Traffic
from stream.settings import Settings


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the measurements. Latency is sampled for `window_s` at each of `rates` (events/s)."""

    accounts: int = 2_000
    calls: int = 150_000
    repeats: int = 3
    rates: tuple[int, ...] = (50, 500, 1_000)
    window_s: float = 8.0
    idle_accounts: tuple[int, int] = (20_000, 120_000)
    month_end_accounts: int = 200_000
    short: bool = False


SHORT = Size(
    accounts=500,
    calls=10_000,
    repeats=1,
    rates=(50, 500),
    window_s=1.5,
    idle_accounts=(1_000, 3_000),
    month_end_accounts=2_000,
    short=True,
)


@dataclass(slots=True)
class BenchmarkRun:
    """`settings` name the broker; everything else in them has its default."""

    settings: Settings
    folder: Path
    size: Size
    console: Console
    events: int = 0
    minutes_prefix: str = ""  # Prefix of the topics with the same calls on a minutes plan; empty until they are filled.
    consumed: Settings | None = None  # Settings of a worker that has processed the whole log, for its changelog.
    _numbers: Iterator[int] = field(default_factory=count)

    def report(self, line: str) -> None:
        self.console.print(line, style="dim", highlight=False, soft_wrap=True)

    def next_number(self) -> int:
        return next(self._numbers)

    def named(self, app_id: str, **changed: object) -> Settings:
        """The settings of another app; with a `topic_prefix` it has its own topics."""
        return self.settings.model_copy(update={"app_id": app_id, **changed})

    def consuming_settings(self) -> Settings:
        """Settings of a new worker, which then processes the whole log."""
        self.consumed = self.named(f"worker-{self.next_number()}")
        return self.consumed

    async def fill_log(self) -> None:
        """Write the input log, unless it is already written."""
        if self.events:
            return
        size = self.size
        self.report(f"filling the log: {size.accounts:,} accounts, {size.calls:,} calls")
        traffic = Traffic(size.accounts, size.calls, time.time_ns() // 1_000_000)
        settings = self.named("fill")
        await fill(settings, traffic.opening())
        self.events = sum(await fill(settings, traffic.played()))

    async def fill_minutes_log(self) -> None:
        """Write the same calls with accounts on a minutes plan to another input topic, unless already written."""
        if self.minutes_prefix:
            return
        size, self.minutes_prefix = self.size, f"{self.settings.topic_prefix}minutes."
        self.report("filling another log with the same calls on a minutes plan")
        traffic = Traffic(size.accounts, size.calls, time.time_ns() // 1_000_000, plan=MINUTES)
        settings = self.named("fill", topic_prefix=self.minutes_prefix)
        await fill(settings, [*traffic.opening(), *traffic.played()])

    async def with_changelog(self) -> Settings:
        """Settings of a worker that has processed the whole log and is stopped."""
        if self.consumed is None:
            await self.fill_log()
            self.report("a worker processes the log, to write the changelog that is restored")
            worker = Worker(self.consuming_settings(), self.folder)
            try:
                await watch(worker.settings, worker.child, self.events)
            finally:
                worker.stop()
        assert self.consumed is not None
        return self.consumed

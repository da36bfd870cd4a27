"""One month of a run, from the first topic to the verdict."""

import asyncio
import http.client
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NoReturn

import orjson
from rich.console import Console

from demo.children import STOP_DEADLINE_S, Child, ChildDiedError, tail
from demo.closing import print_explanation, print_stories, print_verdict
from demo.cluster import Offsets, administering, end_offsets, facts_of, reading
from demo.progress import Gauge, Progress
from demo.show import Show
from demo.summary import print_summary
from demo.telling import stories
from demo.verify import TOPICS, audit
from demo.watch import Watch
from stream import topics
from stream.dev_broker import DevBroker
from stream.settings import Settings

READY_DEADLINE_S = 60
SILENCE_DEADLINE_S = 60  # Nothing decided for so long although inputs wait: the run has failed.
DEATH_NOTICE_S = 3
LOOK_EVERY_S = 0.25
PROBE_EVERY_S = 0.05
POLL_MS = 50


@dataclass(frozen=True, slots=True)
class Month:
    """What is played and where. `ending` stops the children, the youngest first; the month takes `seconds`.

    Every `kill_every` seconds on average, if given, the worker is killed (SIGKILL) and another one started.
    """

    settings: Settings
    accounts: int
    calls: int
    seconds: float
    seed: int
    kill_every: float | None
    folder: Path
    console: Console
    broker: DevBroker | None
    ending: ExitStack
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, *arguments: str, lasting: bool = True) -> Child:
        """`python -m …` as a child with the settings of this run; a lasting one may not end by itself."""
        child = Child.python(name, list(arguments), self.folder, environment(self.settings), lasting=lasting)
        self.children.append(child)
        self.ending.callback(self._stop, child)
        return child

    def kill(self, child: Child) -> None:
        """SIGKILL, on purpose: from here on nobody misses it."""
        self.children.remove(child)
        child.process.kill()
        child.process.wait()

    def _stop(self, child: Child) -> None:
        # Without its broker a worker could only wait in vain for its last commit.
        orphaned = self.broker is not None and not self.broker.running
        child.stop(patience_s=0 if orphaned else STOP_DEADLINE_S)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a child reads them."""
    values = settings.model_dump(exclude_none=True) | {"signing_keys": settings.signing_keys.get_secret_value()}
    return {f"TOLLGATE_{name.upper()}": str(value) for name, value in values.items()}


async def play(month: Month) -> list[str]:
    """Play the month, show it, audit it. Returns the findings, one sentence each; raises ChildDiedError."""
    playing, guarding = asyncio.create_task(_play(month)), asyncio.create_task(_guard(month))
    try:
        await asyncio.wait((playing, guarding), return_when=asyncio.FIRST_COMPLETED)
        if playing.done() and playing.exception() is not None:
            # Perhaps only the first sign of a death: a dying broker closes its connections before it has ended.
            await asyncio.wait((guarding,), timeout=DEATH_NOTICE_S)
        return guarding.result() if guarding.done() else playing.result()
    finally:
        playing.cancel()
        guarding.cancel()
        await asyncio.gather(playing, guarding, return_exceptions=True)


async def _guard(month: Month) -> NoReturn:
    """Raise ChildDiedError as soon as a process has ended that should not have."""
    while True:
        # The broker first: whoever talks to it follows it into death.
        if month.broker is not None and not month.broker.running:
            raise ChildDiedError(f"Kafka ended by itself. The end of its log:\n{tail(month.broker.log)}")
        for child in tuple(month.children):
            child.check()
        await asyncio.sleep(PROBE_EVERY_S)


async def _play(month: Month) -> list[str]:
    await topics.ensure(month.settings)
    begin = await _ends(month.settings)
    worker = month.start("worker", "stream", "worker")
    await _ready(month, worker)
    pace = "--seed", str(month.seed), "--seconds", str(month.seconds)
    month.start("provider", "demo", "provider", *pace)
    report = month.folder / "traffic.json"
    size = "--accounts", str(month.accounts), "--calls", str(month.calls), "--report", str(report)
    traffic = month.start("traffic", "demo", "traffic", *pace, *size, lasting=False)
    killing = asyncio.create_task(_kill(month, worker, traffic))
    progress = await _follow(month, begin, traffic)
    kills = await killing
    if kills:
        month.console.print(f"\nthe worker was killed with SIGKILL and started again {kills} times", highlight=False)
    return await _close(month, progress, begin, _provoked(report))


async def _kill(month: Month, worker: Child, traffic: Child) -> int:
    """Kill the worker again and again while traffic comes, at moments nobody chose but the seed. How often."""
    if month.kill_every is None:
        return 0
    moments = Random(month.seed)  # noqa: S311  # repeatable, not secret
    kills = 0
    while True:
        await asyncio.sleep(month.kill_every * (0.5 + moments.random()))
        if traffic.ended_well():
            return kills
        month.kill(worker)
        kills += 1
        worker = month.start(f"worker-{kills + 1}", "stream", "worker")


async def _ready(month: Month, worker: Child) -> None:
    """Wait until the worker says that it has restored itself and consumes."""
    began_s = time.monotonic()
    with month.console.status("starting a worker …"):
        while not await asyncio.to_thread(_answers, month.settings):
            if time.monotonic() - began_s > READY_DEADLINE_S:
                raise ChildDiedError(f"the worker is not ready after {READY_DEADLINE_S} s:\n{tail(worker.log)}")
            await asyncio.sleep(PROBE_EVERY_S)
    month.console.print(f"worker ready in {time.monotonic() - began_s:.1f} s", highlight=False)


def _answers(settings: Settings) -> bool:
    connection = http.client.HTTPConnection(settings.health_host, settings.health_port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


async def _follow(month: Month, begin: Offsets, traffic: Child) -> Progress:
    """Show the run until nothing is on its way any more."""
    title = f"Tollgate: {month.calls:,} calls of {month.accounts:,} accounts, a month in {month.seconds:g} s"
    settings = month.settings
    async with reading(settings) as consumer, reading(settings) as other, administering(settings) as admin:
        watch, gauge = Watch(consumer, settings, begin), Gauge(other, admin, settings, begin)
        progress = Progress(watch.totals)
        with Show(month.console, title) as show:
            while not progress.settled:
                progress.sending = not traffic.ended_well()
                await _look(watch, gauge, progress)
                _refuse_silence(month, progress)
                show.update(progress)
            end = await _ends(settings)
            while await watch.behind(end):
                await watch.poll(POLL_MS)
            show.update(progress, last=True)
    return progress


async def _look(watch: Watch, gauge: Gauge, progress: Progress) -> None:
    """Take the facts of the next quarter of a second, then see how far everybody is."""
    until_s = time.monotonic() + LOOK_EVERY_S
    while time.monotonic() < until_s:
        await watch.poll(POLL_MS)
    await gauge.read(progress)


def _refuse_silence(month: Month, progress: Progress) -> None:
    if progress.silent_s() > SILENCE_DEADLINE_S:
        logs = "\n".join(f"{child.name}:\n{tail(child.log)}" for child in month.children)
        raise ChildDiedError(
            f"nothing was decided for {SILENCE_DEADLINE_S} s, with {progress.waiting} inputs and {progress.unpaid} "
            f"payments waiting. The ends of the logs:\n{logs}"
        )


async def _close(month: Month, progress: Progress, begin: Offsets, provoked: Counter[str]) -> list[str]:
    with month.console.status("reading every topic again …"):
        end = await _ends(month.settings)
        result = await audit(month.settings, begin, end)
        findings = result.findings(provoked)
        told = stories(result.evidence)
    print_summary(month.console, progress, result)
    print_stories(month.console, told)
    lowest = result.lowest_account()
    if lowest is not None:
        facts = await facts_of(month.settings, lowest, begin, end)
        print_explanation(month.console, lowest, result.evidence.snapshots[lowest].balance_micros, facts)
    print_verdict(month.console, result, findings)
    return findings


async def _ends(settings: Settings) -> Offsets:
    async with reading(settings) as consumer:
        return await end_offsets(consumer, settings, *TOPICS)


def _provoked(report: Path) -> Counter[str]:
    """How many dead letters of each code the traffic asked for, from the report it wrote."""
    kinds: dict[str, int] = orjson.loads(report.read_bytes())
    codes = {kind.removeprefix("dead-letter:"): count for kind, count in kinds.items() if kind.startswith("dead-")}
    return Counter(codes)

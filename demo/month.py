"""Plays one month of a run, from the creation of topics to the audit."""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NoReturn

import orjson
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr
from rich.console import Console

from agents.views.settings import Settings
from demo.api import Api, wrong_accounts
from demo.children import STOP_DEADLINE_S, Child, ChildDiedError, check_server, is_ready, tail
from demo.closing import find_examples, print_audit, print_examples, print_explanation
from demo.cluster import Offsets, administering, end_offsets, facts_of, reading
from demo.progress import Gauge, Progress
from demo.show import Show
from demo.summary import print_summary
from demo.verify import TOPICS, audit
from demo.views import compare, differences
from demo.watch import Watch
from devkit.broker import DevBroker
from devkit.redis import DevRedis
from devkit.server import HOST
from stream.startup import make_topics
from stream.topics import declared

READY_DEADLINE_S = 60
STALLED_DEADLINE_S = 60  # The run has failed when inputs wait and nothing is decided for this long.
DEATH_NOTICE_S = 3
REFRESH_EVERY_S = 0.25
PROBE_EVERY_S = 0.05
POLL_MS = 50


@dataclass(frozen=True, slots=True)
class Month:
    """The size of the month, its settings and its processes. The month takes `seconds`. `ending` stops the children,
    the newest first.

    With `kill_every`, the worker is killed (SIGKILL) and replaced every so many seconds on average.
    """

    settings: Settings
    accounts: int
    calls: int
    seconds: float
    seed: int
    kill_every: float | None
    api: Api
    folder: Path
    console: Console
    broker: DevBroker | None
    redis: DevRedis
    ending: ExitStack
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, *arguments: str, lasting: bool = True) -> Child:
        """Start `python -m …` as a child with the settings of this run. A `lasting` child must not end by itself."""
        variables = environment(self.settings) | self.api.variables()
        child = Child.python(name, list(arguments), self.folder, variables, lasting=lasting)
        self.children.append(child)
        self.ending.callback(self._stop, child)
        return child

    def kill(self, child: Child) -> None:
        """Kill a child on purpose: its end is not reported as a failure."""
        self.children.remove(child)
        child.process.kill()
        child.process.wait()

    def _stop(self, child: Child) -> None:
        # Without the broker a worker would only wait for its last commit until the deadline.
        orphaned = self.broker is not None and not self.broker.running
        child.stop(patience_s=0 if orphaned else STOP_DEADLINE_S)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables of a child."""
    values = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump().items()
    }
    # An empty value hides a variable of this process's own environment, which the child inherits.
    return {f"TOLLGATE_{name.upper()}": "" if value is None else str(value) for name, value in values.items()}


async def play(month: Month) -> list[str]:
    """Play, show and audit the month. Returns the findings, one sentence each. Raises ChildDiedError."""
    playing, guarding = asyncio.create_task(_play(month)), asyncio.create_task(_guard(month))
    try:
        await asyncio.wait((playing, guarding), return_when=asyncio.FIRST_COMPLETED)
        if playing.done() and playing.exception() is not None:
            # This may be the first sign that a process died: a dying broker closes its connections before it ends.
            await asyncio.wait((guarding,), timeout=DEATH_NOTICE_S)
        return guarding.result() if guarding.done() else playing.result()
    finally:
        playing.cancel()
        guarding.cancel()
        await asyncio.gather(playing, guarding, return_exceptions=True)


async def _guard(month: Month) -> NoReturn:
    """Raise ChildDiedError as soon as a process has ended unexpectedly."""
    while True:
        # The broker first: when it ends, its clients end too.
        for server in (month.broker, month.redis):
            if server is not None:
                check_server(server)
        for child in tuple(month.children):
            child.check()
        await asyncio.sleep(PROBE_EVERY_S)


async def _play(month: Month) -> list[str]:
    await make_topics(month.settings, declared(month.settings))
    begin = await _ends(month.settings)
    worker = await _start(month)
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


async def _start(month: Month) -> Child:
    """Start worker, views and gateway and wait until they are ready. Returns the worker."""
    settings = month.settings
    worker, views = month.start("worker", "stream", "worker"), month.start("views", "tollgate", "views")
    gateway = month.start("gateway", "tollgate", "gateway")
    with month.console.status("starting worker, views and gateway …"):
        await _ready(month, worker, settings.health_host, settings.health_port)
        await _ready(month, views, settings.views_health_host, settings.views_health_port)
        await _ready(month, gateway, HOST, month.api.health_port)
    return worker


async def _kill(month: Month, worker: Child, traffic: Child) -> int:
    """Kill and replace the worker until the traffic ends, at times drawn from the seed. Returns the number of kills."""
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


async def _ready(month: Month, child: Child, host: str, port: int) -> None:
    """Wait until the process reports that it is ready."""
    began_s = time.monotonic()
    while not await asyncio.to_thread(is_ready, host, port):
        if time.monotonic() - began_s > READY_DEADLINE_S:
            raise ChildDiedError(f"the {child.name} is not ready after {READY_DEADLINE_S} s:\n{tail(child.log)}")
        await asyncio.sleep(PROBE_EVERY_S)
    month.console.print(f"{child.name} ready in {time.monotonic() - began_s:.1f} s", highlight=False)


async def _follow(month: Month, begin: Offsets, traffic: Child) -> Progress:
    """Show the run until it is finished."""
    title = f"Tollgate: {month.calls:,} calls of {month.accounts:,} accounts, a month in {month.seconds:g} s"
    settings = month.settings
    async with reading(settings) as consumer, reading(settings) as other, administering(settings) as admin:
        watch, gauge = Watch(consumer, settings, begin), Gauge(other, admin, settings, begin)
        progress = Progress(watch.totals)
        with Show(month.console, title) as show:
            while not progress.finished:
                progress.sending = not traffic.ended_well()
                await _update(watch, gauge, progress)
                _check_stalled(month, progress)
                show.update(progress)
            end = await _ends(settings)
            while await watch.behind(end):
                await watch.poll(POLL_MS)
            show.update(progress, last=True)
    return progress


async def _update(watch: Watch, gauge: Gauge, progress: Progress) -> None:
    """Read new records for `REFRESH_EVERY_S`, then the progress of worker and provider."""
    until_s = time.monotonic() + REFRESH_EVERY_S
    while time.monotonic() < until_s:
        await watch.poll(POLL_MS)
    await gauge.read(progress)


def _check_stalled(month: Month, progress: Progress) -> None:
    if progress.idle_s() > STALLED_DEADLINE_S:
        logs = "\n".join(f"{child.name}:\n{tail(child.log)}" for child in month.children)
        raise ChildDiedError(
            f"nothing was decided for {STALLED_DEADLINE_S} s, with {progress.waiting} inputs and {progress.unpaid} "
            f"payments waiting. The ends of the logs:\n{logs}"
        )


async def _close(month: Month, progress: Progress, begin: Offsets, provoked: Counter[str]) -> list[str]:
    with month.console.status("auditing every topic …"):
        end = await _ends(month.settings)
        result = await audit(month.settings, begin, end)
        findings = result.findings(provoked)
        examples = find_examples(result.evidence)
    with month.console.status("comparing Redis with the topics …"):
        views = await compare(month.settings)
        listed = await asyncio.to_thread(month.api.accounts)
    print_summary(month.console, progress, result)
    print_examples(month.console, examples)
    lowest = result.lowest_account()
    if lowest is not None:
        facts = await facts_of(month.settings, lowest, begin, end)
        print_explanation(month.console, result.evidence.snapshots[lowest], facts)
    findings += [*differences(views), *wrong_accounts(listed, result.evidence.snapshots)]
    print_audit(month.console, result, views, findings)
    return findings


async def _ends(settings: Settings) -> Offsets:
    """The ends past open transactions: a commit returns before its records are readable."""
    async with AIOKafkaConsumer(**settings.connection.options) as uncommitted:
        return await end_offsets(uncommitted, settings, *TOPICS)


def _provoked(report: Path) -> Counter[str]:
    """The number of dead letters of each code that the traffic provoked, from its report."""
    kinds: dict[str, int] = orjson.loads(report.read_bytes())
    codes = {kind.removeprefix("dead-letter:"): count for kind, count in kinds.items() if kind.startswith("dead-")}
    return Counter(codes)

"""`python -m benchmarks`: measures the worker on this machine, beside plain Faust and a bare transactional loop."""

import asyncio
import logging
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import gate, latency, memory, month_end, reads, restore, rules, streams, throughput, views
from benchmarks.benchmark_run import SHORT, BenchmarkRun, Size
from benchmarks.figures import Figure, as_json, machine, table
from benchmarks.traffic import CREDITS
from devkit.broker import DevBroker
from schemas.plan import load_catalogue
from stream.settings import Settings
from tollgate import run

Measurement = Callable[[BenchmarkRun], Awaitable[list[Figure]]]


class Section(StrEnum):
    throughput = "throughput"
    latency = "latency"
    restore = "restore"
    memory = "memory"
    month_end = "month-end"
    views = "views"
    gate = "gate"
    reads = "reads"
    streams = "streams"


SECTIONS: dict[Section, Measurement] = {
    Section.throughput: throughput.measure,
    Section.latency: latency.measure,
    Section.restore: restore.measure,
    Section.memory: memory.measure,
    Section.month_end: month_end.measure,
    Section.views: views.measure,
    Section.gate: gate.measure,
    Section.reads: reads.measure,
    Section.streams: streams.measure,
}

app = typer.Typer(name="benchmarks", add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    short: Annotated[
        bool, typer.Option("--short", help="Measure everything once with small sizes, in under a minute.")
    ] = False,
    only: Annotated[list[Section] | None, typer.Option(help="Measure only this section; may be repeated.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the figures to this file, as JSON.")
    ] = None,
) -> None:
    """Start a broker and workers, measure, print each figure beside its target, and stop them."""
    if context.invoked_subcommand is not None:
        return
    # New topics have no leader for a moment; the client logs that and retries.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # Also in the background of a shell, where SIGINT is ignored, and SIGTERM, which raises it, would be ignored too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    console = Console(width=None if Console().is_terminal else 140)
    folder = Path(tempfile.mkdtemp(prefix="tollgate-bench-"))
    began_s = time.monotonic()
    try:
        with DevBroker(folder / "kafka") as broker:
            settings = Settings(bootstrap_servers=broker.bootstrap, app_id="bench", topic_prefix="bench.")
            bench = BenchmarkRun(settings, folder, SHORT if short else Size(), console)
            figures = asyncio.run(measure(bench, only or list(Section)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(
        table(figures, "benchmarks (--short: too short to compare with the targets)" if short else "benchmarks")
    )
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()), highlight=False)
    console.print(f"took {time.monotonic() - began_s:.0f} s", highlight=False)
    if json_file is not None:
        json_file.write_text(as_json(figures))


async def measure(bench: BenchmarkRun, sections: list[Section]) -> list[Figure]:
    figures: list[Figure] = []
    for section, measurement in SECTIONS.items():
        if section in sections:
            bench.console.print(f"[bold]{section}[/bold]")
            figures += await measurement(bench)
    return figures


@app.command("rules")
def rules_command(
    batch: Annotated[int, typer.Option(help="Inputs decided per batch.")] = 2_000,
    calls: Annotated[int, typer.Option(help="Number of calls, with two inputs each.")] = 40_000,
    plan: Annotated[str, typer.Option(help="The plan of all accounts, from the shipped catalogue.")] = CREDITS,
) -> None:
    """Measure the processor time of the rules alone per input, stage by stage, without a broker."""
    if plan not in load_catalogue().plans:
        raise typer.BadParameter(f"{plan} is not in the shipped catalogue", param_hint="--plan")
    Console().print(rules.table(rules.measure(calls, batch, plan)))


if __name__ == "__main__":
    run(app, "python -m benchmarks")

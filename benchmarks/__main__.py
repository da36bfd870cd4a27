"""`python -m benchmarks`: measure the worker on this machine, beside plain Faust and a bare transactional loop."""

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

from benchmarks import latency, memory, restore, rules, throughput
from benchmarks.figures import Figure, as_json, machine, table
from benchmarks.scene import SHORT, Scene, Size
from benchmarks.traffic import CREDITS
from stream.dev_broker import DevBroker
from stream.settings import Settings

Measurement = Callable[[Scene], Awaitable[list[Figure]]]


class Section(StrEnum):
    throughput = "throughput"
    latency = "latency"
    restore = "restore"
    memory = "memory"


SECTIONS: dict[Section, Measurement] = {
    Section.throughput: throughput.measure,
    Section.latency: latency.measure,
    Section.restore: restore.measure,
    Section.memory: memory.measure,
}

app = typer.Typer(name="benchmarks", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    short: Annotated[bool, typer.Option("--short", help="Everything once and small, in under a minute.")] = False,
    only: Annotated[list[Section] | None, typer.Option(help="Measure this alone; may be given again.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Start a broker and workers of its own, measure, print each figure beside its target, and stop them."""
    if context.invoked_subcommand is not None:
        return
    # Topics that were made a moment ago have no leader yet; the client says so, tries again, and all is well.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    console = Console(width=None if Console().is_terminal else 140)
    folder = Path(tempfile.mkdtemp(prefix="tollgate-bench-"))
    began_s = time.monotonic()
    try:
        with DevBroker(folder / "kafka") as broker:
            settings = Settings(bootstrap_servers=broker.bootstrap, app_id="bench", topic_prefix="bench.")
            scene = Scene(settings, folder, SHORT if short else Size(), console)
            figures = asyncio.run(measure(scene, only or list(Section)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print(table(figures, "benchmarks, too short to judge a target by" if short else "benchmarks"))
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()), highlight=False)
    console.print(f"took {time.monotonic() - began_s:.0f} s", highlight=False)
    if json_file is not None:
        json_file.write_text(as_json(figures))


async def measure(scene: Scene, sections: list[Section]) -> list[Figure]:
    figures: list[Figure] = []
    for section, measurement in SECTIONS.items():
        if section in sections:
            scene.console.print(f"[bold]{section}[/bold]")
            figures += await measurement(scene)
    return figures


@app.command("rules")
def rules_command(
    batch: Annotated[int, typer.Option(help="Inputs decided at a time.")] = 2_000,
    calls: Annotated[int, typer.Option(help="Calls, of two inputs each.")] = 40_000,
    plan: Annotated[str, typer.Option(help="The plan of all accounts, one of the shipped catalogue.")] = CREDITS,
) -> None:
    """Processor time of the rules alone for one input, stage by stage, without a broker."""
    Console().print(rules.table(rules.measure(calls, batch, plan)))


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")

"""`tollgate stack`: everything on this machine, until it is stopped."""

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from demo.children import ChildDiedError, tidy
from demo.stack.parts import NAMES, NEEDS_REDIS, REDIS
from demo.stack.stack import Stack
from devkit.kafka_jars import DevkitError
from devkit.server import PORT_MAX

WATCH_EVERY_S = 0.2


def command(
    *,
    without: Annotated[
        list[str] | None,
        typer.Option(envvar="STACK_WITHOUT", help=f"Leave out some of {', '.join(NAMES)}; separate names by commas."),
    ] = None,
    kafka_port: Annotated[
        int | None,
        typer.Option(envvar="STACK_KAFKA_PORT", min=1, max=PORT_MAX, help="Port of Kafka, instead of a free one."),
    ] = None,
    redis_port: Annotated[
        int | None,
        typer.Option(envvar="STACK_REDIS_PORT", min=1, max=PORT_MAX, help="Port of Redis, instead of a free one."),
    ] = None,
) -> None:
    """Run Kafka, Redis and every process here, for development.

    Prints where they answer as NAME=VALUE lines, then READY=1, and runs until Ctrl-C or SIGTERM. Settings come from
    the environment; with TOLLGATE_BOOTSTRAP_SERVERS or TOLLGATE_REDIS_URL it uses that Kafka or Redis and starts none.
    """
    left_out = _names(without or [])
    # In the background of a shell SIGINT is ignored, so both are set.
    signal.signal(signal.SIGINT, stop_once)
    signal.signal(signal.SIGTERM, stop_once)
    folder = Path(tempfile.mkdtemp(prefix="tollgate-stack-"))
    failed = False
    try:
        with Stack(folder, os.environ, left_out, report, kafka_port=kafka_port, redis_port=redis_port) as stack:
            _run(stack)
    except KeyboardInterrupt:
        report("stopped; nothing is left running")
    except (ChildDiedError, DevkitError) as error:
        failed = True
        report(f"{error}\nEverything else was stopped. Logs: {folder}")
        raise typer.Exit(1) from error
    finally:
        tidy(folder, keep_logs=failed)


def _run(stack: Stack) -> NoReturn:
    for name, value in stack.variables.items():
        print(f"{name}={value}")
    print("READY=1", flush=True)
    report("Ctrl-C stops it.")
    while True:
        stack.check()
        time.sleep(WATCH_EVERY_S)


def _names(given: Collection[str]) -> frozenset[str]:
    names = frozenset(name for text in given for name in re.split(r"[,\s]+", text) if name)
    unknown = sorted(names.difference(NAMES))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(NAMES)}", param_hint="--without")
    if REDIS in names and NEEDS_REDIS not in names and not os.environ.get("TOLLGATE_REDIS_URL"):
        raise typer.BadParameter(f"{NEEDS_REDIS} needs Redis: leave it out as well", param_hint="--without")
    return names


def stop_once(*_: object) -> NoReturn:
    """Begin to stop. A second signal does not disturb the stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

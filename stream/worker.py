"""`python -m stream worker`: one process, one app, until it is told to stop or must."""

import asyncio
import gc
from typing import Any, NoReturn

import faust
import typer
from aiokafka.errors import KafkaError
from pydantic import SecretStr, ValidationError

from schemas.plan import PlanError
from stream import health, log, pinned, topics
from stream.fail_stop import halt
from stream.settings import MEANING, Settings
from stream.topology import Tollgate, build_app

# Fetched records wait in lists by the ten thousand, and none of them is in a cycle. With Python's own thresholds
# (700, 10, 10) looking through them again and again took a sixth of a loaded worker's processor time.
GC_THRESHOLDS = (100_000, 50, 1_000)

REFUSED = 78  # EX_CONFIG: starting again changes nothing until somebody changes something.
BROKER_WAIT_S = 30.0


class Worker(faust.Worker):  # type: ignore[misc]  # Faust has no types
    """Faust's worker, for signals and an orderly stop; what fails ends the process."""

    def _crash(self, reason: BaseException) -> None:
        halt("a part of the worker failed", error=repr(reason))


def run(app: Tollgate, loop: asyncio.AbstractEventLoop) -> NoReturn:
    """Serve until SIGTERM (exit status 0) or an error (non-zero); `loop` must be the current one and not running."""
    settings = app.settings
    try:
        pinned.check()
        made = loop.run_until_complete(_topics(settings))
        port = health.serve(settings.health_host, settings.health_port, app.metrics.registry, lambda: app.ready)
    except (pinned.PinnedError, topics.TopicsError, KafkaError, OSError) as error:
        refuse(str(error) or repr(error))
    log.get("worker").info(
        "worker starts", app_id=settings.app_id, partitions=settings.partitions, topics_made=made, health_port=port
    )
    config = log.logging_config(settings.log_level)
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        Worker(app, loop=loop, loglevel="info", logging_config=config).execute_from_commandline()
    finally:
        # Whatever fails ends the process at once: only an orderly stop comes here.
        log.get("worker").info("worker ends")
    raise AssertionError


async def _topics(settings: Settings) -> list[str]:
    """Make what is missing, once a broker answers: a worker may well be started before it."""
    deadline = asyncio.get_running_loop().time() + BROKER_WAIT_S
    while True:
        try:
            return await topics.ensure(settings)
        except KafkaError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)


def refuse(reason: str) -> NoReturn:
    """Say in one last line why a worker does not start."""
    log.get("worker").critical("worker refuses to start", reason=reason)
    raise SystemExit(REFUSED)


def command() -> None:
    """Charge calls until stopped. Settings come from the environment: `python -m stream settings`."""
    log.configure("info")
    try:
        settings = Settings()
    except ValidationError as error:
        refuse("; ".join(f"TOLLGATE_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()))
    log.configure(settings.log_level)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        app = build_app(settings)
    except PlanError as error:
        refuse(f"TOLLGATE_PLANS: {error}")
    run(app, loop)


def settings_table(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, value in force and meaning of each setting. A secret shows as `***` when it is set."""
    return [
        (f"TOLLGATE_{name.upper()}", _shown(getattr(settings, name)), MEANING[name]) for name in Settings.model_fields
    ]


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    return "" if value is None else str(value)


def settings_command() -> None:
    """Print every setting, its value in force and what it means; secrets are masked."""
    rows = settings_table(Settings())
    for name, value, meaning in rows:
        typer.echo(f"{name:<32} {value:<20} {meaning}")

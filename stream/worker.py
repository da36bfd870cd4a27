"""`tollgate worker`: one process with one app, which runs until it is stopped or fails."""

import asyncio
import gc
from collections.abc import Callable
from typing import NoReturn

import faust
from aiokafka.errors import KafkaError

from schemas.currencies import CatalogueError
from stream import log, rights, topics
from stream.fail_stop import PersonNeededError, end_now
from stream.failures import classify, fail
from stream.lane import pinned
from stream.ops import health
from stream.settings import Settings
from stream.startup import checked_settings, make_topics, refuse, refuse_because, warn_if_unsigned
from stream.stopping import StopSignals
from stream.topology import Tollgate, build_app

# Tens of thousands of fetched records wait in lists, and none of them is in a cycle. With Python's default thresholds
# (700, 10, 10) the collector scanned them again and again, which took a sixth of a loaded worker's processor time.
GC_THRESHOLDS = (100_000, 50, 1_000)


class Worker(faust.Worker):  # type: ignore[misc]  # Faust has no types
    """Faust's worker with an orderly stop. A failure ends the process."""

    def install_signal_handlers(self) -> None:
        """No handlers: `StopSignals` receives the signals, so that a stop also begins when this loop is stuck."""

    def begin_stop(self) -> None:
        """Begin an orderly stop. Safe to call from any thread."""
        self.loop.call_soon_threadsafe(self._on_sigterm)

    async def start(self) -> None:
        """Run until stopped. When its start fails Faust exits with status 1; here the error decides the status."""
        started = asyncio.ensure_future(super().start())
        started.add_done_callback(_end_if_failed)
        await started

    def run_until_stopped(self, ended: Callable[[], object]) -> NoReturn:
        """Run, call `ended` after an orderly stop, and end the process. Any failure ends it before."""
        try:
            self.execute_from_commandline()
        except SystemExit as stopped:
            ended()
            end_now(int(stopped.code or 0))
        raise AssertionError

    def _shutdown_loop(self) -> None:
        """Nothing: the app has stopped, and the process ends. Faust would wait two seconds for idle connections."""

    def _crash(self, reason: BaseException) -> None:
        fail("a part of the worker failed", reason)


def _end_if_failed(started: asyncio.Future[None]) -> None:
    error = None if started.cancelled() else started.exception()
    if error is not None:
        fail("the worker could not start", error)


def run(app: Tollgate, loop: asyncio.AbstractEventLoop) -> NoReturn:
    """Run until SIGTERM (exit status 0) or an error (non-zero). `loop` must be the current event loop, not running."""
    settings = app.settings
    stop = StopSignals("worker")
    stop.watch()
    try:
        pinned.check()
        made = loop.run_until_complete(make_topics(settings, topics.declared(settings), rights.worker(settings)))
        loop.run_until_complete(topics.check_time(settings))
        port = health.serve(settings.health_host, settings.health_port, app.metrics.registry, lambda: app.ready, loop)
    except (PersonNeededError, KafkaError, OSError) as error:
        refuse_because("worker", error)
    log.get("worker").info(
        "worker starts", app_id=settings.app_id, partitions=settings.partitions, topics_made=made, health_port=port
    )
    warn_if_unsigned(settings)
    config = log.logging_config(settings.log_level)
    gc.set_threshold(*GC_THRESHOLDS)
    worker = Worker(app, loop=loop, loglevel="info", logging_config=config, quiet=True)
    stop.begin_with(worker.begin_stop, lambda: _waits_for(app))
    worker.run_until_stopped(lambda: log.get("worker").info("worker ends"))


def _waits_for(app: Tollgate) -> str:
    """What delays an orderly stop, for the last line."""
    under_way = sorted(partition for partition, buffer in dict(app.buffers).items() if buffer.under_way)
    if under_way:
        return f"commits of partitions {', '.join(map(str, under_way))}"
    return "the broker" if app.buffers else "its start: the broker, or the restore"


def command() -> None:
    """Charge calls until stopped.

    Settings come from the environment: `tollgate settings` lists them.
    """
    settings = checked_settings("worker", Settings)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        app = build_app(settings)
    except (CatalogueError, OSError) as error:
        line, currencies = classify(error).line, str(settings.currencies)
        name = "TOLLGATE_CURRENCIES" if line.startswith(f"{currencies}: ") else "TOLLGATE_PLANS"
        refuse("worker", f"{name}: {line}")
    run(app, loop)

"""`tollgate gateway`: one process, which serves until it is stopped or fails."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import NoReturn

import uvicorn
import uvloop
from aiokafka.errors import KafkaError

from agents.views import layout
from backoffice.documents.issuer import IssuerError, load_issuer
from gateway import rights
from gateway.app import build
from gateway.http.key_file import KeyFileError, KeyRing
from gateway.log.reader import LogReader
from gateway.log.writer import LogWriter
from gateway.metrics import Metrics
from gateway.parts import Parts
from gateway.settings import Settings
from schemas.currencies import CatalogueError
from schemas.plan import load_catalogue
from stream import log, topics
from stream.fail_stop import PersonNeededError
from stream.failures import fail
from stream.ops import health
from stream.redis_connection import TIMEOUT_S, connect
from stream.startup import checked_settings, make_topics, refuse, refuse_because, warn_if_unsigned
from stream.stopping import StopSignals

logger = log.get("gateway")

STOP_WITHIN_S = 10
REDIS_CONNECTIONS_MAX = 64
# A loop that does not run for this long is not alive.
ALIVE_WITHIN_S = 5.0
BEAT_S = 0.5


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: `StopSignals` receives the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Heartbeat:
    """Whether the event loop runs."""

    def __init__(self) -> None:
        self._beat_s = time.monotonic()

    @property
    def alive(self) -> bool:
        return time.monotonic() - self._beat_s < ALIVE_WITHIN_S

    async def beat(self) -> None:
        while True:
            self._beat_s = time.monotonic()
            await asyncio.sleep(BEAT_S)


class Gateway:
    """One process: its parts and its server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._heartbeat = Heartbeat()

    async def run(self, stop: StopSignals) -> None:
        """Serve until a signal."""
        settings = self.settings
        made = await make_topics(settings, needed(settings), rights.gateway(settings))
        listening = listen(settings.gateway_host, settings.gateway_port)
        async with self._parts() as parts:
            server = Server(config_of(parts))
            loop = asyncio.get_running_loop()
            stop.begin_with(lambda: loop.call_soon_threadsafe(self._stop, server, parts), lambda: "calls under way")
            health_port = health.serve(
                settings.gateway_health_host,
                settings.gateway_health_port,
                parts.metrics.registry,
                lambda: not parts.stopping.is_set() and parts.writer.ready and parts.reader.ready,
                lambda: self._heartbeat.alive,
            )
            port = listening.getsockname()[1]
            logger.info("gateway starts", app_id=settings.app_id, topics_made=made, port=port, health_port=health_port)
            warn_if_unsigned(settings)
            await server.serve(sockets=[listening])
        logger.info("gateway ends")

    @staticmethod
    def _stop(server: Server, parts: Parts) -> None:
        parts.stopping.set()
        server.should_exit = True

    @contextlib.asynccontextmanager
    async def _parts(self) -> AsyncIterator[Parts]:
        settings, metrics = self.settings, Metrics()
        assert settings.api_keys is not None
        redis = connect(settings, connections_max=REDIS_CONNECTIONS_MAX, wait_s=TIMEOUT_S)
        parts = Parts(
            settings=settings,
            keys=KeyRing(settings.api_keys, metrics.key_file_read),
            metrics=metrics,
            redis=redis,
            writer=LogWriter(settings),
            reader=LogReader(settings, simulation=settings.simulation),
            plans=load_catalogue(settings.plans, settings.currencies),
            issuer=load_issuer(settings.issuer),
        )
        tasks = [asyncio.create_task(work) for work in (self._heartbeat.beat(), parts.keys.follow())]
        for task in tasks:
            task.add_done_callback(_end_if_failed)
        await parts.writer.start()
        await parts.reader.start()
        try:
            yield parts
        finally:
            await parts.writer.close()
            await parts.reader.close()
            for task in tasks:
                task.cancel()
            await redis.aclose(close_connection_pool=True)


def config_of(parts: Parts) -> uvicorn.Config:
    return uvicorn.Config(
        build(parts),
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )


def needed(settings: Settings) -> dict[str, topics.Topic]:
    """The topics that the gateway reads and writes, by their names on the cluster."""
    names = {topics.INPUTS, *layout.TOPICS}
    return {settings.topic(topic.name): topic for topic in topics.CONTRACT if topic.name in names}


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2_048)
    except OSError as error:
        raise health.port_error(host, port, error) from error


def _end_if_failed(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        fail("a part of the gateway failed", error)


def run() -> NoReturn:
    """Serve until SIGTERM (exit status 0) or an error (non-zero)."""
    settings = checked_settings("gateway", Settings)
    if settings.api_keys is None:
        refuse("gateway", "TOLLGATE_API_KEYS is not set: name the file of keys; `tollgate gateway key` makes one")
    stop = StopSignals("gateway")
    stop.watch()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Gateway(settings).run(stop))
    except KeyFileError as error:
        refuse("gateway", f"TOLLGATE_API_KEYS: {error}")
    except IssuerError as error:
        refuse("gateway", f"TOLLGATE_ISSUER: {error}")
    except (PersonNeededError, KafkaError, CatalogueError, OSError) as error:
        refuse_because("gateway", error)
    raise SystemExit(0)

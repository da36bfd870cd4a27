"""`tollgate gateway`: one process, which serves until it is stopped or fails."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterable
from typing import NoReturn

import uvloop
from aiokafka.errors import KafkaError

from agents.views import layout
from backoffice.documents.issuer import IssuerError, load_issuer
from gateway import rights
from gateway.app import ENDPOINTS, build
from gateway.commands.service import Commands
from gateway.gate.gate import Gate
from gateway.http.endpoint import Endpoint
from gateway.http.key_file import KeyFileError, KeyRing
from gateway.http.server import Server, config_of, listen
from gateway.log.reader import LogReader
from gateway.log.writer import LogWriter
from gateway.metrics import Metrics
from gateway.parts import Parts
from gateway.portal.all_pages import SITE
from gateway.portal.site import Site
from gateway.settings import Settings
from gateway.streams.streams import Streams
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

REDIS_CONNECTIONS_MAX = 64
# Requests have 10 s of it; the rest is for what they have written, and for closing.
STOP_WITHIN_S = 14.0


class Gateway:
    """One process: its parts and its server. Raises what makes it refuse to start."""

    def __init__(self, settings: Settings, endpoints: Iterable[Endpoint], site: Site) -> None:
        assert settings.api_keys is not None
        self.settings, metrics = settings, Metrics()
        redis = connect(settings, connections_max=REDIS_CONNECTIONS_MAX, wait_s=TIMEOUT_S)
        keys = KeyRing(settings.api_keys, metrics.key_file_read)
        writer, reader = LogWriter(settings), LogReader(settings, simulation=settings.simulation)
        self.parts = Parts(
            settings=settings,
            keys=keys,
            metrics=metrics,
            redis=redis,
            writer=writer,
            reader=reader,
            commands=Commands(settings, redis, writer, reader, metrics.registry),
            gate=Gate(settings, writer, reader, redis, metrics.registry),
            streams=Streams(keys, reader, metrics.registry),
            plans=load_catalogue(settings.plans, settings.currencies),
            issuer=load_issuer(settings.issuer),
        )
        self._server = Server(config_of(settings, build(self.parts, endpoints, site)))

    @property
    def ready(self) -> bool:
        """Whether the reader is positioned. Redis and the worker are not needed, and a broker may go away."""
        parts = self.parts
        return not parts.stopping.is_set() and parts.reader.ready

    async def run(self, stop: StopSignals) -> None:
        """Serve until a signal."""
        settings, loop = self.settings, asyncio.get_running_loop()
        made = await make_topics(settings, needed(settings), rights.gateway(settings))
        listening = listen(settings.gateway_host, settings.gateway_port)
        health_port = health.serve(
            settings.gateway_health_host,
            settings.gateway_health_port,
            self.parts.metrics.registry,
            lambda: self.ready,
            loop,
        )
        async with self._working():
            stop.begin_with(lambda: loop.call_soon_threadsafe(self._stop), lambda: "calls under way")
            port = listening.getsockname()[1]
            logger.info("gateway starts", app_id=settings.app_id, topics_made=made, port=port, health_port=health_port)
            warn_if_unsigned(settings)
            await self._server.serve(sockets=[listening])
        logger.info("gateway ends")

    def _stop(self) -> None:
        self.parts.stopping.set()
        self.parts.streams.close()
        self._server.should_exit = True

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        """The work beside the requests."""
        parts = self.parts
        following = asyncio.create_task(parts.keys.follow())
        following.add_done_callback(_end_if_failed)
        await parts.writer.start()
        await parts.reader.start()
        try:
            yield
        finally:
            await parts.commands.close()
            await parts.gate.close()
            await parts.writer.close()
            await parts.reader.close()
            following.cancel()
            await parts.redis.aclose(close_connection_pool=True)


def needed(settings: Settings) -> dict[str, topics.Topic]:
    """The topics that the gateway reads and writes, by their names on the cluster."""
    names = {topics.INPUTS, *layout.TOPICS}
    return {settings.topic(topic.name): topic for topic in topics.CONTRACT if topic.name in names}


def _end_if_failed(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        fail("a part of the gateway failed", error)


def run(endpoints: Iterable[Endpoint] = ENDPOINTS, site: Site = SITE) -> NoReturn:
    """Serve `endpoints`, and `site` as the owner's page, until SIGTERM (exit status 0) or an error (non-zero)."""
    settings = checked_settings("gateway", Settings)
    if settings.api_keys is None:
        refuse("gateway", "TOLLGATE_API_KEYS is not set: name the file of keys; `tollgate gateway key` makes one")
    stop = StopSignals("gateway", STOP_WITHIN_S)
    stop.watch()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings, endpoints, site, stop))
        except (PersonNeededError, KafkaError, OSError) as error:
            refuse_because("gateway", error)
    sys.exit(0)


async def _serve(settings: Settings, endpoints: Iterable[Endpoint], site: Site, stop: StopSignals) -> None:
    await _made(settings, endpoints, site).run(stop)


def _made(settings: Settings, endpoints: Iterable[Endpoint], site: Site) -> Gateway:
    """The gateway, or a refusal that names the setting whose file is unusable. Needs a running event loop."""
    try:
        return Gateway(settings, endpoints, site)
    except KeyFileError as error:
        refuse("gateway", f"TOLLGATE_API_KEYS: {error}")
    except IssuerError as error:
        refuse("gateway", f"TOLLGATE_ISSUER: {error}")
    except CatalogueError as error:
        name = "CURRENCIES" if str(error).startswith(f"{settings.currencies}: ") else "PLANS"
        refuse("gateway", f"TOLLGATE_{name}: {error}")

"""`tollgate views`: one process with one app, which runs until it is stopped or fails."""

import asyncio
from typing import NoReturn

from aiokafka.errors import KafkaError

from agents.views import layout, rights
from agents.views.app import Views, build_app
from agents.views.settings import Settings
from agents.views.store import Store
from stream import log, topics
from stream.fail_stop import PersonNeededError
from stream.lane import pinned
from stream.ops import health
from stream.redis_connection import AwayError, connect
from stream.startup import checked_settings, make_topics, refuse_because
from stream.stopping import StopSignals
from stream.worker import Worker

logger = log.get("views")


def run() -> NoReturn:
    """Run until SIGTERM (exit status 0) or an error (non-zero)."""
    settings = checked_settings("views", Settings)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stop = StopSignals("views")
    stop.watch()
    try:
        store = Store(connect(settings))
        app = build_app(settings, store)
        pinned.check()
        loop.run_until_complete(_check_redis(store))
        made = loop.run_until_complete(make_topics(settings, needed(settings), rights.views(settings)))
        port = health.serve(
            settings.views_health_host,
            settings.views_health_port,
            app.metrics.registry,
            lambda: app.ready,
            loop,
        )
    except (PersonNeededError, KafkaError, OSError) as error:
        refuse_because("views", error)
    logger.info(
        "views start", app_id=settings.app_id, partitions=settings.partitions, topics_made=made, health_port=port
    )
    _serve(app, loop, stop)


def needed(settings: Settings) -> dict[str, topics.Topic]:
    """The topics that the views read, by their names on the cluster."""
    return {settings.topic(topic.name): topic for topic in topics.CONTRACT if topic.name in layout.TOPICS}


async def _check_redis(store: Store) -> None:
    """Raises PersonNeededError for a Redis that may evict keys, or refuses us. One that is away may come later."""
    try:
        await store.checked_run_id()
    except AwayError as error:
        logger.warning("Redis is away; waiting for it", error=str(error))


def _serve(app: Views, loop: asyncio.AbstractEventLoop, stop: StopSignals) -> NoReturn:
    config = log.logging_config(app.settings.log_level)
    worker = Worker(app, loop=loop, loglevel="info", logging_config=config, quiet=True)
    stop.begin_with(worker.begin_stop, lambda: "the broker or Redis")
    worker.run_until_stopped(lambda: logger.info("views end"))

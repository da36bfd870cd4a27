"""`python -m payments run`: one process, from its settings to its last commit."""

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from typing import NoReturn

from aiohttp import web
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from payments import topics
from payments.adapter import Adapter
from payments.fake import FakeProvider, FakeSettings
from payments.outcome import Provider
from payments.settings import Settings
from payments.stripe_provider import StripeProvider
from payments.webhook import build_endpoint
from stream import health, log
from stream.topics import TopicsError, ensure

logger = log.get("payments")

REFUSED = 78  # EX_CONFIG: starting again changes nothing until somebody changes something.
BROKER_WAIT_S = 30.0
# The SDK's own lines hold Stripe's messages, which may name a token.
SILENCED = ("stripe",)


def command() -> None:
    """Answer payment requests until SIGTERM. Exit status 78: not started, the last line says why; 70: ended itself."""
    log.configure("info")
    try:
        settings = Settings()
    except ValidationError as error:
        refuse("; ".join(f"TOLLGATE_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()))
    log.configure(settings.log_level)
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        asyncio.run(_run(settings))
    except (TopicsError, KafkaError, OSError) as error:
        refuse(str(error) or repr(error))
    logger.info("adapter ends")


def refuse(reason: str) -> NoReturn:
    """Say in one last line why the adapter does not start."""
    logger.critical("adapter refuses to start", reason=reason)
    raise SystemExit(REFUSED)


async def _run(settings: Settings) -> None:
    async with AsyncExitStack() as ending:
        provider = build_provider(settings)
        ending.push_async_callback(provider.close)
        made = await _make_topics(settings)
        adapter = Adapter(settings, provider)
        ports = {
            "health_port": health.serve(
                settings.payments_health_host,
                settings.payments_health_port,
                adapter.metrics.registry,
                lambda: adapter.ready,
            )
        }
        if settings.payments_provider == "stripe" and settings.webhook_secrets():
            ports["webhook_port"] = await _open_endpoint(settings, adapter, ending)
        logger.info(
            "adapter starts",
            app_id=settings.app_id,
            provider=settings.payments_provider,
            partitions=settings.partitions,
            topics_made=made,
            **ports,
        )
        if not settings.keys():
            logger.warning("answers are not signed: a worker that asks for signatures refuses them")
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await adapter.run(stopping)


def build_provider(settings: Settings) -> Provider:
    """The provider that was chosen; ends the process when none was, or its key is missing."""
    if settings.payments_provider == "fake":
        return FakeProvider(FakeSettings(seed=settings.payments_fake_seed), settings.payments_fake_speed_up)
    if settings.payments_provider != "stripe":
        refuse("TOLLGATE_PAYMENTS_PROVIDER: choose `stripe`, or `fake`, which moves no money")
    api_key = settings.payments_stripe_api_key.get_secret_value()
    if not api_key:
        refuse("TOLLGATE_PAYMENTS_STRIPE_API_KEY: missing")
    return StripeProvider(api_key, settings.payments_stripe_api_base, settings.payments_stripe_timeout_s)


async def _make_topics(settings: Settings) -> list[str]:
    """Make what is missing, once a broker answers: the adapter may well be started before it."""
    deadline = asyncio.get_running_loop().time() + BROKER_WAIT_S
    while True:
        try:
            return await ensure(settings, topics.needed(settings))
        except KafkaError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)


async def _open_endpoint(settings: Settings, adapter: Adapter, ending: AsyncExitStack) -> int:
    """Returns the port. Raises OSError when it is taken."""
    endpoint = build_endpoint(settings.webhook_secrets(), adapter.keep, adapter.metrics)
    runner = web.AppRunner(endpoint, access_log=None)
    await runner.setup()
    ending.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, settings.payments_webhook_host, settings.payments_webhook_port)
    await site.start()
    return int(runner.addresses[0][1])

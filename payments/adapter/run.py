"""`tollgate payments run`: one adapter process, from its settings to its last commit."""

import asyncio
import logging
from contextlib import AsyncExitStack

from aiohttp import web
from aiokafka.errors import KafkaError

from payments.adapter import topics
from payments.adapter.adapter import Adapter
from payments.adapter.rights import adapter as adapter_rights
from payments.adapter.webhook import build_endpoint
from payments.outcome import Provider
from payments.providers.fake import FakeProvider, FakeSettings
from payments.providers.stripe import StripeProvider
from payments.settings import Settings
from stream import log
from stream.fail_stop import PersonNeededError
from stream.ops import health
from stream.startup import checked_settings, make_topics, refuse_because, warn_if_unsigned
from stream.stopping import StopSignals

logger = log.get("payments")

# The SDK's own log lines contain Stripe's messages, which may name a token.
SILENCED = ("stripe",)


def run() -> None:
    """Execute payment requests until stopped.

    Settings come from the environment: `tollgate payments settings` lists them. Exit status: 0 stopped by SIGTERM; 75
    it passes (try again); 78 a person must change something; 70 a bug.
    """
    settings = checked_settings("adapter", Settings)
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    stop = StopSignals("adapter")
    stop.watch()
    try:
        asyncio.run(_run(settings, stop))
    except (PersonNeededError, KafkaError, OSError) as error:
        refuse_because("adapter", error)
    logger.info("adapter ends")


async def _run(settings: Settings, stop: StopSignals) -> None:
    async with AsyncExitStack() as ending:
        provider = build_provider(settings)
        ending.push_async_callback(provider.close)
        made = await make_topics(settings, topics.needed(settings), adapter_rights(settings))
        adapter = Adapter(settings, provider)
        ports = {
            "health_port": health.serve(
                settings.payments_health_host,
                settings.payments_health_port,
                adapter.metrics.registry,
                lambda: adapter.ready,
                asyncio.get_running_loop(),
            )
        }
        if isinstance(provider, StripeProvider) and settings.webhook_secrets():
            ports["webhook_port"] = await _open_endpoint(settings, adapter, provider, ending)
        logger.info(
            "adapter starts",
            app_id=settings.app_id,
            provider=settings.payments_provider,
            partitions=settings.partitions,
            topics_made=made,
            **ports,
        )
        warn_if_unsigned(settings)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.begin_with(lambda: loop.call_soon_threadsafe(stopping.set), adapter.waits_for)
        await adapter.run(stopping)


def build_provider(settings: Settings) -> Provider:
    """The configured provider. Raises PersonNeededError if none is set, or Stripe's key is missing."""
    if settings.payments_provider == "fake":
        fares = FakeSettings(seed=settings.payments_fake_seed)
        return FakeProvider(fares, settings.payments_fake_speed_up, settings.payments_fake_book)
    if settings.payments_provider != "stripe":
        raise PersonNeededError("TOLLGATE_PAYMENTS_PROVIDER: choose `stripe`, or `fake`, which moves no money")
    api_key = settings.payments_stripe_api_key.get_secret_value()
    if not api_key:
        raise PersonNeededError("TOLLGATE_PAYMENTS_STRIPE_API_KEY: missing: set Stripe's secret or restricted key")
    return StripeProvider(api_key, settings.payments_stripe_api_base, settings.payments_stripe_timeout_s)


async def _open_endpoint(settings: Settings, adapter: Adapter, provider: StripeProvider, ending: AsyncExitStack) -> int:
    """Start the webhook endpoint and return its port. Raises PortError if the port is in use."""
    secrets = settings.webhook_secrets()
    endpoint = build_endpoint(secrets, adapter.publish_note, provider.find_payment, adapter.metrics)
    runner = web.AppRunner(endpoint, access_log=None)
    await runner.setup()
    ending.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, settings.payments_webhook_host, settings.payments_webhook_port)
    try:
        await site.start()
    except OSError as error:
        raise health.port_error(settings.payments_webhook_host, settings.payments_webhook_port, error) from error
    return int(runner.addresses[0][1])

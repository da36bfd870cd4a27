"""`tollgate notifier`: one process, which runs until it is stopped or fails."""

import asyncio
import logging
from typing import NoReturn

from aiokafka.errors import KafkaError

from agents.notifier.mail.reports import Reports
from agents.notifier.mail.target import MailTarget
from agents.notifier.metrics import Metrics
from agents.notifier.notifier import Notifier
from agents.notifier.rights import notifier as rights
from agents.notifier.settings import Settings
from agents.notifier.tables import Brand, Email
from agents.notifier.target import Target
from agents.notifier.targets import MakeMails
from agents.notifier.topics import needed
from backoffice.documents.issuer import IssuerError, load_issuer
from schemas.currencies import CatalogueError
from schemas.plan import load_catalogue
from stream import log
from stream.fail_stop import PersonNeededError, end_now
from stream.ops import health
from stream.startup import checked_settings, make_topics, refuse_because
from stream.stopping import StopSignals

logger = log.get("notifier")

# Apprise logs addresses of channels, which hold their tokens.
SILENCED = ("apprise",)


def run() -> NoReturn:
    """Run until SIGTERM (exit status 0) or an error (non-zero)."""
    settings = checked_settings("notifier", Settings)
    for name in SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    stop = StopSignals("notifier")
    stop.watch()
    try:
        asyncio.run(_run(settings, stop))
    except (PersonNeededError, CatalogueError, KafkaError, OSError) as error:
        refuse_because("notifier", error)
    logger.info("notifier ends")
    # A look-up of a name that hangs in a thread must not hold up the end.
    end_now(0)


async def _run(settings: Settings, stop: StopSignals) -> None:
    if settings.notify is None:
        raise PersonNeededError("TOLLGATE_NOTIFY is not set: set it to the file (TOML) of the targets")
    metrics = Metrics()
    notifier = Notifier(settings, metrics, _mails(settings, metrics))
    made = await make_topics(settings, needed(settings), rights(settings))
    port = health.serve(
        settings.notifier_health_host,
        settings.notifier_health_port,
        notifier.metrics.registry,
        lambda: notifier.ready,
        asyncio.get_running_loop(),
    )
    logger.info(
        "notifier starts", app_id=settings.app_id, partitions=settings.partitions, topics_made=made, health_port=port
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    stop.begin_with(lambda: loop.call_soon_threadsafe(stopping.set), notifier.waits_for)
    await notifier.run(stopping)


def _mails(settings: Settings, metrics: Metrics) -> MakeMails:
    """Makes the target of the mails from its tables. What it reads of files is read again with the file of targets."""
    reports, catalogue = Reports(), load_catalogue(settings.plans, settings.currencies)

    def make(email: Email, brand: Brand) -> Target:
        try:
            issuer = load_issuer(settings.issuer)
        except IssuerError as error:
            raise PersonNeededError(f"TOLLGATE_ISSUER: {error}") from error
        return MailTarget(
            email,
            brand,
            issuer=issuer,
            catalogue=catalogue,
            templates=settings.notify_templates,
            metrics=metrics.mails,
            reports=reports,
        )

    return make

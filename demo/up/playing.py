"""Plays the month of the demo accounts into an empty Kafka: a worker decides it before anything else runs."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from demo.children import STOP_DEADLINE_S, Child, ChildDiedError, is_ready, tail
from demo.provider import Provider, ProviderSettings
from demo.sender import play
from demo.stack.parts import address
from demo.up.history import begin_ms, history
from demo.up.month import month
from demo.wire import Timed
from payments.providers.fake import FakeSettings
from schemas.plan import load_catalogue
from stream import topics
from stream.offsets import OffsetReader
from stream.settings import PREFIX, Settings
from stream.startup import make_topics

SEED = 1
DEADLINE_S = 180
PROBE_EVERY_S = 0.2
# As fast as the broker takes it.
AT_ONCE = 1e12


def settings_of(given: Mapping[str, str]) -> Settings:
    """The worker's settings among variables of the environment."""
    names = Settings.model_fields
    return Settings.model_validate({name: given[key] for name in names if (key := f"{PREFIX}{name.upper()}") in given})


def play_month(given: Mapping[str, str], folder: Path, report: Callable[[str], None]) -> None:
    """Write the month that ends now, and wait until a worker without a clock has decided it.

    `given` are the settings, as variables of the environment. Raises ChildDiedError and KafkaError.
    """
    settings = settings_of(given)
    now_ms = time.time_ns() // 1_000_000
    key = settings.keys()[0]
    provider = Provider(ProviderSettings(FakeSettings(int(given.get("TOLLGATE_PAYMENTS_FAKE_SEED") or SEED)), key))
    catalogue = load_catalogue(settings.plans, settings.currencies)
    records = month(history(now_ms, SEED), begin_ms(now_ms), now_ms, catalogue, provider, settings.partitions)
    variables = {**given, "TOLLGATE_CLOCK": "none"}
    worker = Child.python("worker-of-the-month", ["tollgate", "worker"], folder, variables, lasting=True)
    try:
        asyncio.run(_play(settings, worker, list(records), address(given, "TOLLGATE_HEALTH"), report))
    finally:
        worker.stop(STOP_DEADLINE_S)


async def _play(
    settings: Settings,
    worker: Child,
    records: list[Timed],
    health: tuple[str, int],
    report: Callable[[str], None],
) -> None:
    report(f"playing a month of calls: {len(records):,} inputs …")
    await make_topics(settings, topics.declared(settings))
    until_s = time.monotonic() + DEADLINE_S
    while not is_ready(*health):
        await _wait(worker, until_s)
    await play(settings, records, AT_ONCE)
    reader = await OffsetReader.open(settings, settings.topic(topics.INPUTS))
    try:
        while any(one.committed < one.end for one in (await reader.read()).values()):
            await _wait(worker, until_s)
    finally:
        await reader.close()
    report("the month is played")


async def _wait(worker: Child, until_s: float) -> None:
    worker.check()
    if time.monotonic() > until_s:
        raise ChildDiedError(f"the month is not played after {DEADLINE_S} s:\n{tail(worker.log)}")
    await asyncio.sleep(PROBE_EVERY_S)

"""Fills the input topic before a measurement, and observes the commits of a worker on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from benchmarks.processes import DEADLINE_S, Child, StuckError, poll_until_deadline
from benchmarks.traffic import Keyed, by_partition
from stream import topics
from stream.settings import Settings

BATCH_BYTES = 512 * 1024


class Sample(NamedTuple):
    """The committed `offsets` of a group, summed over the partitions, at `at_s` (monotonic), and the processor time
    `spent_s` of its process until then.
    """

    at_s: float
    offsets: int
    spent_s: float


async def fill(settings: Settings, records: Iterable[Keyed]) -> list[int]:
    """Write records to the input topic, in order; create missing topics. Returns the end of each partition."""
    await topics.ensure(settings)
    topic = settings.topic(topics.INPUTS)
    producer = AIOKafkaProducer(
        **settings.connection.options, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    async with producer:
        split = by_partition(list(records), settings.partitions)
        await asyncio.gather(*(_fill(producer, topic, partition, some) for partition, some in enumerate(split)))
    return await ends(settings)


async def recreate_fact_topics(settings: Settings) -> None:
    """Delete and create the topics of facts: a worker refuses topics with facts of another app id."""
    facts = set(topics.fact_topics(settings))
    async with _admin(settings) as admin:
        await admin.delete_topics(sorted(facts & set(await admin.list_topics())))
        async for _ in poll_until_deadline("deletion of topics"):
            if not facts & set(await admin.list_topics()):
                break
    await topics.ensure(settings)


async def _fill(producer: AIOKafkaProducer, topic: str, partition: int, records: list[Keyed]) -> None:
    now_ms = time.time_ns() // 1_000_000
    batch = producer.create_batch()
    for key, value in records:
        if batch.append(key=key, value=value, timestamp=now_ms) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=now_ms)
    if batch.record_count():
        await (await producer.send_batch(batch, topic, partition=partition))


async def ends(settings: Settings) -> list[int]:
    """The end offset of each input partition."""
    places = [TopicPartition(settings.topic(topics.INPUTS), number) for number in range(settings.partitions)]
    async with AIOKafkaConsumer(**settings.connection.options) as consumer:
        found = await consumer.end_offsets(places)
    return [found[place] for place in places]


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.connection.options)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def watch(settings: Settings, child: Child, until: int, window_s: float = DEADLINE_S) -> list[Sample]:
    """A sample at each commit of the group of `settings` on the input topic, until `until` offsets are committed or
    `window_s` after the first commit. Raises ChildDiedError or StuckError.
    """
    topic = settings.topic(topics.INPUTS)
    samples: list[Sample] = []
    async with _admin(settings) as admin:
        async for _ in poll_until_deadline(f"{until} offsets committed by {settings.app_id}"):
            child.check()
            try:
                found = await admin.list_consumer_group_offsets(settings.app_id)
            except GroupCoordinatorNotAvailableError:  # The first group of a new broker: its topic is being created.
                continue
            total = sum(at.offset for place, at in found.items() if place.topic == topic and at.offset > 0)
            if total and (not samples or total > samples[-1].offsets):
                samples.append(Sample(time.monotonic(), total, child.processor_s()))
            if total >= until or (samples and time.monotonic() - samples[0].at_s > window_s):
                break
    return samples


class Rate(NamedTuple):
    """Events per second and processor time per event, between the first commit of the steady state and the last."""

    per_second: float
    spent_us: float


def rate(samples: list[Sample], begin: int) -> Rate:
    """The rate from the first commit at or after offset `begin`. Raises StuckError when there are too few commits."""
    steady = [sample for sample in samples if sample.offsets >= begin]
    if len(steady) < 2:
        raise StuckError(f"only {len(steady)} commits seen: use more events")
    first, last = steady[0], steady[-1]
    events = last.offsets - first.offsets
    return Rate(events / (last.at_s - first.at_s), (last.spent_s - first.spent_s) / events * 1e6)

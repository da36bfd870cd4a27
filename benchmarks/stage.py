"""What every measurement stands on: topics filled beforehand, workers as children, and what they commit."""

import asyncio
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from benchmarks.child import Child
from benchmarks.traffic import Keyed, by_partition
from stream import topics
from stream.settings import Settings

LOOPBACK = "127.0.0.1"
BATCH_BYTES = 512 * 1024
POLL_S = 0.02
DEADLINE_S = 600.0  # A guard against standing still, not a limit: shared machines are slow at times.


class StuckError(RuntimeError):
    """What was waited for did not happen in time."""


class Sample(NamedTuple):
    """`offsets` is the sum over the partitions of what a group had committed at `at_s` (monotonic).

    `spent_s` is the processor time its process had used until then.
    """

    at_s: float
    offsets: int
    spent_s: float


class Worker:
    """`python -m stream worker` with default settings, as a child."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self._port = free_port()
        self.child = Child("stream", folder, self._environment(), "worker")

    async def wait_ready(self) -> None:
        """Return when the table is restored and inputs flow. Raises ChildDiedError or StuckError."""
        async for _ in patiently("a ready worker"):
            self.child.check()
            if self._answer("/readyz") is not None:
                return

    def metrics(self) -> str:
        """The worker's metrics, in Prometheus' text."""
        text = self._answer("/metrics")
        assert text is not None, "the worker does not answer on /metrics"
        return text

    def restored(self) -> tuple[int, float]:
        """Rows read from the changelog and the seconds from its first byte to a usable table, from the worker's log."""
        last = json.loads([line for line in self.child.lines() if '"event": "restored"' in line][-1])
        return last["rows"], last["seconds"]

    def stop(self) -> None:
        self.child.stop()

    def _environment(self) -> Mapping[str, str]:
        return environment(self.settings) | {"TOLLGATE_HEALTH_PORT": str(self._port)}

    def _answer(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):  # Not listening yet, or not ready yet.
            return None


def environment(settings: Settings) -> dict[str, str]:
    """What a child is told: where the broker is, under which names to work, how large its batches are; the rest stays
    as an operator has it.
    """
    said = {"bootstrap_servers", "app_id", "topic_prefix", "partitions", "batch_records_max"}
    return {f"TOLLGATE_{name.upper()}": str(getattr(settings, name)) for name in sorted(said)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


async def patiently(what: str, deadline_s: float = DEADLINE_S, every_s: float = POLL_S) -> AsyncIterator[float]:
    """Yield the time (monotonic) again and again; StuckError when the caller has not left by the deadline."""
    began_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < deadline_s:
        yield now_s
        await asyncio.sleep(every_s)
    raise StuckError(f"not within {deadline_s:.0f} s: {what}")


async def fill(settings: Settings, records: Iterable[Keyed]) -> list[int]:
    """Put records on the input topic, in order; returns the end of each partition. Makes the topics when missing."""
    await topics.ensure(settings)
    topic = settings.topic(topics.INPUTS)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    async with producer:
        split = by_partition(list(records), settings.partitions)
        await asyncio.gather(*(_fill(producer, topic, partition, some) for partition, some in enumerate(split)))
    return await ends(settings)


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
    async with AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers) as consumer:
        found = await consumer.end_offsets(places)
    return [found[place] for place in places]


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def watch(settings: Settings, child: Child, until: int, window_s: float = DEADLINE_S) -> list[Sample]:
    """Every change of what the group of `settings` has committed on the input topic, until it is `until` offsets.

    The end may also be `window_s` after the first commit. Raises ChildDiedError or StuckError.
    """
    topic = settings.topic(topics.INPUTS)
    samples: list[Sample] = []
    async with _admin(settings) as admin:
        async for _ in patiently(f"{until} offsets committed by {settings.app_id}"):
            child.check()
            try:
                found = await admin.list_consumer_group_offsets(settings.app_id)
            except GroupCoordinatorNotAvailableError:  # The first group of a new broker: its topic is being made.
                continue
            total = sum(at.offset for place, at in found.items() if place.topic == topic and at.offset > 0)
            if total and (not samples or total > samples[-1].offsets):
                samples.append(Sample(time.monotonic(), total, child.processor_s()))
            if total >= until or (samples and time.monotonic() - samples[0].at_s > window_s):
                break
    return samples


class Rate(NamedTuple):
    """Between the first commit of the steady state and the last one. `spent_us`: processor time for one event."""

    per_second: float
    spent_us: float


def rate(samples: list[Sample], begin: int) -> Rate:
    """From the first commit at or behind offset `begin`. Raises StuckError when there are too few."""
    steady = [sample for sample in samples if sample.offsets >= begin]
    if len(steady) < 2:
        raise StuckError(f"only {len(steady)} commits seen: use more events")
    first, last = steady[0], steady[-1]
    events = last.offsets - first.offsets
    return Rate(events / (last.at_s - first.at_s), (last.spent_s - first.spent_s) / events * 1e6)

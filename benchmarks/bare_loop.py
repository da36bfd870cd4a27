"""`python -m benchmarks.bare_loop`: writes the records of a worker without rules and without Faust.

A child process of the throughput measurement. Before the measurement it reads the whole log, runs the rules on it in
batches as the worker does, and keeps the resulting records. Then it reads the log again and writes exactly those
records, one transaction per batch and partition with its end offset: the minimum that any worker must do. It repeats
this for every signal, each time as another consumer group (`settings_of_pass`): SIGUSR1 commits with aiokafka's own
producer, SIGUSR2 with the worker's producer, so that a slow one of the two is noticed.
"""

import asyncio
import gc
import signal
from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from agents.wallet.agent import Wallets
from benchmarks.rules import apply
from schemas.batch import BatchResult
from schemas.plan import load_catalogue
from stream import topics
from stream.lane.transaction import Entry
from stream.settings import Settings
from stream.topology import build_app

ROWS = ""
PARTITION_BYTES = 1 << 20
PRODUCER_BATCH_BYTES = 900_000
RETRY_BACKOFF_MS = 5
PREPARED = "prepared"  # Printed when the process is ready for the first signal.


class Prepared(NamedTuple):
    """The records that one batch writes, by topic (ROWS for the changelog), and the offset after its inputs."""

    end: int
    entries: Mapping[str, list[Entry]]


class Committer(Protocol):
    """Commits the transactions of one partition."""

    async def commit(self, entries: Mapping[str, list[Entry]], end_offset: int) -> object: ...
    async def close(self) -> None: ...


class AiokafkaCommitter:
    """Transactions by aiokafka's own producer, with whole record batches."""

    def __init__(self, producer: AIOKafkaProducer, place: TopicPartition, group: str) -> None:
        self._producer, self._place, self._group = producer, place, group

    async def commit(self, entries: Mapping[str, list[Entry]], end_offset: int) -> None:
        async with self._producer.transaction():
            sent = []
            for topic, some in entries.items():
                batch = self._producer.create_batch()
                for key, value, headers in some:
                    if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                        sent.append(await self._send(batch, topic))
                        batch = self._producer.create_batch()
                        batch.append(key=key, value=value, timestamp=None, headers=headers)
                sent.append(await self._send(batch, topic))
            await asyncio.gather(*sent)
            await self._producer.send_offsets_to_transaction({self._place: end_offset}, self._group)

    async def close(self) -> None:
        await self._producer.stop()

    async def _send(self, batch: Any, topic: str) -> Any:
        return await self._producer.send_batch(batch, topic, partition=self._place.partition)


async def with_aiokafka(settings: Settings, place: TopicPartition) -> Committer:
    """One transactional producer for the partition."""
    producer = AIOKafkaProducer(
        **settings.connection.options,
        transactional_id=f"{settings.app_id}-{place.partition}",
        max_batch_size=PRODUCER_BATCH_BYTES,
        retry_backoff_ms=RETRY_BACKOFF_MS,
    )
    await producer.start()
    return AiokafkaCommitter(producer, place, settings.app_id)


async def with_writer(settings: Settings, place: TopicPartition) -> Committer:
    """The worker's own producer for the partition."""
    writer = await build_app(settings).new_writer(place.partition)
    await writer.fence()
    return writer


COMMITTERS = {signal.SIGUSR1: with_aiokafka, signal.SIGUSR2: with_writer}


def entries_of(result: BatchResult) -> dict[str, list[Entry]]:
    """The records that the transaction of a batch writes."""
    entries: dict[str, list[Entry]] = {}
    if result.rows:
        entries[ROWS] = [(key.encode(), value, []) for key, value in result.rows]
    for output in result.outputs:
        headers = [(name, text or b"") for name, text in output.headers]
        entries.setdefault(output.topic, []).append((output.key, output.value, headers))
    return entries


def settings_of_pass(settings: Settings, number: int) -> Settings:
    """The settings of the `number`-th pass: another group, other transactional ids, another changelog."""
    return settings.model_copy(update={"app_id": f"{settings.app_id}-{number}"})


async def prepare(settings: Settings, consumer: AIOKafkaConsumer, place: TopicPartition) -> list[Prepared]:
    """Run the rules on a partition's log in full batches."""
    end = (await consumer.end_offsets([place]))[place]
    log: list[ConsumerRecord] = []
    while await consumer.position(place) < end:
        log += (await consumer.getmany(place, timeout_ms=200)).get(place, [])
    wallets, rows = Wallets(load_catalogue(None), partitions=settings.partitions), dict[str, bytes]()
    wallets.open(place.partition, rows)
    prepared = []
    for begin in range(0, len(log), settings.batch_records_max):
        records = log[begin : begin + settings.batch_records_max]
        result = wallets.decide(place.partition, records)
        apply(rows, result.rows)
        prepared.append(Prepared(records[-1].offset + 1, entries_of(result)))
    return prepared


async def play(
    settings: Settings, consumer: AIOKafkaConsumer, place: TopicPartition, committer: Committer, batches: list[Prepared]
) -> None:
    """Read the inputs of each batch, then write the records prepared for it."""
    next_offset = await consumer.position(place)
    for batch in batches:
        while next_offset < batch.end:
            fetched = await consumer.getmany(place, timeout_ms=200, max_records=batch.end - next_offset)
            for records in fetched.values():
                next_offset = records[-1].offset + 1
        named = {_name(settings, topic): entries for topic, entries in batch.entries.items()}
        await committer.commit(named, batch.end)


def _name(settings: Settings, topic: str) -> str:
    return topics.changelog(settings) if topic == ROWS else settings.topic(topic)


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **settings.connection.options,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=PARTITION_BYTES,
    )


async def main() -> None:
    settings = Settings()
    places = [TopicPartition(settings.topic(topics.INPUTS), number) for number in range(settings.partitions)]
    async with _consumer(settings) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        batches = [await prepare(settings, consumer, place) for place in places]
    # The prepared records are a million objects; garbage collections that traverse them would slow the loop.
    gc.collect()
    gc.freeze()
    requested: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for how in COMMITTERS:
        asyncio.get_running_loop().add_signal_handler(how, requested.put_nowait, how)
    print(PREPARED, flush=True)
    for number in count():
        await run_pass(settings_of_pass(settings, number), await requested.get(), places, batches)


async def run_pass(
    settings: Settings, how: signal.Signals, places: list[TopicPartition], batches: list[list[Prepared]]
) -> None:
    """Process the whole log, all partitions concurrently, as in a worker."""
    await topics.ensure(settings)
    committers = [await COMMITTERS[how](settings, place) for place in places]
    async with _consumer(settings) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        await asyncio.gather(
            *(play(settings, consumer, *three) for three in zip(places, committers, batches, strict=True))
        )
    for committer in committers:
        await committer.close()


if __name__ == "__main__":
    asyncio.run(main())

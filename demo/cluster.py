"""Reads a cluster as an outside consumer: committed records between two sets of offsets, and end offsets."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.partitioning import partition_of
from stream.settings import Settings

# The topics of an account's facts, in the order in which they are explained. Snapshots add no information.
FACTS = ("call-decisions", "charges", "alerts", "refills", "payment-requests", "ledger-entries", "invoices")
POLL_RECORDS_MAX = 5_000
POLL_MS = 200
FETCH_BYTES_MAX = 4 * 1024 * 1024

Offsets = Mapping[TopicPartition, int]


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of committed records that belongs to no group; partitions are assigned by hand."""
    consumer = AIOKafkaConsumer(
        **settings.connection.options,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def administering(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.connection.options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def seek(consumer: AIOKafkaConsumer, begin: Offsets) -> None:
    """Read exactly these partitions, from these offsets."""
    consumer.assign(list(begin))
    for where, offset in begin.items():
        consumer.seek(where, offset)


def header(record: ConsumerRecord, name: str) -> str:
    """A header's text. Raises KeyError when it is missing."""
    value: bytes = dict(record.headers)[name]
    return value.decode()


async def end_offsets(consumer: AIOKafkaConsumer, settings: Settings, *topics: str) -> dict[TopicPartition, int]:
    """The current end of each partition of these topics of the contract, as the consumer's isolation level sees it."""
    names = [settings.topic(topic) for topic in topics]
    every = [TopicPartition(name, partition) for name in names for partition in range(settings.partitions)]
    return dict(await consumer.end_offsets(every))


async def between(consumer: AIOKafkaConsumer, begin: Offsets, end: Offsets) -> AsyncIterator[ConsumerRecord]:
    """The committed records from `begin` up to `end`, in order within each partition."""
    unread = {where for where, offset in end.items() if offset > begin[where]}
    seek(consumer, {where: begin[where] for where in unread})
    while unread:
        batches = await consumer.getmany(*unread, timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
        for where, batch in batches.items():
            for record in batch:
                if record.offset < end[where]:
                    yield record
        # The position also passes transaction markers, which come last in a partition and are not records.
        unread -= {where for where in unread if await consumer.position(where) >= end[where]}


async def facts_of(settings: Settings, account_id: str, begin: Offsets, end: Offsets) -> list[dict[str, object]]:
    """Every fact about one account, without snapshots, read from the account's partition only."""
    key = account_id.encode()
    owner = partition_of(key, settings.partitions)
    topics = {settings.topic(name) for name in FACTS}
    wanted = {where: offset for where, offset in end.items() if where.topic in topics and where.partition == owner}
    async with reading(settings) as consumer:
        return [orjson.loads(record.value) async for record in between(consumer, begin, wanted) if record.key == key]


async def delete_topics(settings: Settings) -> None:
    """Delete the topics that a run created on an existing cluster: those with its prefix, and nothing else."""
    assert settings.topic_prefix, "without a prefix this would delete topics of others"
    async with administering(settings) as admin:
        ours = [name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)]
        await admin.delete_topics(ours)

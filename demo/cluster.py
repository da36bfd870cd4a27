"""Reading a cluster from outside: committed records between two sets of offsets, and how far they go."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.partitioning import partition_of
from stream.settings import Settings

# The facts about an account, in the order in which they are explained; its snapshots say nothing they do not.
FACTS = ("call-decisions", "charges", "alerts", "refills", "payment-requests", "ledger-entries", "invoices")
POLL_RECORDS_MAX = 5_000
POLL_MS = 200
FETCH_BYTES_MAX = 4 * 1024 * 1024

Offsets = Mapping[TopicPartition, int]


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of committed records that belongs to no group; partitions are assigned by hand."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
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
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


def seek(consumer: AIOKafkaConsumer, begin: Offsets) -> None:
    """Read exactly these partitions, from these offsets on."""
    consumer.assign(list(begin))
    for where, offset in begin.items():
        consumer.seek(where, offset)


def header(record: ConsumerRecord, name: str) -> str:
    """A header's text. Raises KeyError when it is missing."""
    value: bytes = dict(record.headers)[name]
    return value.decode()


async def end_offsets(consumer: AIOKafkaConsumer, settings: Settings, *topics: str) -> dict[TopicPartition, int]:
    """Where each partition of these topics of the contract ends now, open transactions left out."""
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
        # The position passes transaction markers, which are the last thing in a partition and no records.
        unread -= {where for where in unread if await consumer.position(where) >= end[where]}


async def facts_of(settings: Settings, account_id: str, begin: Offsets, end: Offsets) -> list[dict[str, object]]:
    """Every fact about one account, from the one partition that owns it; snapshots left out."""
    key = account_id.encode()
    owner = partition_of(key, settings.partitions)
    topics = {settings.topic(name) for name in FACTS}
    wanted = {where: offset for where, offset in end.items() if where.topic in topics and where.partition == owner}
    async with reading(settings) as consumer:
        return [orjson.loads(record.value) async for record in between(consumer, begin, wanted) if record.key == key]


async def delete_topics(settings: Settings) -> None:
    """Remove what a run made for itself on somebody else's cluster: every topic with its prefix and nothing else."""
    assert settings.topic_prefix, "without a prefix these would be somebody else's topics"
    async with administering(settings) as admin:
        ours = [name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)]
        await admin.delete_topics(ours)

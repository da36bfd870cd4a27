"""The gateway's writer on a real broker."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from gateway.log.writer import LogWriter
from schemas.partitioning import partition_of
from stream import topics
from stream.settings import Settings
from tests.gateway.log.stage import PARTITIONS


async def read_inputs(settings: Settings) -> dict[int, list[Any]]:
    places = [TopicPartition(settings.topic(topics.INPUTS), partition) for partition in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest") as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[int, list[Any]] = {place.partition: [] for place in places}
        while any(len(found[place.partition]) < end for place, end in ends.items()):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                found[place.partition] += records
        return found


async def test_inputs_are_where_their_addresses_say_in_the_order_of_the_calls(settings: Settings) -> None:
    writer = LogWriter(settings)
    await writer.start()
    accounts = [f"acct-{number % 7}" for number in range(3_000)]
    # Larger than several batches, so that writes wait for room in the producer.
    values = [b"%05d" % number + bytes(500) for number in range(3_000)]
    writes = [writer.write(*one, [("signature", b"v1")]) for one in zip(accounts, values, strict=True)]
    addresses = await asyncio.gather(*writes)
    await writer.close()
    found = await read_inputs(settings)
    for account, value, (partition, offset) in zip(accounts, values, addresses, strict=True):
        record = found[partition][offset]
        assert (record.key, record.value, record.headers) == (account.encode(), value, (("signature", b"v1"),))
        assert partition == partition_of(account.encode(), PARTITIONS)
    for account in set(accounts):
        own = [address for name, address in zip(accounts, addresses, strict=True) if name == account]
        assert own == sorted(own)


async def test_a_refused_input_does_not_stop_the_next_ones(settings: Settings) -> None:
    """Once refused, aiokafka's idempotent producer would fail for ever."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    small = {"max.message.bytes": "2000", "message.timestamp.type": "LogAppendTime"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topic(topics.INPUTS), small)])
    await admin.close()
    writer = LogWriter(settings)
    await writer.start()
    async with asyncio.timeout(30):
        while True:
            try:
                await writer.write("acct-1", bytes(5_000))
            except KafkaError:
                break
    refused_at = (await writer.write("acct-1", b"small")).offset
    assert (await writer.write("acct-1", b"small")).offset == refused_at + 1
    await writer.close()

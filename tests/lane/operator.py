"""Actions that a person may take on Kafka with its own tools, with or without a running worker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import PolicyViolationError
from aiokafka.protocol.admin import DeleteGroupsRequest

GONE_WITHIN_S = 30
APPLIED_WITHIN_S = 30


def set_group(bootstrap: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Commit other offsets for a group that has no members."""

    async def commit() -> None:
        places = {TopicPartition(topic, number): offset for number, offset in offsets.items()}
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="none"
        )
        async with consumer:
            consumer.assign(list(places))
            consumer.pause(*places)
            await consumer.commit(places)

    asyncio.run(commit())


def configure(bootstrap: str, topic: str, **config: str) -> None:
    """Give a topic these settings, `_` for `.`, and the broker's own for all others."""
    values = {name.replace("_", "."): value for name, value in config.items()}
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, values)
    _administer(bootstrap, lambda admin: admin.alter_configs([resource]))


def delete_before(bootstrap: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete the records of these partitions below these offsets, as retention does. The broker refuses it for a topic
    that is compacted, and for a moment after the topic is no longer compacted.
    """
    places = {TopicPartition(topic, number): RecordsToDelete(before_offset=end) for number, end in offsets.items()}

    async def delete(admin: Any) -> None:
        async with asyncio.timeout(APPLIED_WITHIN_S):
            while True:
                with suppress(PolicyViolationError):
                    await admin.delete_records(places)
                    return
                await asyncio.sleep(0.1)

    _administer(bootstrap, delete)


def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic, and wait until the broker no longer lists it."""

    async def delete(admin: Any) -> None:
        await admin.delete_topics([topic])
        async with asyncio.timeout(GONE_WITHIN_S):
            while topic in await admin.list_topics():  # noqa: ASYNC110 the broker sends no event
                await asyncio.sleep(0.1)

    _administer(bootstrap, delete)


def members(bootstrap: str, group: str) -> int:
    """How many members the group has; one that was killed counts until its session is over."""
    found: list[int] = []

    async def describe(admin: Any) -> None:
        [answer] = await admin.describe_consumer_groups([group])
        found.append(len(answer.groups[0][5]))

    _administer(bootstrap, describe)
    return found[0]


def _administer(bootstrap: str, work: Callable[[Any], Awaitable[object]]) -> None:
    async def run() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            await work(admin)
        finally:
            await admin.close()

    asyncio.run(run())


def delete_group(bootstrap: str, group: str) -> None:
    """Delete a group that has no members, with all its offsets."""

    async def delete(admin: Any) -> None:
        coordinator = await admin.find_coordinator(group)
        response = await admin._send_request(DeleteGroupsRequest([group]), coordinator)
        assert [code for _, code in response.results] == [0]

    _administer(bootstrap, delete)

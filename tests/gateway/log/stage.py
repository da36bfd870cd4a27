"""A reader, and a transactional producer in the engine's place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from gateway.log.reader import LogReader
from schemas.partitioning import partition_of
from stream.settings import Settings

PARTITIONS = 2
DEADLINE_S = 60.0
ONE, OTHER = "acct-1", "acct-3"


async def until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 what is waited for is outside this process
            await asyncio.sleep(0.02)
    assert condition(), what


@asynccontextmanager
async def reading(settings: Settings, *, simulation: bool = False) -> AsyncIterator[LogReader]:
    reader = LogReader(settings, simulation=simulation)
    await reader.start()
    await until(lambda: reader.ready, "a reader that is positioned")
    try:
        yield reader
    finally:
        await reader.close()


@asynccontextmanager
async def engine(settings: Settings, name: str = "engine") -> AsyncIterator[Any]:
    """A transactional producer in the engine's place."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, transactional_id=f"{settings.app_id}-{name}"
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def publish(producer: Any, settings: Settings, topic: str, account: str, value: bytes, **headers: str) -> None:
    key = account.encode()
    given = [(name.replace("_", "."), text.encode()) for name, text in headers.items()]
    await producer.send(settings.topic(topic), value, key, partition_of(key, PARTITIONS), headers=given)


async def pass_ends(reader: LogReader, account: str) -> None:
    partition = partition_of(account.encode(), PARTITIONS)
    async with asyncio.timeout(DEADLINE_S):
        await reader.passed(partition, await reader.ends(partition))

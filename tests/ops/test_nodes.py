"""A client that connected while the cluster named no broker, as for a moment after a broker stood still."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import GroupCoordinatorNotAvailableError, MetadataEmptyBrokerList

from stream.fail_stop import Exit
from stream.failures import classify
from stream.nodes import any_node, coordinator_of


@asynccontextmanager
async def client_without_nodes(kafka: str, *, keeps_its_connection: bool) -> AsyncIterator[AIOKafkaClient]:
    """The library keeps the connection over which no broker was named, and asks over it again."""
    client = AIOKafkaClient(bootstrap_servers=kafka)
    await client.bootstrap()
    try:
        if keeps_its_connection:
            connection = await client._get_conn(await any_node(client))
            client._conns = {("bootstrap", ConnectionGroup.DEFAULT): connection}
        client.cluster = ClusterMetadata(metadata_max_age_ms=300_000)
        assert client.get_random_node() is None
        yield client
    finally:
        await client.close()


async def a_group(client: AIOKafkaClient) -> int:
    """A new broker makes the topic of all groups first."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await coordinator_of(client, CoordinationType.GROUP, "some-group")
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(0.1)


@pytest.mark.asyncio
@pytest.mark.parametrize("ask", [any_node, a_group])
async def test_a_node_is_found_once_the_cluster_names_one(
    kafka: str, ask: Callable[[AIOKafkaClient], Awaitable[int]]
) -> None:
    async with client_without_nodes(kafka, keeps_its_connection=True) as client:
        assert await ask(client) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("ask", [any_node, a_group])
async def test_until_then_it_is_an_error_that_passes(
    kafka: str, ask: Callable[[AIOKafkaClient], Awaitable[int]]
) -> None:
    async with client_without_nodes(kafka, keeps_its_connection=False) as client:
        with pytest.raises(MetadataEmptyBrokerList) as raised:
            await ask(client)
        assert classify(raised.value).status is Exit.PASSING


@pytest.mark.asyncio
async def test_what_the_library_says_of_it_passes_too(kafka: str) -> None:
    async with client_without_nodes(kafka, keeps_its_connection=False) as client:
        with pytest.raises(AssertionError) as raised:
            await client.coordinator_lookup(CoordinationType.GROUP, "some-group")
        assert classify(raised.value).status is Exit.PASSING

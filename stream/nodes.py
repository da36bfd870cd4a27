"""Which broker to ask.

A broker that stood still for some seconds is not on its controller's list for a moment. A client that connects then
knows no node at all, which its library takes for a bug of the caller. Here it is an error that passes.
"""

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import MetadataEmptyBrokerList


async def any_node(client: AIOKafkaClient) -> int:
    """Any broker that the client knows. The client has connected. Raises KafkaError."""
    if client.get_random_node() is None:
        await client.force_metadata_update()
    node: int | None = client.get_random_node()
    if node is None:
        raise MetadataEmptyBrokerList("the cluster names no broker yet")
    return node


async def coordinator_of(client: AIOKafkaClient, kind: CoordinationType, key: str) -> int:
    """The broker that coordinates a consumer group or a transactional id. Raises KafkaError."""
    await any_node(client)
    node: int = await client.coordinator_lookup(kind, key)
    return node

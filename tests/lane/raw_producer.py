"""Sends raw record batches to a broker. A worker may meet every batch that the broker accepts."""

from collections.abc import Iterable

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest

TIMEOUT_MS = 60_000
JUST_MADE = (3, 6)  # Unknown topic, not leader: for a moment after a topic was created.
NO_LEADER = -1


async def produce(bootstrap: str, batches: Iterable[tuple[TopicPartition, bytes]]) -> list[str]:
    """Write each batch to its partition, one after another. Their outcomes: `NoError`, or the broker's refusal."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, client_id="raw", request_timeout_ms=TIMEOUT_MS)
    await client.bootstrap()
    outcomes = []
    try:
        for place, batch in batches:
            request = ProduceRequest(
                transactional_id=None,
                required_acks=-1,
                timeout=TIMEOUT_MS,
                topics=[(place.topic, [(place.partition, batch)])],
            )
            outcomes.append(await _outcome(client, place, request))
    finally:
        await client.close()
    return outcomes


async def _outcome(client: AIOKafkaClient, place: TopicPartition, request: ProduceRequest) -> str:
    while True:
        await client.set_topics([place.topic])
        leader = client.cluster.leader_for_partition(place)
        if leader in (None, NO_LEADER):
            await client.force_metadata_update()
            continue
        [(_, [(_, code, *_)])] = (await client.send(leader, request)).topics
        if code not in JUST_MADE:
            return str(for_code(code).__name__)

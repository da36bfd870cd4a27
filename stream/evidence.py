"""Finds out whether a topic ever carried a committed record and whether a group has consumed.

Lost state is detected by its effects that remain in the cluster.
"""

from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stream.connection import Connection

POLL_MS = 200
STUCK_AFTER_S = 30.0
FETCH_BYTES = 1 << 16  # Small: one record is proof enough.
# A fetch at the end of one log holds back the fetch from the next one for as long as the broker waits for more records.
FETCH_WAIT_MS = 50


class EvidenceError(Exception):
    """A topic could not be read to its end."""


async def committed_record(
    connection: Connection,
    client_id: str,
    places: Sequence[TopicPartition],
    before: Mapping[TopicPartition, int] | None = None,
) -> TopicPartition | None:
    """A partition that holds or held a committed record, None when there is none. Records of aborted transactions do
    not count. With `before` only records below those offsets count.

    Raises KafkaError, and EvidenceError when the end of a partition is not reached.
    """
    if not places:
        return None
    async with committed_reader(connection, client_id, FETCH_BYTES) as consumer:
        assign_paused(consumer, places)
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        limits = {place: min(end, (before or {}).get(place, end)) for place, end in ends.items()}
        used = [place for place in places if limits[place] > 0]
        removed = [place for place in used if begins[place] > 0]
        return removed[0] if removed else await _first_record(consumer, {place: limits[place] for place in used})


def committed_reader(
    connection: Connection, client_id: str, fetch_bytes: int, wait_ms: int = FETCH_WAIT_MS
) -> AIOKafkaConsumer:
    """A consumer of committed records, without a group and not started yet. A fetch at the end of the log waits for
    `wait_ms`.
    """
    return AIOKafkaConsumer(
        **connection.options,
        client_id=client_id,
        isolation_level="read_committed",
        enable_auto_commit=False,
        # With `latest` a reset races the seek, and the topic looks empty.
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=fetch_bytes,
        fetch_max_wait_ms=wait_ms,
    )


def assign_paused(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
    """Assign `places` so that the consumer looks up all topics at once; one by one, each takes half a second."""
    consumer.assign(list(places))
    consumer.pause(*places)


async def _first_record(consumer: AIOKafkaConsumer, limits: Mapping[TopicPartition, int]) -> TopicPartition | None:
    """A partition with a committed record below its limit."""
    behind = set(limits)
    if not behind:
        return None
    consumer.assign(list(behind))
    await consumer.seek_to_beginning(*behind)
    deadline = monotonic() + STUCK_AFTER_S
    while behind:
        for place, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
            if any(record.offset < limits[place] for record in records):
                return place
        behind = {place for place in behind if await consumer.position(place) < limits[place]}
        if behind and monotonic() > deadline:
            raise EvidenceError(f"the end of {min(behind)} was not reached")
    return None


async def consumed(admin: AIOKafkaAdminClient, group: str, topic: str) -> bool:
    """Whether `group` has an offset of `topic`. Raises KafkaError."""
    found: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group)
    return any(place.topic == topic and at.offset > 0 for place, at in found.items())

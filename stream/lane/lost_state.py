"""Detects a topic of state that is missing although it was in use. With an empty topic its work would be repeated."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stream.connection import Connection
from stream.evidence import committed_record, consumed
from stream.lane.takeover import STATE_LOST

# In a new cluster the broker answers only once it has created the topic that holds all groups.
QUERY_FOR_S = 20.0
QUERY_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class State:
    """The state that a topic holds: that of `group`, which reads the topic `reads` and writes events to `writes`."""

    group: str
    reads: str
    writes: tuple[str, ...] = ()


async def lost(admin: Any, connection: Connection, partitions: int, state: State, existing: Collection[str]) -> str:
    """Evidence that the state existed, empty when there is none. `existing` are the topics of the cluster.

    Raises KafkaError and EvidenceError.
    """
    if state.reads in existing and await _has_consumed(admin, state):
        return f"the group {state.group} has consumed {state.reads}; see {STATE_LOST}"
    places = [TopicPartition(name, n) for name in state.writes if name in existing for n in range(partitions)]
    place = await committed_record(connection, f"{state.group}-evidence", places)
    if place is None:
        return ""
    return (
        f"{place.topic} carries events already (partition {place.partition}): topics belong to one app id, and its"
        f" state is lost or was not restored; see {STATE_LOST}"
    )


async def _has_consumed(admin: Any, state: State) -> bool:
    deadline = monotonic() + QUERY_FOR_S
    while True:
        try:
            return await consumed(admin, state.group, state.reads)
        except KafkaError as error:
            if not error.retriable or monotonic() > deadline:
                raise
        await asyncio.sleep(QUERY_EVERY_S)

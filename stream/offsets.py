"""Reads the end of the inputs and the offsets of the group from the broker, over a separate connection."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    LeaderNotAvailableError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.offset import OffsetRequest

from stream.broker_link import close_in_time
from stream.nodes import coordinator_of
from stream.settings import Settings

REQUEST_TIMEOUT_MS = 5_000
READ_UNCOMMITTED, READ_COMMITTED = 0, 1  # The protocol's isolation levels.
LATEST, EARLIEST = -1, -2  # The protocol's timestamps for the two ends of a log.


@dataclass(frozen=True, slots=True)
class Offsets:
    """Offsets of one partition of the inputs, as the broker reports them.

    `last_stable` is `end` while no transaction is open in the log, otherwise the first record of an open transaction:
    readers stop there. `committed` is the group's offset, -1 when it has none.
    """

    begin: int
    end: int
    last_stable: int
    committed: int


class OffsetReader:
    """Reads the offsets of every partition of one topic. After an error, close the reader and open a new one."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._group = settings.app_id
        self._client = AIOKafkaClient(
            **settings.connection.options,
            client_id=f"{settings.app_id}-lag",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        self._coordinator = -1

    @classmethod
    async def open(cls, settings: Settings, topic: str) -> Self:
        """Connect. Raises KafkaError when no broker answers."""
        reader = cls(settings, topic)
        try:
            await reader._client.bootstrap()
            await reader._client.set_topics([topic])
            reader._coordinator = await coordinator_of(reader._client, CoordinationType.GROUP, reader._group)
        except GroupAuthorizationFailedError:
            await reader.close()
            raise GroupAuthorizationFailedError(reader._group) from None  # The client's error has no name.
        except BaseException:
            await reader.close()
            raise
        return reader

    async def close(self) -> None:
        await close_in_time(self._client.close())

    async def read(self) -> dict[int, Offsets]:
        """The offsets of each partition. Raises KafkaError.

        The group's offsets are read last: they may then be past the end that was read, but never show a lag too large.
        """
        end, stable, begin = await asyncio.gather(
            self._list(READ_UNCOMMITTED, LATEST),
            self._list(READ_COMMITTED, LATEST),
            self._list(READ_UNCOMMITTED, EARLIEST),
        )
        committed = await self._committed(sorted(end))
        return {p: Offsets(begin[p], end[p], min(stable[p], end[p]), committed[p]) for p in end}

    async def _list(self, isolation: int, timestamp: int) -> dict[int, int]:
        by_leader: dict[int, list[tuple[int, int]]] = defaultdict(list)
        if self._topic in self._client.cluster.unauthorized_topics:
            raise TopicAuthorizationFailedError(self._topic)
        for partition in self._client.cluster.partitions_for_topic(self._topic) or ():
            leader = self._client.cluster.leader_for_partition(TopicPartition(self._topic, partition))
            if leader is None or leader < 0:
                raise LeaderNotAvailableError(f"{self._topic}/{partition}")
            by_leader[leader].append((partition, timestamp))
        offsets: dict[int, int] = {}
        for leader, partitions in by_leader.items():
            answer = await self._client.send(leader, OffsetRequest(-1, isolation, [(self._topic, partitions)]))
            for partition, code, _, offset, *_ in _partitions(answer):
                _raise_for(code, self._topic)
                offsets[partition] = offset
        return offsets

    async def _committed(self, partitions: list[int]) -> dict[int, int]:
        request = OffsetFetchRequest(self._group, [(self._topic, partitions)])
        answer = await self._client.send(self._coordinator, request)
        _raise_for(answer.error_code, self._group)
        committed = {}
        for partition, offset, _, code in _partitions(answer):
            _raise_for(code, self._topic)
            committed[partition] = offset
        return committed


def _partitions(answer: Any) -> Any:
    return [partition for _, partitions in answer.topics for partition in partitions]


def _raise_for(code: int, name: str) -> None:
    if code:
        raise for_code(code)(name)

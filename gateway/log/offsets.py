"""Asks the brokers for ends of partitions and for the engine group's offsets, many questions in one request."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError, LeaderNotAvailableError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.offset import OffsetRequest

from stream.nodes import coordinator_of
from stream.offsets import LATEST, READ_UNCOMMITTED

Key = TypeVar("Key")
Answer = TypeVar("Answer")
# A fetch occupies its connection for up to half a second, so questions have connections of their own.
GROUP = ConnectionGroup.COORDINATION


class Rounds(Generic[Key, Answer]):
    """Answers questions in rounds: one request at a time, for all who asked while the request before was under way.

    An answer is never older than its question.
    """

    def __init__(self, ask: Callable[[frozenset[Key]], Awaitable[Mapping[Key, Answer]]]) -> None:
        self._ask = ask
        self._asked: set[Key] = set()
        self._next: asyncio.Future[Mapping[Key, Answer]] | None = None
        self._turn = asyncio.Lock()

    async def answer(self, key: Key) -> Answer:
        """Raises what the round raises: KafkaError."""
        self._asked.add(key)
        if self._next is None:
            self._next = asyncio.ensure_future(self._round())
            # Those who asked may be gone by then.
            self._next.add_done_callback(lambda done: done.cancelled() or done.exception())
        return (await asyncio.shield(self._next))[key]

    async def _round(self) -> Mapping[Key, Answer]:
        async with self._turn:
            asked, self._asked, self._next = frozenset(self._asked), set(), None
            return await self._ask(asked)


class Offsets:
    """Questions over the connections of `client`. Every method raises KafkaError."""

    def __init__(self, client: AIOKafkaClient, group: str, inputs: str, topics: Iterable[str]) -> None:
        self._client, self._group, self._inputs, self._topics = client, group, inputs, tuple(topics)
        self._coordinator: int | None = None
        self._ends = Rounds(self._ask_ends)
        self._committed = Rounds(self._ask_committed)

    async def ends(self, partition: int) -> Mapping[str, int]:
        """The end of the partition in each topic. It is behind records of open transactions.

        The broker shows a committed input offset before it has marked the transaction's records as committed. A reader
        that passes these ends has also read them.
        """
        return await self._ends.answer(partition)

    async def committed(self, partition: int) -> int:
        """The group's offset of the partition of the inputs, -1 without one."""
        return await self._committed.answer(partition)

    async def _ask_ends(self, partitions: frozenset[int]) -> Mapping[int, Mapping[str, int]]:
        places = [TopicPartition(topic, partition) for topic in self._topics for partition in partitions]
        found: defaultdict[int, dict[str, int]] = defaultdict(dict)
        for place, end in (await self.list(places, READ_UNCOMMITTED, LATEST)).items():
            found[place.partition][place.topic] = end
        return found

    async def list(self, places: Iterable[TopicPartition], isolation: int, timestamp: int) -> dict[TopicPartition, int]:
        """The offset at `timestamp`, one of the protocol's two ends of a log, of each place."""
        by_leader: defaultdict[int, defaultdict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for place in places:
            leader = self._client.cluster.leader_for_partition(place)
            if leader is None or leader < 0:
                self._client.force_metadata_update()
                raise LeaderNotAvailableError(f"{place.topic}/{place.partition}")
            by_leader[leader][place.topic].append((place.partition, timestamp))
        requests = {node: OffsetRequest(-1, isolation, list(topics.items())) for node, topics in by_leader.items()}
        answers = await asyncio.gather(
            *(self._client.send(node, request, group=GROUP) for node, request in requests.items())
        )
        offsets = {}
        for topic, partitions in (part for answer in answers for part in answer.topics):
            for partition, code, _, offset in partitions:
                self._check(code, topic)
                offsets[TopicPartition(topic, partition)] = offset
        return offsets

    async def _ask_committed(self, partitions: frozenset[int]) -> Mapping[int, int]:
        try:
            if self._coordinator is None:
                self._coordinator = await coordinator_of(self._client, CoordinationType.GROUP, self._group)
            request = OffsetFetchRequest(self._group, [(self._inputs, sorted(partitions))])
            answer = await self._client.send(self._coordinator, request, group=GROUP)
            self._check(answer.error_code, self._group)
        except KafkaError:
            self._coordinator = None
            raise
        committed: dict[int, int] = {}
        for topic, found in answer.topics:
            for partition, offset, _, code in found:
                self._check(code, topic)
                committed[partition] = offset
        return committed

    def _check(self, code: int, name: str) -> None:
        error: Any = for_code(code) if code else None
        if error is None:
            return
        if error.invalid_metadata:
            self._client.force_metadata_update()
        raise error(name)

"""Requests of the transaction protocol, each sent until the broker has said yes or a reason to give up.

aiokafka's own producer spends 5-6 ms of processor time and four round trips one after another on a transaction, and
waits 20 ms between two of them. Its client, its requests and its record format are used here without its sender.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.produce import ProduceRequest

CONCURRENT_TRANSACTIONS = 51
DUPLICATE_SEQUENCE = 46  # A batch sent again after its answer was lost: it is there already.
# Unknown topic, no leader, not leader, timed out, network, coordinator loading, not available, not this one, too few
# replicas (also what an old request sees for 51), written but too few replicas, storage error, not attempted because of
# a neighbour.
PASSING = frozenset({3, 5, 6, 7, 13, 14, 15, 16, 19, 20, 56, 55, CONCURRENT_TRANSACTIONS})
COORDINATOR_MOVED = frozenset({16})
LEADER_MOVED = frozenset({3, 5, 6, 13, 56})
FENCED = frozenset({47, 90})  # Invalid producer epoch; producer fenced.

# Until the markers of the transaction before are written, a few ms later, the broker answers 51, or for it 15 or 19 to
# requests as old as ours: ask again soon, and ever less often when it was something else.
FIRST_RETRY_S = 0.002
LAST_RETRY_S = 0.1
REQUEST_TIMEOUT_MS = 5_000

Codes = Callable[[Any], Iterable[int]]


class FencedError(Exception):
    """Another worker has taken this partition over: nothing of ours will be committed again."""


class CommitError(Exception):
    """The broker refused a step of a transaction, or did not answer in time: its outcome is not known."""


class BrokerLink:
    """One connection for each broker and purpose, used by one partition alone, so that partitions do not queue."""

    def __init__(self, bootstrap_servers: str, client_id: str, give_up_after_s: float) -> None:
        self._client = AIOKafkaClient(
            bootstrap_servers=bootstrap_servers,
            client_id=client_id,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=int(LAST_RETRY_S * 1000),
        )
        self._give_up_after_s = give_up_after_s
        self._coordinators: dict[CoordinationType, int] = {}

    async def open(self, topics: Iterable[str]) -> None:
        """Connect and learn who leads `topics`. Raises KafkaError when no broker answers."""
        await self._client.bootstrap()
        await self._client.set_topics(list(topics))

    async def close(self) -> None:
        await self._client.close()

    async def ask(self, kind: CoordinationType, key: str, request: Any, codes: Codes) -> Any:
        """The answer of the coordinator of `key` once all its error codes are 0. Raises FencedError, CommitError."""
        deadline = monotonic() + self._give_up_after_s
        for pause in _pauses():
            try:
                node = await self._coordinator(kind, key)
                response = await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
                wrong = set(codes(response)) - {0}
            except KafkaError as error:
                self._coordinators.pop(kind, None)
                _raise_unless_passing(error, request, deadline)
            else:
                if not wrong:
                    return response
                _raise_unless_all_passing(wrong, request, deadline)
                if wrong & COORDINATOR_MOVED:
                    self._coordinators.pop(kind, None)
            await asyncio.sleep(pause)
        raise AssertionError

    async def produce(self, transactional_id: str, batches: Mapping[TopicPartition, bytes]) -> None:
        """Write one record batch to each partition and wait for all replicas. Raises FencedError, CommitError."""
        deadline = monotonic() + self._give_up_after_s
        missing = dict(batches)
        for pause in _pauses():
            failed: set[int] = set()
            by_node = await self._by_leader(missing, deadline)
            await asyncio.gather(
                *(self._produce_to(node, transactional_id, part, missing, failed) for node, part in by_node.items())
            )
            if not missing:
                return
            _raise_unless_all_passing(failed, "Produce", deadline)
            if not failed or failed & LEADER_MOVED:
                await self._client.force_metadata_update()
            await asyncio.sleep(pause)

    async def _produce_to(
        self,
        node: int,
        transactional_id: str,
        batches: Mapping[TopicPartition, bytes],
        missing: dict[TopicPartition, bytes],
        failed: set[int],
    ) -> None:
        """Send `batches` to their leader; what it took leaves `missing`, what it did not leaves a code in `failed`."""
        topics: dict[str, list[tuple[int, bytes]]] = {}
        for place, batch in batches.items():
            topics.setdefault(place.topic, []).append((place.partition, batch))
        request = ProduceRequest(
            transactional_id=transactional_id, required_acks=-1, timeout=REQUEST_TIMEOUT_MS, topics=list(topics.items())
        )
        try:
            response = await self._client.send(node, request)
        except KafkaError as error:
            if not error.retriable:
                raise CommitError(f"Produce failed: {error!r}") from error
            return
        for topic, answers in response.topics:
            for partition, code, *_ in answers:
                if code in (0, DUPLICATE_SEQUENCE):
                    del missing[TopicPartition(topic, partition)]
                else:
                    failed.add(code)

    async def _by_leader(
        self, batches: Mapping[TopicPartition, bytes], deadline: float
    ) -> dict[int, dict[TopicPartition, bytes]]:
        while True:
            by_node: dict[int, dict[TopicPartition, bytes]] = {}
            for place, batch in batches.items():
                leader = self._client.cluster.leader_for_partition(place)
                by_node.setdefault(-1 if leader is None else leader, {})[place] = batch
            if -1 not in by_node:
                return by_node
            if monotonic() > deadline:
                raise CommitError(f"no leader for {min(by_node[-1])}")
            await self._client.force_metadata_update()
            await asyncio.sleep(LAST_RETRY_S)

    async def _coordinator(self, kind: CoordinationType, key: str) -> int:
        node = self._coordinators.get(kind)
        if node is None:
            node = await self._client.coordinator_lookup(kind, key)
            if not await self._client.ready(node, group=ConnectionGroup.COORDINATION):
                await self._client.force_metadata_update()
            self._coordinators[kind] = node
        return node


def _pauses() -> Iterator[float]:
    """Seconds between one try and the next, for ever: short at first."""
    pause = FIRST_RETRY_S
    while True:
        yield pause
        pause = min(LAST_RETRY_S, pause * 1.5)


def _raise_unless_passing(error: KafkaError, request: Any, deadline: float) -> None:
    if not error.retriable or monotonic() > deadline:
        raise CommitError(f"{type(request).__name__} failed: {error!r}") from error


def _raise_unless_all_passing(codes: set[int], request: Any, deadline: float) -> None:
    names = ", ".join(sorted(for_code(code).__name__ for code in codes)) or "no answer"
    what = request if isinstance(request, str) else type(request).__name__
    if codes & FENCED:
        raise FencedError(f"{what}: {names}")
    if not codes <= PASSING or monotonic() > deadline:
        raise CommitError(f"{what} refused: {names}")

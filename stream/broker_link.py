"""Sends requests of the transaction protocol, each until the broker accepts it or gives a reason to stop.

aiokafka's own producer spends 5-6 ms of processor time and four sequential round trips on a transaction, and waits
20 ms between two transactions. This module uses aiokafka's client, requests and record format without its sender.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest

from stream.connection import Connection
from stream.fail_stop import Exit
from stream.lane.commit_errors import (
    CONTENT,
    PASSING,
    RIGHTS,
    CommitError,
    ContentError,
    names_of,
    raise_failed,
    raise_refused,
)
from stream.nodes import coordinator_of

DUPLICATE_SEQUENCE = 46  # A batch was sent again because its answer was lost; the log already has it.
COORDINATOR_MOVED = frozenset({16})
LEADER_MOVED = frozenset({3, 5, 6, 13, 56})

# Until the markers of the previous transaction are written, which takes a few ms, the broker answers 51, or 15 or 19 to
# requests of the versions used here. So the first retry comes soon; later ones back off, for causes that last longer.
FIRST_RETRY_S = 0.002
LAST_RETRY_S = 0.1
REQUEST_TIMEOUT_MS = 5_000
CLOSE_S = 2.0
# A request gives up after this share of the transaction time-out, before the broker aborts its transaction.
GIVE_UP_SHARE = 0.6

Codes = Callable[[Any], Iterable[int]]


def give_up_after_s(transaction_timeout_ms: int) -> float:
    """How long a request of a transaction is retried, in seconds."""
    return transaction_timeout_ms / 1_000 * GIVE_UP_SHARE


async def close_in_time(closing: Coroutine[Any, Any, object]) -> None:
    """Close a Kafka client, but wait no longer than `CLOSE_S`.

    With the broker away, closing has been seen to hang because a task of the client continued after its cancellation.
    A possible cause, not proved, is that asyncio's `wait_for` before Python 3.12 can lose a cancellation.
    """
    task = asyncio.ensure_future(closing)
    await asyncio.wait((task,), timeout=CLOSE_S)
    if task.done():
        task.result()
    else:
        task.cancel()


@dataclass(slots=True)
class _Sent:
    """State of the record batches of one produce request. `missing` holds those without a final answer; `refused` and
    `failed` hold error codes.
    """

    missing: dict[TopicPartition, bytes]
    taken: dict[TopicPartition, int] = field(default_factory=dict)
    refused: dict[TopicPartition, int] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)

    def record_answer(self, place: TopicPartition, code: int, offset: int) -> None:
        if code in (0, DUPLICATE_SEQUENCE):
            self.taken[place] = offset if code == 0 else -1
        elif code in CONTENT:
            self.refused[place] = code
        else:
            self.failed.add(code)
            return
        del self.missing[place]


class BrokerLink:
    """One connection per broker and purpose, used by a single partition, so that partitions do not queue."""

    def __init__(self, connection: Connection, client_id: str, give_up_after_s: float) -> None:
        self._client = AIOKafkaClient(
            **connection.options,
            client_id=client_id,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=int(LAST_RETRY_S * 1000),
        )
        self._give_up_after_s = give_up_after_s
        self._coordinators: dict[CoordinationType, int] = {}

    async def open(self, topics: Iterable[str]) -> None:
        """Connect and fetch the leaders of `topics`. Raises KafkaError when no broker answers."""
        await self._client.bootstrap()
        await self._client.set_topics(list(topics))

    async def close(self) -> None:
        await close_in_time(self._client.close())

    async def send(self, kind: CoordinationType, key: str, request: Any, codes: Codes) -> Any:
        """Send `request` to the coordinator of `key` until all error codes in the response are 0; return the response.

        Raises FencedError, CommitError.
        """
        step = type(request).__name__
        deadline = monotonic() + self._give_up_after_s
        for tried, pause in enumerate(_pauses()):
            try:
                node = await self._coordinator(kind, key)
                response = await self._client.send(node, request, group=ConnectionGroup.COORDINATION)
                wrong = set(codes(response)) - {0}
            except KafkaError as error:
                self._coordinators.pop(kind, None)
                if not error.retriable or monotonic() > deadline:
                    raise_failed(step, error, what=key)
            else:
                if not wrong:
                    return response
                if not wrong <= PASSING or monotonic() > deadline:
                    what = ", ".join([key, *_refused_topics(response)])
                    raise_refused(step, wrong, definite=not tried and not wrong & PASSING, what=what)
                if wrong & COORDINATOR_MOVED:
                    self._coordinators.pop(kind, None)
            await asyncio.sleep(pause)
        raise AssertionError

    async def produce(
        self, transactional_id: str, batches: Mapping[TopicPartition, bytes]
    ) -> dict[TopicPartition, int]:
        """Write one record batch to each partition and wait for all in-sync replicas. Returns the offset of the first
        record of each batch, -1 where the broker no longer knows it.

        Raises FencedError, CommitError, and ContentError once the broker has accepted every batch it did not refuse.
        """
        deadline = monotonic() + self._give_up_after_s
        sent = _Sent(dict(batches))
        for pause in _pauses():
            sent.failed.clear()
            by_node = await self._by_leader(sent.missing, deadline)
            await asyncio.gather(
                *(self._produce_to(node, transactional_id, part, sent) for node, part in by_node.items())
            )
            if not sent.missing:
                break
            if not sent.failed <= PASSING or monotonic() > deadline:
                what = ", ".join(sorted({place.topic for place in sent.missing}))
                raise_refused("ProduceRequest", sent.failed, what=what)
            if not sent.failed or sent.failed & LEADER_MOVED:
                await self._client.force_metadata_update()
            await asyncio.sleep(pause)
        if sent.refused:
            raise ContentError(names_of(sent.refused.values()), {place.topic for place in sent.refused}, sent.taken)
        return sent.taken

    async def _produce_to(
        self, node: int, transactional_id: str, batches: Mapping[TopicPartition, bytes], sent: "_Sent"
    ) -> None:
        """Send `batches` to their leader and record the answers in `sent`."""
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
                raise_failed("ProduceRequest", error)
            return
        for topic, answers in response.topics:
            for partition, code, offset, *_ in answers:
                sent.record_answer(TopicPartition(topic, partition), code, offset)

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
                raise CommitError("ProduceRequest", f"no leader for {min(by_node[-1])}", Exit.PASSING)
            await self._client.force_metadata_update()
            await asyncio.sleep(LAST_RETRY_S)

    async def _coordinator(self, kind: CoordinationType, key: str) -> int:
        node = self._coordinators.get(kind)
        if node is None:
            node = await coordinator_of(self._client, kind, key)
            if not await self._client.ready(node, group=ConnectionGroup.COORDINATION):
                await self._client.force_metadata_update()
            self._coordinators[kind] = node
        return node


def _refused_topics(response: Any) -> list[str]:
    """The topics of a response that this process may not use."""
    answers = getattr(response, "errors", None) or ()
    return sorted(topic for topic, partitions in answers if any(code in RIGHTS for _, code in partitions))


def _pauses() -> Iterator[float]:
    """Endless pauses between tries, in seconds: short at first, up to `LAST_RETRY_S`."""
    pause = FIRST_RETRY_S
    while True:
        yield pause
        pause = min(LAST_RETRY_S, pause * 1.5)

"""One batch, one Kafka transaction: what must appear together or not at all.

All that the engine knows about committing is `PartitionWriter`: take the partition over (`fence`), ask where the group
stands (`committed_offset`), `commit` a batch. A writer belongs to one input partition for one assignment and is never
shared or used again: the transactional id `<app>-<partition>` is the only protection from a worker that lost the
partition without knowing it, because the requests this client speaks carry offsets without the group's generation.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import CoordinationType
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    InitProducerIdRequest,
    TxnOffsetCommitRequest,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from stream.broker_link import BrokerLink

# A record batch must fit the broker's message.max.bytes (1 MiB by default), with room for its header.
BATCH_BYTES = 900_000
SEQUENCE_LIMIT = 2**31

Entry = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]  # Key, value (None: a tombstone), headers.


class PartitionWriter:
    """The transactions of one input partition, one after another."""

    def __init__(
        self, link: BrokerLink, *, app_id: str, input_partition: TopicPartition, transaction_timeout_ms: int
    ) -> None:
        self._link = link
        self._group_id = app_id
        self._input = input_partition
        self._timeout_ms = transaction_timeout_ms
        self._id = f"{app_id}-{input_partition.partition}"
        self._pid = -1
        self._epoch = -1
        self._sequences: dict[TopicPartition, int] = {}

    async def fence(self) -> None:
        """Take the partition over: whoever wrote for it is shut out, and what they left open is aborted, on return."""
        answer = await self._link.ask(
            CoordinationType.TRANSACTION,
            self._id,
            InitProducerIdRequest(transactional_id=self._id, transaction_timeout_ms=self._timeout_ms),
            lambda response: (response.error_code,),
        )
        self._pid, self._epoch = answer.producer_id, answer.producer_epoch

    async def committed_offset(self) -> int | None:
        """The next input offset by what is committed; None when nothing is. Only true after `fence`."""
        answer = await self._link.ask(
            CoordinationType.GROUP,
            self._group_id,
            OffsetFetchRequest(self._group_id, [(self._input.topic, [self._input.partition])]),
            lambda response: [response.error_code, *(code for _, parts in response.topics for *_, code in parts)],
        )
        [(_, [(_, offset, _, _)])] = answer.topics
        return offset if offset >= 0 else None

    async def commit(self, entries: Mapping[str, Sequence[Entry]], end_offset: int) -> None:
        """Write `entries` (by topic, to this partition's number) and `end_offset`, all or nothing.

        On return they are committed. Raises FencedError when another worker has the partition and CommitError when the
        outcome is unknown: after either the process must end, for memory may be ahead of the log or behind it.
        """
        places = {topic: TopicPartition(topic, self._input.partition) for topic, some in entries.items() if some}
        chunks = {place: list(self._batches(place, entries[topic])) for topic, place in places.items()}
        await asyncio.gather(self._add_partitions(places), self._add_offsets())
        await asyncio.gather(self._produce(chunks), self._send_offset(end_offset))
        await self._ask_transactions(
            EndTxnRequest(
                transactional_id=self._id,
                producer_id=self._pid,
                producer_epoch=self._epoch,
                transaction_result=True,
            )
        )

    async def close(self) -> None:
        await self._link.close()

    def _batches(self, place: TopicPartition, entries: Iterable[Entry]) -> Iterable[bytes]:
        """Batches of at most BATCH_BYTES, numbered on from those before: the broker refuses a gap or a repeat."""
        builder, count = self._builder(place), 0
        for key, value, headers in entries:
            if builder.append(count, timestamp=None, key=key, value=value, headers=headers) is None:
                self._advance(place, count)
                yield bytes(builder.build())
                builder, count = self._builder(place), 0
                assert builder.append(count, timestamp=None, key=key, value=value, headers=headers) is not None
            count += 1
        self._advance(place, count)
        yield bytes(builder.build())

    def _builder(self, place: TopicPartition) -> DefaultRecordBatchBuilder:
        return DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=1,
            producer_id=self._pid,
            producer_epoch=self._epoch,
            base_sequence=self._sequences.get(place, 0),
            batch_size=BATCH_BYTES,
        )

    def _advance(self, place: TopicPartition, count: int) -> None:
        self._sequences[place] = (self._sequences.get(place, 0) + count) % SEQUENCE_LIMIT

    async def _produce(self, chunks: Mapping[TopicPartition, Sequence[bytes]]) -> None:
        """One batch a partition and request, as the protocol wants it; a second request only for large outcomes."""
        for row in zip_longest(*chunks.values()):
            await self._link.produce(
                self._id, {place: batch for place, batch in zip(chunks, row, strict=True) if batch is not None}
            )

    async def _add_partitions(self, places: Mapping[str, TopicPartition]) -> None:
        if places:
            await self._ask_transactions(
                AddPartitionsToTxnRequest(
                    transactional_id=self._id,
                    producer_id=self._pid,
                    producer_epoch=self._epoch,
                    topics=[(topic, [place.partition]) for topic, place in places.items()],
                )
            )

    async def _add_offsets(self) -> None:
        await self._ask_transactions(
            AddOffsetsToTxnRequest(
                transactional_id=self._id,
                producer_id=self._pid,
                producer_epoch=self._epoch,
                group_id=self._group_id,
            )
        )

    async def _send_offset(self, end_offset: int) -> None:
        request = TxnOffsetCommitRequest(
            transactional_id=self._id,
            group_id=self._group_id,
            producer_id=self._pid,
            producer_epoch=self._epoch,
            topics=[(self._input.topic, [(self._input.partition, end_offset, "")])],
        )
        await self._link.ask(CoordinationType.GROUP, self._group_id, request, _partition_codes)

    async def _ask_transactions(self, request: object) -> None:
        codes = _partition_codes if isinstance(request, AddPartitionsToTxnRequest) else _single_code
        await self._link.ask(CoordinationType.TRANSACTION, self._id, request, codes)


def _partition_codes(response: Any) -> Iterable[int]:
    return [code for _, partitions in response.errors for _, code in partitions]


def _single_code(response: Any) -> Iterable[int]:
    return (response.error_code,)

"""Commits each batch in one Kafka transaction, all or nothing.

`PartitionWriter` is the engine's whole interface for commits: take the partition over (`fence`), read the group's
offset (`committed_offset`), `commit` a batch, `abort` one whose content was refused. A writer belongs to one input
partition for one assignment and is never shared or reused. Its transactional id `<app>-<partition>` is the only
protection from a worker that lost the partition without noticing, because this client's requests carry offsets without
the group's generation.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from time import monotonic
from typing import Any, NamedTuple

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
from stream.lane.commit_errors import CommitError, ContentError, OutcomeUnknownError
from stream.lane.takeover import QUERY_EVERY_S, Answer, Found, Refusal, Start, decide

# A record batch, with its header, must fit the broker's message.max.bytes (1 MiB by default).
BATCH_BYTES = 900_000
SEQUENCE_LIMIT = 2**31
UNKNOWN = -1

# Key, value (None: a tombstone), headers.
Entry = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]


class _Chunk(NamedTuple):
    """A record batch as sent to the broker, and its number of records."""

    records: bytes
    length: int


class PartitionWriter:
    """Runs the transactions of one input partition, one after another."""

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
        self._begun = False

    async def fence(self) -> None:
        """Take the partition over. On return all earlier writers are shut out and their open transactions aborted."""
        answer = await self._link.send(
            CoordinationType.TRANSACTION,
            self._id,
            InitProducerIdRequest(transactional_id=self._id, transaction_timeout_ms=self._timeout_ms),
            lambda response: (response.error_code,),
        )
        self._pid, self._epoch = answer.producer_id, answer.producer_epoch

    async def committed_offset(self) -> int | None:
        """The group's offset of the next input, None when it has none. It may be wrong: a broker that was killed
        reports earlier offsets, or none, for a while, without an error.
        """
        answer = await self._link.send(
            CoordinationType.GROUP,
            self._group_id,
            OffsetFetchRequest(self._group_id, [(self._input.topic, [self._input.partition])]),
            lambda response: [response.error_code, *(code for _, parts in response.topics for *_, code in parts)],
        )
        [(_, [(_, offset, _, _)])] = answer.topics
        return offset if offset >= 0 else None

    async def find_start(self, found: Found) -> tuple[Start | Refusal, int | None]:
        """Where to start with the state found, and the group's last answer. Queries the group until the start is
        decided.

        Only valid after `fence`. Raises FencedError, CommitError.
        """
        began, answers = monotonic(), list[Answer]()
        while True:
            offset = await self.committed_offset()
            answers.append(Answer(monotonic() - began, offset))
            decided = decide(found, answers)
            if decided is not None:
                return decided, offset
            await asyncio.sleep(QUERY_EVERY_S)

    async def commit(self, entries: Mapping[str, Sequence[Entry]], end_offset: int) -> dict[str, int]:
        """Write `entries` (by topic, to this partition's number) and `end_offset`, all or nothing.

        On return they are committed. Returns by topic the offset behind the last record, where the commit marker goes;
        a topic is left out when the broker no longer knows it. Raises ContentError when the broker refused the content
        of the batch: then call `abort`. After FencedError and CommitError the process must end, because memory may be
        ahead of the log or behind it.
        """
        places = {topic: TopicPartition(topic, self._input.partition) for topic, some in entries.items() if some}
        chunks = {place: list(self._batches(place, entries[topic])) for topic, place in places.items()}
        self._begun = True
        await asyncio.gather(self._add_partitions(places), self._add_offsets())
        # Wait for both before any abort: an offset that arrives after it would be in no transaction.
        ends, sent = await asyncio.gather(self._produce(chunks), self._send_offset(end_offset), return_exceptions=True)
        # An error that ends the process takes precedence over one that a smaller batch may avoid.
        if isinstance(sent, BaseException):
            raise sent
        if isinstance(ends, BaseException):
            raise ends
        try:
            await self._end(commit=True)
        except CommitError as error:
            if error.definite:
                raise
            raise OutcomeUnknownError(error.step, error.error, error.status) from error
        return ends

    async def abort(self) -> None:
        """Abort the transaction of a refused commit. After FencedError and CommitError the process must end."""
        if self._begun:
            await self._end(commit=False)

    async def close(self) -> None:
        await self._link.close()

    def _batches(self, place: TopicPartition, entries: Iterable[Entry]) -> Iterable[_Chunk]:
        """Batches of at most BATCH_BYTES. Their sequences continue the earlier ones: the broker refuses gaps and
        repeats.
        """
        sequence = self._sequences.get(place, 0)
        builder, count = self._builder(sequence), 0
        for key, value, headers in entries:
            if not _append(builder, count, place.topic, key, value, headers):
                yield _Chunk(bytes(builder.build()), count)
                sequence = (sequence + count) % SEQUENCE_LIMIT
                builder, count = self._builder(sequence), 0
                # The builder accepts the first record of a batch at any size. The broker refuses it if it is too large.
                _append(builder, count, place.topic, key, value, headers)
            count += 1
        yield _Chunk(bytes(builder.build()), count)

    def _builder(self, sequence: int) -> DefaultRecordBatchBuilder:
        return DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=1,
            producer_id=self._pid,
            producer_epoch=self._epoch,
            base_sequence=sequence,
            batch_size=BATCH_BYTES,
        )

    async def _produce(self, chunks: Mapping[TopicPartition, Sequence[_Chunk]]) -> dict[str, int]:
        """Send one batch per partition and request, as the protocol requires. Only large results need a second
        request.
        """
        ends: dict[str, int] = {}
        for row in zip_longest(*chunks.values()):
            some = {place: chunk for place, chunk in zip(chunks, row, strict=True) if chunk is not None}
            try:
                taken = await self._link.produce(self._id, {place: chunk.records for place, chunk in some.items()})
            except ContentError as error:
                self._advance(some, error.taken)
                raise
            self._advance(some, taken)
            for place, offset in taken.items():
                ends[place.topic] = offset + some[place].length if offset >= 0 else UNKNOWN
        return {topic: end for topic, end in ends.items() if end != UNKNOWN}

    def _advance(self, chunks: Mapping[TopicPartition, _Chunk], taken: Iterable[TopicPartition]) -> None:
        """Advance the sequences of partitions where the broker accepted a batch. A refused batch uses up no
        sequence.
        """
        for place in taken:
            self._sequences[place] = (self._sequences.get(place, 0) + chunks[place].length) % SEQUENCE_LIMIT

    async def _add_partitions(self, places: Mapping[str, TopicPartition]) -> None:
        if places:
            await self._send_to_transaction_coordinator(
                AddPartitionsToTxnRequest(
                    transactional_id=self._id,
                    producer_id=self._pid,
                    producer_epoch=self._epoch,
                    topics=[(topic, [place.partition]) for topic, place in places.items()],
                )
            )

    async def _add_offsets(self) -> None:
        await self._send_to_transaction_coordinator(
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
        await self._link.send(CoordinationType.GROUP, self._group_id, request, _partition_codes)

    async def _end(self, *, commit: bool) -> None:
        await self._send_to_transaction_coordinator(
            EndTxnRequest(
                transactional_id=self._id,
                producer_id=self._pid,
                producer_epoch=self._epoch,
                transaction_result=commit,
            )
        )
        self._begun = False

    async def _send_to_transaction_coordinator(self, request: object) -> None:
        codes = _partition_codes if isinstance(request, AddPartitionsToTxnRequest) else _single_code
        await self._link.send(CoordinationType.TRANSACTION, self._id, request, codes)


def _append(
    builder: DefaultRecordBatchBuilder,
    number: int,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
) -> bool:
    """Append the record; false when it does not fit. Raises ContentError for one that cannot be written at all."""
    try:
        return builder.append(number, timestamp=None, key=key, value=value, headers=headers) is not None
    except (ValueError, OverflowError) as error:  # A header name that is not UTF-8.
        raise ContentError(f"{type(error).__name__}: {error}", [topic], {}) from error


def _partition_codes(response: Any) -> Iterable[int]:
    return [code for _, partitions in response.errors for _, code in partitions]


def _single_code(response: Any) -> Iterable[int]:
    return (response.error_code,)

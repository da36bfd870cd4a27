"""Whether inputs were decided after a backup: deciding them again would publish their events twice."""

from collections.abc import AsyncIterator

import msgspec
from aiokafka import ConsumerRecord

from schemas.codec import decode_input
from schemas.facts import REFUSED
from schemas.inputs import CallStarted
from stream import topics
from stream.repair.cluster import Cluster
from stream.repair.dead_letters import read_letter
from stream.repair.published import DECISIONS, SNAPSHOTS, Snapshot
from stream.repair.state import PartitionState, accounts_of


class _Caused(msgspec.Struct):
    account_id: str
    caused_by: str | None = None
    reason: str | None = None


_decode_snapshot = msgspec.json.Decoder(Snapshot).decode
_decode_caused = msgspec.json.Decoder(_Caused).decode


async def find_later_decision(cluster: Cluster, state: PartitionState, group_offset: int | None) -> str:
    """A description of the first evidence that an input after the state's checkpoint was decided; empty without any.

    An input that takes effect changes its account, which a snapshot shows. A start without an account publishes a
    decision, a refusal a dead letter. Repeats and ticks leave no evidence and may safely be decided again.
    """
    partition = state.partition
    begin, end = (await cluster.bounds(cluster.inputs))[partition]
    next_offset = begin if state.checkpoint is None else state.checkpoint.next_offset
    if group_offset is not None and group_offset > next_offset:
        return f"the group has consumed up to offset {group_offset}"
    return (
        await _find_letter(cluster, partition, next_offset)
        or await _find_snapshot(cluster, state)
        or await _find_call_decision(cluster, partition, max(begin, next_offset), end)
    )


async def _find_letter(cluster: Cluster, partition: int, next_offset: int) -> str:
    async for record in _records(cluster, topics.DEAD_LETTERS, partition):
        letter = read_letter(record)
        if letter is None or (letter.topic, letter.partition) != (cluster.inputs, partition):
            continue
        if letter.offset >= next_offset:
            return f"the input at offset {letter.offset} has a dead letter"
    return ""


async def _find_snapshot(cluster: Cluster, state: PartitionState) -> str:
    accounts = accounts_of(state.rows)
    async for record in _records(cluster, SNAPSHOTS, state.partition):
        if record.value is None:
            continue
        snapshot = _decode_snapshot(record.value)
        account = accounts.get(snapshot.account_id)
        if account is None or snapshot.version > account.version:
            return f"a snapshot at offset {record.offset} of {record.topic}/{state.partition} is of a later state"
    return ""


async def _find_call_decision(cluster: Cluster, partition: int, begin: int, end: int) -> str:
    """A decision about one of the calls that started between the input offsets `begin` and `end`."""
    starts = set()
    async for records in cluster.records(cluster.inputs, partition, begin, end):
        for record in records:
            event = decode_input(record.value, record.headers)
            if isinstance(event, CallStarted):
                starts.add((event.account_id, event.id))
    if not starts:
        return ""
    async for record in _records(cluster, DECISIONS, partition):
        fact = _decode_caused(record.value)
        # A start that was refused before the backup may have come again. Refusals are found by their dead letters.
        if fact.reason != REFUSED and (fact.account_id, fact.caused_by) in starts:
            return f"a call after the backup was decided: offset {record.offset} of {record.topic}/{partition}"
    return ""


async def _records(cluster: Cluster, topic: str, partition: int) -> AsyncIterator[ConsumerRecord]:
    """All committed records of one partition of an output topic."""
    name = cluster.settings.topic(topic)
    async for records in cluster.records(name, partition, *(await cluster.bounds(name))[partition]):
        for record in records:
            yield record

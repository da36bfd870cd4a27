"""`tollgate skip`: skips one record that ends every worker.

The command is a worker of one partition, without a group: it fences the partition, restores it, and processes the
inputs before the record with the worker's code. The record itself is not decided: it becomes a dead letter with the
code `skipped`.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

from aiokafka import ConsumerRecord

from agents.wallet.dead_letter import add_letter, dead_letter
from schemas.batch import BatchResult, Record
from schemas.codec import TYPES
from stream import rights, topics
from stream.fail_stop import Exit
from stream.lane.buffer import Batch
from stream.repair.cluster import Cluster
from stream.repair.failure import RepairError, progress
from stream.settings import Settings
from stream.topology import Tollgate, build_app

CODE = "skipped"
REASON_CHARACTERS_MAX = 1_000


class _NoGroup:
    """Replaces the worker's consumer: without a group there are no heartbeats to send."""

    async def keep_alive(self) -> None:
        """Nothing to do."""


async def skip(
    settings: Settings,
    partition: int,
    offset: int,
    reason: str,
    *,
    yes: bool,
    make_worker: Callable[[Settings], Tollgate] = build_app,
) -> None:
    """Process the partition's inputs before `offset`, and turn the record there into a dead letter. Without `yes`
    nothing is changed. Raises RepairError if there is nothing to skip.

    `make_worker` builds the app that processes the inputs; the app is not started. It must be built in the running
    event loop.
    """
    if not reason.strip() or len(reason) > REASON_CHARACTERS_MAX:
        raise RepairError(f"--reason must have 1 to {REASON_CHARACTERS_MAX} characters", Exit.PERSON)
    if not 0 <= partition < settings.partitions:
        raise RepairError(f"--partition {partition}: expected 0 to {settings.partitions - 1}")
    async with Cluster(settings, rights.skip(settings)) as cluster:
        await cluster.check_partitions(*topics.declared(settings))
        begin, end = (await cluster.bounds(cluster.inputs))[partition]
        if not begin <= offset < end:
            raise RepairError(f"{cluster.inputs}/{partition} has the offsets {begin} to {end - 1}: none is {offset}")
        record = await _record_at(cluster, partition, offset)
        progress(_describe(record))
        if not yes:
            progress(
                "nothing was changed: --yes fences the partition, processes the inputs before the record and skips it"
            )
            return
        await cluster.require_no_workers()
        await _process(make_worker(settings), cluster, partition, record, reason)
    progress(
        f"{cluster.inputs}/{partition}, offset {offset}, is skipped: its dead letter has the reason. Start workers"
    )


async def _process(app: Tollgate, cluster: Cluster, partition: int, record: ConsumerRecord, reason: str) -> None:
    app.consumer = _NoGroup()
    await app.rows.own({partition})
    owned = app.rows.owned[partition]
    assert owned.writer is not None
    try:
        if record.offset < owned.next_offset:
            raise RepairError(
                f"{cluster.inputs}/{partition}: offset {record.offset} is applied, the next one is {owned.next_offset}"
            )
        async for batch in _batches(cluster, app.settings, partition, owned.next_offset, record.offset):
            await app.committer.process(batch)
            progress(f"processed the inputs {batch.begin} to {batch.end - 1}")
        skipped = Batch(partition, owned.next_offset, record.offset + 1, [])
        await app.committer.commit(owned, skipped, _skipped_result(record, reason), 0.0)
    finally:
        await owned.writer.close()


async def _record_at(cluster: Cluster, partition: int, offset: int) -> ConsumerRecord:
    async for records in cluster.records(cluster.inputs, partition, offset, offset + 1):
        for record in records:
            return record
    raise RepairError(f"{cluster.inputs}/{partition}: offset {offset} holds a transaction marker and no record")


async def _batches(cluster: Cluster, settings: Settings, partition: int, begin: int, end: int) -> AsyncIterator[Batch]:
    """The inputs from `begin` to before `end`, in batches of a worker's size."""
    async for records in cluster.records(cluster.inputs, partition, begin, end):
        for at in range(0, len(records), settings.batch_records_max):
            chosen = records[at : at + settings.batch_records_max]
            next_offset = chosen[-1].offset + 1
            yield Batch(partition, begin, next_offset, chosen)
            begin = next_offset


def _skipped_result(record: Record, reason: str) -> BatchResult:
    result = BatchResult()
    add_letter(result, record, CODE, dead_letter(record, CODE, reason))
    return result


def _describe(record: Any) -> str:
    """Address, type and sizes. No other content, because it may contain a phone or card number."""
    sizes = f"key {len(record.key or b'')}, value {len(record.value or b'')} bytes, {len(record.headers)} headers"
    return f"{record.topic}/{record.partition}, offset {record.offset}: type {_type_of(record.value)}; {sizes}"


def _type_of(value: bytes | None) -> str:
    return next((name for name in sorted(TYPES) if f'"{name}"'.encode() in (value or b"")[:4_096]), "not known")

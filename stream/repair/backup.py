"""`tollgate backup`: writes the state of every partition, with its input offset, to one file."""

from pathlib import Path

from aiokafka import ConsumerRecord

from schemas.inputs import ALL_ACCOUNTS
from schemas.rows import CorruptRowError, check_row
from stream import rights
from stream.repair.archive import FORMAT, ArchiveWriter, Header
from stream.repair.cluster import Cluster
from stream.repair.failure import RepairError, progress
from stream.repair.state import PartitionState, check_state
from stream.settings import Settings

# Compaction during the read may remove a row whose newer version is past the end of the read. Then the rows do not
# match the checkpoint, and are read once more.
READS_MAX = 3


async def back_up(settings: Settings, path: Path) -> None:
    """Write the backup to `path`. Raises RepairError, CorruptRowError or KafkaError, and then leaves no file."""
    if not path.parent.is_dir():
        raise RepairError(f"{path.parent}: no such directory")
    header = Header(FORMAT, settings.app_id, settings.topic_prefix, settings.partitions)
    async with Cluster(settings, rights.backup(settings)) as cluster:
        await cluster.check_partitions(cluster.inputs, cluster.changelog)
        # The last transaction of workers that were stopped a moment ago belongs in the backup.
        await cluster.wait_until_readable(cluster.changelog)
        with ArchiveWriter(path, header) as archive:
            for partition in range(settings.partitions):
                state = await read_state(cluster, partition)
                undecided = await _count_undecided(cluster, state)
                archive.add(state, undecided)
                at = "empty" if state.checkpoint is None else f"next input {state.checkpoint.next_offset}"
                progress(f"partition {partition}: {len(state.rows)} rows, {at}, {undecided} inputs not decided yet")
            rows = archive.finish()
    progress(f"{path}: {rows} rows of {settings.partitions} partitions")


async def read_state(cluster: Cluster, partition: int) -> PartitionState:
    """The partition's rows after its last whole transaction, checked against its checkpoint.

    A `read_committed` log ends where its first open transaction begins, and a partition has one writer. All earlier
    transactions are therefore whole, and the rows and the checkpoint below the end belong together.
    """
    for reads_left in reversed(range(READS_MAX)):
        begin, end = (await cluster.bounds(cluster.changelog))[partition]
        state = PartitionState(partition)
        async for records in cluster.records(cluster.changelog, partition, begin, end):
            for record in records:
                _apply_record(state, record)
        try:
            check_state(state)
        except CorruptRowError:
            if not reads_left:
                raise
        else:
            return state
    raise AssertionError


def _apply_record(state: PartitionState, record: ConsumerRecord) -> None:
    try:
        name = record.key.decode()
        if record.value is None:
            state.rows.pop(name, None)
        else:
            check_row(record.key, record.value, state.rows.get(name))
            state.rows[name] = record.value
    except (CorruptRowError, UnicodeDecodeError, AttributeError) as error:
        raise CorruptRowError(f"{record.topic}/{record.partition}, offset {record.offset}: {error}") from None


async def _count_undecided(cluster: Cluster, state: PartitionState) -> int:
    """The number of inputs after the checkpoint, without ticks."""
    begin, end = (await cluster.bounds(cluster.inputs))[state.partition]
    checkpoint = state.checkpoint
    first = begin if checkpoint is None else max(begin, checkpoint.next_offset)
    count = 0
    async for records in cluster.records(cluster.inputs, state.partition, first, end):
        count += sum(record.key != ALL_ACCOUNTS.encode() for record in records)
    return count

"""`tollgate restore`: writes a backup's rows into an empty changelog, byte for byte."""

from pathlib import Path

from msgspec.structs import replace as with_changes

from schemas.rows import CHECKPOINT_KEY, encode_row
from stream import rights, topics
from stream.repair.archive import Archive, ArchiveWriter, Header
from stream.repair.cluster import Cluster
from stream.repair.decided_since import find_later_decision
from stream.repair.failure import RepairError, progress
from stream.repair.write_changelog import check_header, check_may_write, write_changelog
from stream.settings import Settings


async def restore(settings: Settings, path: Path, *, replace: bool, dry_run: bool) -> None:
    """Write the backup's state on the cluster of its inputs. Raises RepairError, before any change, if inputs were
    decided after the backup.
    """
    archive = Archive(path)
    check_header(archive, settings)
    parts = archive.check()
    progress(f"{path}: whole, {sum(part.rows for part in parts)} rows of {len(parts)} partitions")
    async with Cluster(settings, rights.restore(settings, replace=replace)) as cluster:
        await cluster.check_partitions(*(settings.topic(topic.name) for topic in topics.CONTRACT))
        await check_may_write(cluster, replace=replace)
        await _check_not_decided_since(cluster, archive)
        if dry_run:
            _print_plan(cluster, archive, replace=replace)
            return
        # A worker that still writes is fenced before anything is deleted.
        await cluster.writers()
        await write_changelog(cluster, archive, replace=replace)
    progress("restored: start the workers")


async def restore_elsewhere(settings: Settings, path: Path, directory: Path, *, dry_run: bool) -> None:
    """Write the backup's state on a new cluster, whose inputs are still empty. Raises RepairError."""
    archive = Archive(path)
    if archive.header.partitions != settings.partitions:
        raise RepairError(
            f"{path} has {archive.header.partitions} partitions, TOLLGATE_PARTITIONS is {settings.partitions}: accounts"
            " are bound to partitions"
        )
    for part in archive.check():
        if part.undecided:
            raise RepairError(
                f"partition {part.partition}: {part.undecided} inputs of the old cluster were not decided yet when the"
                " backup was taken: stop the senders, let the workers finish, and take another backup"
            )
    async with Cluster(settings, rights.restore(settings, replace=False)) as cluster:
        await cluster.check_partitions(*(settings.topic(topic.name) for topic in topics.CONTRACT))
        await check_may_write(cluster, replace=False)
        used = [p for p, (begin, end) in (await cluster.bounds(cluster.inputs)).items() if (begin, end) != (0, 0)]
        if used or await cluster.group_offsets():
            raise RepairError(f"--new-cluster: {cluster.inputs} has or had inputs, and must be new and empty")
        if dry_run:
            _print_plan(cluster, archive, replace=False)
            return
        moved = directory / "moved.gz"
        header = Header(archive.header.format, settings.app_id, settings.topic_prefix, settings.partitions)
        with ArchiveWriter(moved, header) as copy:
            for _, state in archive.states():
                checkpoint = state.checkpoint
                if checkpoint is not None:
                    before = state.rows[CHECKPOINT_KEY]
                    first = with_changes(checkpoint, next_offset=0)
                    state.rows[CHECKPOINT_KEY] = encode_row(CHECKPOINT_KEY, first, before)
                copy.add(state, 0)
            copy.finish()
        await write_changelog(cluster, Archive(moved), replace=False)
    progress("restored: start the workers, then the senders")


async def _check_not_decided_since(cluster: Cluster, archive: Archive) -> None:
    offsets = await cluster.group_offsets()
    bounds = await cluster.bounds(cluster.inputs)
    for part, state in archive.states():
        evidence = await find_later_decision(cluster, state, offsets.get(part.partition))
        if evidence:
            raise RepairError(
                f"partition {part.partition}: {evidence}, after the backup: deciding those inputs again would"
                f" publish their events again. Use: tollgate rebuild --backup {archive.path}"
            )
        checkpoint = state.checkpoint
        begin, end = bounds[part.partition]
        if checkpoint is not None and not begin <= checkpoint.next_offset <= end:
            raise RepairError(
                f"partition {part.partition}: the backup continues at offset {checkpoint.next_offset}, {cluster.inputs}"
                f" has {begin} to {end}: inputs between are gone, or these are the inputs of another cluster"
            )


def _print_plan(cluster: Cluster, archive: Archive, *, replace: bool) -> None:
    if replace:
        progress(f"would delete {cluster.changelog} and create it again")
    for part, state in archive.states():
        checkpoint = state.checkpoint
        at = "nothing" if checkpoint is None else f"{part.rows} rows, next input {checkpoint.next_offset}"
        progress(f"would write partition {part.partition}: {at}")
    progress("nothing was changed: this was a dry run")

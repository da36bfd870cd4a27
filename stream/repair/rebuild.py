"""`tollgate rebuild`: decides the inputs again and compares every event with the published one."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from schemas.plan import Catalogue, load_catalogue
from stream import rights, topics
from stream.repair.archive import FORMAT, Archive, ArchiveWriter, Header
from stream.repair.cluster import Cluster
from stream.repair.failure import RepairError, progress
from stream.repair.partition_rebuild import PartitionRebuild, RebuiltPartition
from stream.repair.published import Published, read_published
from stream.repair.state import PartitionState
from stream.repair.write_changelog import check_header, check_may_write, write_changelog
from stream.settings import Settings


async def rebuild(
    settings: Settings,
    backup: Path | None,
    plans: Sequence[Path],
    directory: Path,
    *,
    replace: bool,
    dry_run: bool,
    letters_gone: bool,
) -> None:
    """Rebuild all partitions into a file in `directory`. Write it to the changelog only if every partition matches what
    was published. Raises RepairError.
    """
    catalogues = _catalogues(plans or [settings.plans], settings.currencies)
    before = None if backup is None else Archive(backup)
    if before is not None:
        check_header(before, settings)
        before.check()
    rebuilt = directory / "rebuilt.gz"
    header = Header(FORMAT, settings.app_id, settings.topic_prefix, settings.partitions)
    async with Cluster(settings, rights.restore(settings, replace=replace)) as cluster:
        await cluster.check_partitions(*(settings.topic(topic.name) for topic in topics.CONTRACT))
        await check_may_write(cluster, replace=replace)
        # From here on a worker that still runs cannot publish.
        await cluster.writers()
        offsets = await cluster.group_offsets()
        with ArchiveWriter(rebuilt, header) as archive:
            for state in _first_states(before, settings.partitions):
                done = await _rebuild_partition(cluster, state, catalogues, offsets, letters_gone=letters_gone)
                archive.add(done.state, 0)
            archive.finish()
        if dry_run:
            progress("nothing was changed: this was a dry run")
            return
        await write_changelog(cluster, Archive(rebuilt), replace=replace)
    progress("rebuilt: start the workers")


async def _rebuild_partition(
    cluster: Cluster,
    state: PartitionState,
    catalogues: Mapping[int, Catalogue],
    offsets: Mapping[int, int],
    *,
    letters_gone: bool,
) -> RebuiltPartition:
    partition, checkpoint = state.partition, state.checkpoint
    begin, end = (await cluster.bounds(cluster.inputs))[partition]
    start = 0 if checkpoint is None else checkpoint.next_offset
    if begin > start:
        raise RepairError(
            f"partition {partition}: the inputs from offset {start} to {begin - 1} are gone; a newer backup is needed"
        )
    published = await read_published(cluster, partition)
    floor = _floor(start, offsets.get(partition), published)
    if floor > end:
        raise RepairError(
            f"partition {partition}: inputs up to offset {floor} had outcomes, {cluster.inputs} ends at {end}: it lost"
            " its end, or these are the inputs of another cluster"
        )
    rebuild = PartitionRebuild(
        state, catalogues, published, floor, cluster.settings.partitions, letters_may_be_gone=letters_gone
    )
    async for records in cluster.records(cluster.inputs, partition, start, end):
        for record in records:
            rebuild.decide(record)
    done = rebuild.finish()
    progress(
        f"partition {partition}: inputs {start} to {rebuild.next_offset}, {done.decided} decided again, {done.refused}"
        f" refused then; {len(done.state.rows)} rows, all balances as published"
    )
    if done.unsure_calls:
        progress(
            f"partition {partition}: {done.unsure_calls} open calls started while one plan catalogue followed another;"
            " they are charged by the earlier one"
        )
    return done


def _floor(start: int, group_offset: int | None, published: Published) -> int:
    """The offset below which every input was decided: the group has passed it, or a later input has a dead letter."""
    return max(start, group_offset or 0, max(published.letters, default=-1) + 1)


def _first_states(before: Archive | None, partitions: int) -> Iterator[PartitionState]:
    if before is None:
        yield from map(PartitionState, range(partitions))
    else:
        yield from (state for _, state in before.states())


def _catalogues(paths: Sequence[Path | None], currencies: Path | None) -> dict[int, Catalogue]:
    """The catalogues by version. Raises CatalogueError, and RepairError if two have the same version."""
    found: dict[int, Catalogue] = {}
    for path in paths:
        catalogue = load_catalogue(path, currencies)
        if catalogue.version in found:
            raise RepairError(f"{path}: another of the given catalogues has version {catalogue.version} too")
        found[catalogue.version] = catalogue
    return found

"""How restore and rebuild write a whole state into the changelog: each partition in one transaction."""

from schemas.rows import CHECKPOINT_KEY
from stream.lane.transaction import Entry
from stream.repair.archive import Archive, Header
from stream.repair.cluster import Cluster
from stream.repair.failure import RepairError, progress
from stream.settings import Settings


def check_header(archive: Archive, settings: Settings) -> None:
    """Check that the backup has the app id, prefix and partitions of the settings. Raises RepairError."""
    wanted = Header(archive.header.format, settings.app_id, settings.topic_prefix, settings.partitions)
    for name, variable in (
        ("app_id", "TOLLGATE_APP_ID"),
        ("topic_prefix", "TOLLGATE_TOPIC_PREFIX"),
        ("partitions", "TOLLGATE_PARTITIONS"),
    ):
        has, is_set = getattr(archive.header, name), getattr(wanted, name)
        if has != is_set:
            raise RepairError(f"{archive.path} is of {name} {has!r}, {variable} is {is_set!r}")


async def check_may_write(cluster: Cluster, *, replace: bool) -> None:
    """Check that no worker runs and, unless `replace`, that no state would be overwritten. Raises RepairError."""
    await cluster.require_no_workers()
    if not replace and not await cluster.changelog_is_untouched():
        raise RepairError(
            f"{cluster.changelog} is not empty: its state would be mixed with this one. Back it up if it can still be"
            " read; --replace deletes it and creates it again"
        )


async def write_changelog(cluster: Cluster, archive: Archive, *, replace: bool) -> None:
    """Write each partition's rows, byte for byte, with its checkpoint last, and commit its offset to the group.

    With `replace` the changelog is first deleted and created again: from then on the file is the only copy of the
    state. On return every row is readable.
    """
    if replace and await cluster.exists(cluster.changelog):
        progress(f"deleting {cluster.changelog}")
        await cluster.delete_changelog()
    await cluster.create_changelog()
    writers = await cluster.writers()
    await check_may_write(cluster, replace=False)
    for part, state in archive.states():
        checkpoint = state.checkpoint
        if checkpoint is None:
            progress(f"partition {part.partition}: nothing to write")
            continue
        own_row = state.rows.pop(CHECKPOINT_KEY)
        entries: list[Entry] = [(key.encode(), value, []) for key, value in state.rows.items()]
        entries.append((CHECKPOINT_KEY.encode(), own_row, []))
        await writers[part.partition].commit({cluster.changelog: entries}, checkpoint.next_offset)
        progress(f"partition {part.partition}: {len(entries)} rows written, next input {checkpoint.next_offset}")
    await cluster.wait_until_readable(cluster.changelog)

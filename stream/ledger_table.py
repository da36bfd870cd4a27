"""The account table: rows in memory, one dictionary a partition, restored from the changelog before anything flows."""

import asyncio
import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NoReturn

import faust
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faust.types import TP

from schemas.rows import CorruptRowError
from stream import log
from stream.fail_stop import halt
from stream.transaction import PartitionWriter

logger = log.get("table")

CheckRow = Callable[[bytes, bytes, bytes | None], None]

FETCH_BYTES = 8 << 20
POLL_MS = 200
STUCK_AFTER_S = 30.0


@dataclass(slots=True)
class LedgerPartition:
    """One partition this worker owns: its rows as committed, who writes them, and the next input offset."""

    rows: dict[str, bytes] = field(default_factory=dict)
    writer: PartitionWriter | None = None
    next_offset: int = -1
    changelog_end: int = -1
    open: bool = False


class LedgerTable(faust.Table):  # type: ignore[misc]  # Faust has no types
    """A table whose rows change only by a committed transaction (`apply`)."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.owned: dict[int, LedgerPartition] = {}

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Faust waits for this before anything flows. Raises nothing: what goes wrong here ends the worker."""
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        self.app.forget_fetched()
        wanted = {tp.partition for tp in assigned if self.app.is_input(tp)}
        for partition in set(self.owned) - wanted:
            await self._give_up(partition)
        # Each partition is fenced anew, also one that was ours before: while this worker was away for a moment another
        # one may have had it. Its rows are still true when the group stands where they do.
        known = {partition: mine.next_offset for partition, mine in self.owned.items()}
        await asyncio.gather(*(self._take_over(partition) for partition in wanted))
        stale = {p for p in wanted if known.get(p, -1) < 0 or known[p] != self.owned[p].next_offset}
        await self._restore(sorted(stale))
        self.app.on_owned(wanted)

    async def _take_over(self, partition: int) -> None:
        """Shut out whoever wrote for the partition, then read where the group stands: -1 when nothing is committed."""
        mine = self.owned.setdefault(partition, LedgerPartition())
        if mine.writer is not None:
            await mine.writer.close()
        mine.writer = await self.app.new_writer(partition)
        await mine.writer.fence()
        committed = await mine.writer.committed_offset()
        mine.next_offset = -1 if committed is None else committed

    async def _give_up(self, partition: int) -> None:
        mine = self.owned.pop(partition)
        self._close(partition, mine)
        if mine.writer is not None:
            await mine.writer.close()

    def _close(self, partition: int, mine: LedgerPartition) -> None:
        if mine.open:
            self.app.wallets.close(partition)
        mine.open = False
        mine.rows.clear()

    async def _restore(self, partitions: list[int]) -> None:
        began = monotonic()
        for partition in partitions:
            self._close(partition, self.owned[partition])
        rows = await Restore(self.app, self.owned, partitions).run()
        for partition in partitions:
            mine = self.owned[partition]
            self.app.wallets.open(partition, mine.rows)
            mine.open = True
        # Rows stay until they are replaced: the collector need not look at them.
        gc.freeze()
        seconds = monotonic() - began
        self.app.metrics.restored(rows, seconds)
        logger.info("restored", partitions=partitions, rows=rows, seconds=round(seconds, 3))

    def apply(self, partition: int, rows: list[tuple[str, bytes | None]]) -> None:
        """Take over what a transaction has committed. The only way a row changes."""
        mine = self.owned[partition].rows
        for key, value in rows:
            if value is None:
                mine.pop(key, None)
            else:
                mine[key] = value

    def persisted_offset(self, tp: TP) -> int | None:
        """The last offset restored, so that Faust's own recovery, a record at a time, finds nothing left to do."""
        mine = self.owned.get(tp.partition)
        return None if mine is None else mine.changelog_end - 1

    def on_key_set(self, key: Any, value: Any) -> NoReturn:  # noqa: ARG002 Faust's signature
        raise RuntimeError(f"{self.name}: a row changes only in a batch's transaction")

    def on_key_del(self, key: Any) -> NoReturn:  # noqa: ARG002 Faust's signature
        raise RuntimeError(f"{self.name}: a row changes only in a batch's transaction")


class Restore:
    """Reads changelog partitions from their beginning to their end into the rows, checking each."""

    def __init__(self, app: Any, owned: Mapping[int, LedgerPartition], stale: list[int]) -> None:
        self._app = app
        self._check_row: CheckRow = app.check_row
        self._owned = {TopicPartition(app.changelog, partition): mine for partition, mine in owned.items()}
        self._stale = [TopicPartition(app.changelog, partition) for partition in stale]
        self._heartbeat_s = app.conf.broker_heartbeat_interval

    async def run(self) -> int:
        """The number of records read. A row that cannot be trusted, or an end not reached, ends the worker."""
        if not self._owned:
            return 0
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._app.settings.bootstrap_servers,
            client_id=f"{self._app.conf.id}-restore",
            isolation_level="read_committed",
            enable_auto_commit=False,
            # With `latest` a reset races the seek, and the table comes back empty without a word.
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await consumer.start()
        try:
            await self._place_inputs(consumer)
            ends = await consumer.end_offsets(list(self._owned))
            for place, end in ends.items():
                self._owned[place].changelog_end = end
            if not self._stale:
                return 0
            consumer.assign(self._stale)
            await consumer.seek_to_beginning(*self._stale)
            return await self._read(consumer, {place: ends[place] for place in self._stale})
        finally:
            await consumer.stop()

    async def _place_inputs(self, consumer: AIOKafkaConsumer) -> None:
        """With nothing committed a partition begins at its beginning; one whose next input is gone is refused."""
        inputs = {TopicPartition(self._app.input_topic, place.partition): mine for place, mine in self._owned.items()}
        beginnings = await consumer.beginning_offsets(list(inputs))
        for place, mine in inputs.items():
            if mine.next_offset < 0:
                mine.next_offset = beginnings[place]
            elif mine.next_offset < beginnings[place]:
                halt(
                    "inputs were deleted before they were processed",
                    topic=place.topic,
                    partition=place.partition,
                    next_offset=mine.next_offset,
                    first_offset_kept=beginnings[place],
                )

    async def _read(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> int:
        count, moved_at, beat_at = 0, monotonic(), monotonic()
        behind = {place for place, end in ends.items() if end > 0}
        while behind:
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            for place, records in fetched.items():
                self._take(self._owned[place].rows, records)
                count += len(records)
                moved_at = monotonic()
                if moved_at - beat_at > self._heartbeat_s:
                    beat_at = moved_at
                    await self._app.consumer.keep_alive()
                await asyncio.sleep(0)
            if monotonic() - moved_at > STUCK_AFTER_S:
                halt("the changelog's end was not reached", missing={str(p): ends[p] for p in behind})
            behind = {place for place in behind if await consumer.position(place) < ends[place]}
        return count

    def _take(self, rows: dict[str, bytes], records: list[ConsumerRecord]) -> None:
        check_row = self._check_row
        for record in records:
            key, value = record.key, record.value
            try:
                name = key.decode()
                if value is None:
                    rows.pop(name, None)
                else:
                    check_row(key, value, rows.get(name))
                    rows[name] = value
            except (CorruptRowError, UnicodeDecodeError, AttributeError) as error:
                halt(
                    "a row of the changelog cannot be trusted",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                    error=str(error),
                )

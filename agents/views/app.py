"""The views' app: one Faust agent for each topic, one group, and Redis behind them.

call-decisions, charges, ledger-entries, alerts, refills, invoices, account-snapshots --> agents --> Redis
dead-letters --> their position alone
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import faust
from faust.types import TP

from agents.views import consumer, layout
from agents.views.keeper import Keeper
from agents.views.layout import Limits, UnreadableEventError, Write
from agents.views.metrics import Metrics
from agents.views.settings import Settings
from agents.views.store import PIPELINE_WRITES_MAX, LostError, Store
from schemas.batch import UnreadableRecord
from stream import log
from stream.failures import fail
from stream.lane import transport
from stream.lane.buffer import Batch, PartitionBuffer
from stream.lane.recovery import Tables
from stream.redis_connection import AwayError
from stream.topology import faust_settings

logger = log.get("views")

FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 1.0
COMMIT_S = 2.0


class TopicBuffer(PartitionBuffer):
    """The fetched records of one partition of one topic."""

    def __init__(self, tp: TP, batch_max: int, buffer_max: int) -> None:
        super().__init__(tp.partition, batch_max, buffer_max)
        self.tp = tp


class Views(faust.App):  # type: ignore[misc]  # Faust has no types
    """A Faust app that reads from positions in Redis, and ends the process on any error that does not pass."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings, self.store = settings, store
        self.contract_names = {settings.topic(name): name for name in layout.TOPICS}
        self.buffers: dict[TP, TopicBuffer] = {}
        # How far each partition of each topic is in Redis, and what of that was committed to the group.
        self.applied: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}
        self.assigned: frozenset[TP] | None = None
        self.taken_over = False  # Required by the transport; positions are the keeper's.
        self._greatest_ms = 0
        self.keeper = Keeper(self, store)
        self.metrics = Metrics(self.keeper.shown_up_to)
        super().__init__(settings.group, **{**faust_settings(settings), "Table": faust.Table, "TableManager": Tables})

    @property
    def ready(self) -> bool:
        """Whether partitions are assigned (be it none), Redis answers, and what is assigned has caught up."""
        return self.assigned is not None and self.keeper.ready and not self.should_stop

    def partitions(self) -> set[int]:
        return {tp.partition for tp in self.assigned or ()}

    def keep(self) -> Limits:
        """What is kept now: by the wall clock, or in a simulation by the greatest time of an event so far."""
        now_ms = self._greatest_ms if self.settings.simulation else time.time_ns() // 1_000_000
        return layout.limits(self.settings.views_keep_days, self.settings.views_keep_rows, now_ms)

    def on_assigned(self, assigned: Iterable[TP]) -> None:
        self.assigned = frozenset(assigned)
        self.metrics.partitions.set(len(self.partitions()))
        logger.info("partitions assigned", partitions=sorted(self.partitions()))

    def open_buffers(self, starts: Mapping[TP, int]) -> None:
        """Begin with empty buffers at these positions."""
        limit = self.settings.buffer_records_max
        self.buffers = {tp: TopicBuffer(tp, PIPELINE_WRITES_MAX, limit) for tp in starts}
        self.applied, self._committed = dict(starts), {}

    def forget_fetched(self) -> None:
        for buffer in self.buffers.values():
            buffer.close()

    async def finish_batches(self) -> None:
        """Start no new batch, wait for those under way, and commit what they have read."""
        self.forget_fetched()
        while any(buffer.under_way for buffer in self.buffers.values()):  # noqa: ASYNC110 a rare wait, one event less
            await asyncio.sleep(0.002)
        try:
            await asyncio.wait_for(self.commit_read(), COMMIT_S)
        except TimeoutError:
            logger.debug("offsets are committed by the next reader")

    async def commit_read(self) -> None:
        """Commit the group's offsets of what Redis has."""
        changed = {tp: at for tp, at in self.applied.items() if self._committed.get(tp) != at}
        if changed:
            await self.consumer.commit_read(changed)
            self._committed |= changed

    def read_without_records(self, places: Iterable[TP], read_to: Mapping[TP, int]) -> None:
        """These were read up to `read_to` and had no record, only markers of transactions."""
        for tp in places:
            buffer = self.buffers.get(tp)
            if buffer is not None and tp in read_to and not (buffer.waiting or buffer.under_way or buffer.closed):
                self.applied[tp] = max(self.applied[tp], read_to[tp])

    async def serve(self, buffer: TopicBuffer) -> None:
        """Write everything that has gathered, batch by batch."""
        if buffer.served:
            return
        buffer.served = True
        while not buffer.closed and (batch := buffer.take()) is not None:
            buffer.under_way = True
            try:
                await self._write(buffer, batch)
            finally:
                buffer.under_way = False
        buffer.served = False

    async def _write(self, buffer: TopicBuffer, batch: Batch) -> None:
        """Write a batch, again and again while Redis is away, until it is in Redis or is another reader's."""
        tp, pause_s, began_s = buffer.tp, FIRST_PAUSE_S, time.monotonic()
        topic = self.contract_names[tp.topic]
        writes = self._writes(topic, batch)
        while not buffer.closed:
            try:
                if writes:
                    run_id = await self.store.write(topic, tp.topic, tp.partition, writes, self.keep())
                    self.keeper.check_source(run_id)
                await self.store.advance(self.keeper.epoch, {layout.position_field(*tp): batch.end})
            except AwayError as error:
                self.keeper.redis_is_away(error)
                await asyncio.sleep(pause_s)
                pause_s = min(LAST_PAUSE_S, pause_s * 2)
            except LostError as error:
                if not buffer.closed:
                    self.keeper.begin_again(str(error))
            else:
                self._wrote(buffer, batch, time.monotonic() - began_s)
                return

    def _wrote(self, buffer: TopicBuffer, batch: Batch, seconds: float) -> None:
        tp = buffer.tp
        self.keeper.redis_answers()
        self.metrics.records.labels(self.contract_names[tp.topic]).inc(len(batch.records))
        self.metrics.batch_records.observe(len(batch.records))
        self.metrics.write_seconds.observe(seconds)
        if self.buffers.get(tp) is buffer:
            self.applied[tp] = batch.end
        place = {"topic": tp.topic, "partition": tp.partition, "next_offset": batch.end}
        logger.debug("batch", **place, records=len(batch.records), seconds=round(seconds, 4))

    def _writes(self, topic: str, batch: Batch) -> list[Write]:
        writes = []
        for record in batch.records:
            try:
                if isinstance(record, UnreadableRecord):
                    raise UnreadableEventError("it cannot be decoded")  # noqa: TRY301 both are handled alike
                write = layout.write_of(topic, record.offset, record.key, record.value)
            except UnreadableEventError as error:
                self.metrics.unreadable.labels(topic).inc()
                place = {"topic": topic, "partition": batch.partition, "offset": record.offset}
                logger.warning("a record was skipped: Tollgate did not write it", **place, error=str(error)[:200])
                continue
            if write is not None:
                self._greatest_ms = max(self._greatest_ms, write.occurred_ms)
                writes.append(write)
        return writes

    def _create_directories(self) -> None:
        """No directories: state is in Redis and in the log."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:  # noqa: ARG002 Faust's signature
        """End the process; Faust would ack the batch and go on."""
        fail("an agent of the views failed", exc)

    def _crash(self, reason: BaseException) -> None:
        fail("a part of the views failed", reason)


def build_app(settings: Settings, store: Store) -> Views:
    """Build the views' app, one per process."""
    consumer.register()
    app = Views(settings, store)
    for name, contract_name in app.contract_names.items():
        events = app.topic(name, partitions=settings.partitions, acks=False, schema=transport.Undecoded())
        app.agent(events, name=f"views-{contract_name}", isolated_partitions=True)(_agent(app))
    app.service(app.keeper)
    return app


def _agent(app: Views) -> Any:
    async def views(wake_ups: Any) -> None:
        async for buffer in wake_ups:
            await app.serve(buffer)

    return views

"""Faust's consumer for the views: the records of a partition as one message, from positions that Redis remembers.

The worker's transport (`stream/lane/transport.py`) with many topics in place of one. Decision 0050 says why Faust's own
consumer does not do.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import TRANSPORTS
from faust.types import TP, ConsumerMessage

from stream import log
from stream.lane import record_batches, transport
from stream.lane.buffer import Batch

logger = log.get("views")


class ViewsConsumerThread(transport.BatchConsumerThread):
    """Also keeps how far each partition of each topic was read, behind records and markers alike."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.read_to: dict[TP, int] = {}

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 Faust's signature
        max_records: int | None = None,
    ) -> Mapping[TP, tuple[int, Batch]]:
        found = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        self.read_to = {TP(*place): at for place, at in self._positions(consumer, active_partitions).items()}
        return found

    async def commit_read(self, offsets: Mapping[TP, int]) -> None:
        """Commit for those who watch the group's lag. Reading begins at Redis's positions, so a commit may be lost."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(at, "") for tp, at in offsets.items() if tp in assigned}
        try:
            if wanted:
                await consumer.commit(wanted)
        except (KafkaError, IllegalStateError) as error:
            logger.debug("offsets are committed later", error=repr(error))


class ViewsConsumer(transport.BatchConsumer):
    """Delivers the buffer of a partition each time it becomes non-empty. Positions are set by the app's keeper."""

    thread_class = ViewsConsumerThread

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        buffers = self.app.buffers
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if not self.positioned.is_set():
            await self.sleep(transport.SHORT_POLL_S)
            return
        active = {tp for tp in self._get_active_partitions() if tp in buffers}
        wanted = {tp for tp in active if not buffers[tp].full}
        if not wanted:
            await self.sleep(transport.SHORT_POLL_S if active else transport.IDLE_S)
            return
        generation = self.app.consumer_generation_id
        try:
            fetched = await self._thread.getmany(wanted, timeout if wanted == active else transport.SHORT_POLL_S)
        except OffsetOutOfRangeError as error:
            self.app.keeper.begin_again(f"the log does not have an offset: {error}")
            return
        for tp, (seeks, batch) in fetched.items():
            if not self._current(generation, seeks) or self.app.buffers is not buffers:
                return
            if buffers[tp].put(batch):
                yield tp, self._wake_up(tp, batch, buffers[tp])
        if self._current(generation, self._thread.seeks) and self.app.buffers is buffers:
            self.app.read_without_records(wanted - fetched.keys(), self._thread.read_to)

    async def perform_seek(self) -> None:
        """Have the keeper set the positions. Faust bounds this call, and Redis may be away for longer."""
        self.app.keeper.take_over()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        await super().on_partitions_assigned(assigned, generation_id)
        self.app.on_assigned(assigned)

    @property
    def assignments(self) -> int:
        """Grows with each assignment that begins or ends."""
        return self._assignments

    async def seek_all(self, offsets: Mapping[TP, int]) -> None:
        """Read on at `offsets`, unless the assignment ends meanwhile. What was fetched before is not used."""
        assignments = self._assignments
        await self._thread.call_thread(
            self._thread.seek_inputs, {TopicPartition(*tp): at for tp, at in offsets.items()}, ()
        )
        for tp, at in offsets.items():
            self._read_offset[tp] = at
        if assignments == self._assignments:
            self.positioned.set()

    async def commit_read(self, offsets: Mapping[TP, int]) -> None:
        await self._thread.call_thread(self._thread.commit_read, offsets)


class Transport(transport.Transport):
    Consumer = cast("Any", ViewsConsumer)


def register() -> None:
    """Register the scheme of the worker's broker URLs for this process, which is no worker."""
    record_batches.install()
    TRANSPORTS[transport.SCHEME] = f"{__name__}:{Transport.__name__}"

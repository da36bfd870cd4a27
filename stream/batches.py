"""A transport that hands on what has gathered of a partition instead of one record after another: group commit.

Faust pays about 180 microseconds for each message, so a message here is a wake-up: it carries the partition's buffer.
The agent takes all that the buffer holds; what arrives while it commits gathers for the next batch. Batches are then
small when little happens (low latency) and large under load (high throughput), with nothing to tune.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from stream.fail_stop import halt

SCHEME = "tollgate"
# A long poll is answered when any partition has news, so this bounds only how long a partition left out of a poll,
# because its buffer was full or it had just been read, waits for the next one.
FETCH_MAX_WAIT_MS = 100
FETCH_PARTITION_BYTES = 1 << 20
SHORT_POLL_S = 0.02
IDLE_S = 0.2


@dataclass(slots=True)
class Batch:
    """Records of one partition in log order: the log from `begin` to before `end`.

    Offsets that hold no record (transaction markers, compacted or aborted records) may lie between them.
    """

    partition: int
    begin: int
    end: int
    records: list[ConsumerRecord]
    highwater: int


class PartitionBuffer:
    """What was fetched of one partition and not yet taken. At most one batch of it is under way at a time."""

    def __init__(self, partition: int, batch_records_max: int, buffer_records_max: int) -> None:
        self.partition = partition
        self.waiting = 0
        self.under_way = False
        self.commits = 0  # Only ever grows: the watchdog compares.
        self._batch_records_max = batch_records_max
        self._buffer_records_max = buffer_records_max
        self._fetched: deque[Batch] = deque()

    def put(self, batch: Batch) -> bool:
        """Append; true when the agent must be woken, because the buffer was empty."""
        wake = not self._fetched
        self._fetched.append(batch)
        self.waiting += len(batch.records)
        return wake

    @property
    def full(self) -> bool:
        return self.waiting >= self._buffer_records_max

    def take(self) -> Batch | None:
        """Everything that has gathered, up to the most records a batch may have; None when nothing has."""
        if not self._fetched:
            return None
        batch = self._fetched.popleft()
        if len(batch.records) > self._batch_records_max:
            batch, rest = _split(batch, self._batch_records_max)
            self._fetched.appendleft(rest)
        while self._fetched and len(batch.records) + len(self._fetched[0].records) <= self._batch_records_max:
            following = self._fetched.popleft()
            if following.begin != batch.end:
                halt(
                    "fetched records do not follow one another",
                    partition=self.partition,
                    expected_offset=batch.end,
                    offset=following.begin,
                )
            batch.records.extend(following.records)
            batch.end, batch.highwater = following.end, following.highwater
        self.waiting -= len(batch.records)
        return batch

    def clear(self) -> None:
        self._fetched.clear()
        self.waiting = 0


def _split(batch: Batch, count: int) -> tuple[Batch, Batch]:
    cut = batch.records[count].offset
    return (
        Batch(batch.partition, batch.begin, cut, batch.records[:count], batch.highwater),
        Batch(batch.partition, cut, batch.end, batch.records[count:], batch.highwater),
    )


class Undecoded(faust.Schema):  # type: ignore[misc]  # Faust has no types
    """Hands a message's value to the agent as it is: our own code decodes, so that no record is acked as unreadable."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 Faust's signature
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 Faust's signature
        return message.value


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust has no types
    """Fetches, and tells with the records of each partition which stretch of the log they are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Grows with every seek: what was drained before one is not what follows it.
        self.seeks = 0
        # Where a stretch began of which no record has been seen yet, only markers.
        self._skipped_from: dict[TopicPartition, int] = {}

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = self.app.assignor
        return AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # Positions are set by us alone; one that the broker does not have means that records are gone: an error.
            auto_offset_reset="none",
            max_poll_records=None,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
        )

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 Faust's signature
        max_records: int | None = None,
    ) -> Mapping[TP, tuple[int, Batch]]:
        before = self._positions(consumer, active_partitions)
        drained = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        after = self._positions(consumer, active_partitions)
        found = {}
        for place, begin in before.items():
            records = drained.get(place)
            if records:
                begin = self._skipped_from.pop(place, begin)  # noqa: PLW2901 the stretch begins earlier
                end = after.get(place, records[-1].offset + 1)
                highwater = consumer.highwater(place) or end
                found[driver.ensure_TPset([place]).pop()] = (
                    self.seeks,
                    Batch(place.partition, begin, end, records, highwater),
                )
            elif after.get(place, begin) > begin:
                self._skipped_from.setdefault(place, begin)
        return found

    def _positions(self, consumer: AIOKafkaConsumer, places: Iterable[TP]) -> dict[TopicPartition, int]:
        subscription = consumer._subscription.subscription  # noqa: SLF001 checked at start
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return {}
        states = {
            place: assignment.state_value(place)
            for place in (TopicPartition(place.topic, place.partition) for place in places)
        }
        return {place: state.position for place, state in states.items() if state and state.has_valid_position}

    async def seek_inputs(self, offsets: Mapping[TopicPartition, int], paused: Iterable[TopicPartition]) -> None:
        """Set the position of each input partition, and never fetch the `paused` ones. Runs in this thread's loop."""
        consumer = self._ensure_consumer()
        self.seeks += 1
        self._skipped_from.clear()
        consumer.pause(*paused)
        for place, offset in offsets.items():
            consumer.seek(place, offset)

    async def heartbeat(self) -> None:
        """Keep this worker in the group while a long restore holds up the rebalance callback, where none is sent."""
        await self._ensure_consumer()._coordinator._do_heartbeat()  # noqa: SLF001 checked at start


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # Faust has no types
    """Faust's consumer, with one message for each time a partition's buffer stops being empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # From a rebalance until positions are set anew nothing is handed on: it could belong to another assignment.
        self.positioned = asyncio.Event()

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        buffers: Mapping[int, PartitionBuffer] = self.app.buffers
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if not self.positioned.is_set():
            await self.sleep(SHORT_POLL_S)
            return
        active = {tp for tp in self._get_active_partitions() if tp.partition in buffers and self.app.is_input(tp)}
        wanted = {tp for tp in active if not buffers[tp.partition].full}
        if not wanted:
            await self.sleep(SHORT_POLL_S if active else IDLE_S)
            return
        generation = self.app.consumer_generation_id
        try:
            fetched = await self._thread.getmany(wanted, timeout if wanted == active else SHORT_POLL_S)
        except OffsetOutOfRangeError as error:
            halt("inputs were deleted before they were processed, or the log lost its end", error=str(error))
        for tp, (seeks, batch) in fetched.items():
            if not self._current(generation, seeks):
                return
            if buffers[tp.partition].put(batch):
                yield tp, self._wake_up(tp, batch, buffers[tp.partition])

    def _current(self, generation: int, seeks: int) -> bool:
        return (
            self.flow_active
            and self.positioned.is_set()
            and generation == self.app.consumer_generation_id
            and seeks == self._thread.seeks
        )

    def _wake_up(self, tp: TP, batch: Batch, buffer: PartitionBuffer) -> ConsumerMessage:
        first = batch.records[0]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            first.offset,
            first.timestamp / 1000.0,
            first.timestamp_type,
            (),
            None,
            buffer,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.positioned.clear()
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Begin where the group stands, as read after the fence; Faust would use what it read before."""
        offsets = self.app.next_offsets()
        paused = {TopicPartition(tp.topic, tp.partition) for tp in self.assignment() if not self.app.is_input(tp)}
        await self._thread.call_thread(self._thread.seek_inputs, offsets, paused)
        for place, offset in offsets.items():
            self._read_offset[TP(*place)] = offset
        self.positioned.set()

    async def keep_alive(self) -> None:
        """Send one heartbeat."""
        await self._thread.call_thread(self._thread.heartbeat)

    async def wait_empty(self) -> None:
        """At a rebalance and at the end: nothing new begins, and what is under way is committed."""
        self.positioned.clear()
        await self.app.finish_batches()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust looks here for partitions that stand still, by acks, which we do not use: our own watchdog does."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Never: offsets are committed by the transactions alone."""
        return False


class Transport(driver.Transport):  # type: ignore[misc]  # Faust has no types
    Consumer = cast("Any", BatchConsumer)


def register() -> None:
    """Make `tollgate://` a broker URL of Faust's."""
    TRANSPORTS[SCHEME] = f"{__name__}:{Transport.__name__}"

"""A transport for group commit: it delivers the gathered records of a partition instead of single records.

Faust spends about 180 microseconds on each message, so a message here is a wake-up that carries the partition's buffer.
The agent takes all records in the buffer; records that arrive while it commits gather for the next batch. So batches
are small under low load (low latency) and large under high load (high throughput), without tuning.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from stream.fail_stop import Exit, halt
from stream.lane import record_batches
from stream.lane.buffer import Batch, PartitionBuffer, size_bytes
from stream.membership import GroupMember

SCHEME = "tollgate"
# A long poll returns when any partition has records. So this only bounds how long a partition that was left out of a
# poll, because its buffer was full or it had just been read, waits for the next poll.
FETCH_MAX_WAIT_MS = 100
FETCH_PARTITION_BYTES = 1 << 20
# Maximum records per poll, of all partitions, so that decoding at once has a bound even for tiny records.
RECORDS_PER_POLL_MAX = 4_000
SHORT_POLL_S = 0.02
IDLE_S = 0.2


class Undecoded(faust.Schema):  # type: ignore[misc]  # Faust has no types
    """Passes a message's value to the agent undecoded. Our own code decodes, so Faust acks no record as unreadable."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 Faust's signature
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 Faust's signature
        return message.value


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust has no types
    """Fetches records and returns those of each partition with the stretch of the log they cover."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Grows with every seek: records drained before a seek must not be used after it.
        self.seeks = 0
        self._sought: dict[TopicPartition, int] = {}
        # The offset up to which each input partition was fetched, for the watchdog.
        self.fetched_to: dict[int, int] = {}
        # Where a stretch began that has had only markers so far and no record.
        self._skipped_from: dict[TopicPartition, int] = {}

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:  # noqa: ARG002 Faust's signature
        conf = self.app.conf
        self._assignor = self.app.assignor
        return GroupMember(
            **self.app.settings.connection.options,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # Only our own code sets positions. A position that the broker does not have means that records are gone.
            auto_offset_reset="none",
            max_poll_records=RECORDS_PER_POLL_MAX,
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
        seeks, before = self.seeks, self._positions(consumer, active_partitions)
        try:
            drained = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        except NoOffsetForPartitionError:
            # The group has no offset for a new partition. None is needed: positions are set before consumption begins.
            if seeks == self.seeks and self.consumer.positioned.is_set():
                raise
            drained = {}
        if seeks != self.seeks:
            # This fetch waited through a rebalance, so its caller no longer uses the result.
            self._seek_again(consumer)
            return {}
        after = self._positions(consumer, active_partitions)
        self.fetched_to |= {place.partition: position for place, position in after.items()}
        found = {}
        for place, begin in before.items():
            records = drained.get(place)
            if records:
                begin = self._skipped_from.pop(place, begin)  # noqa: PLW2901 the stretch begins earlier
                end = after.get(place, records[-1].offset + 1)
                found[driver.ensure_TPset([place]).pop()] = (
                    self.seeks,
                    Batch(place.partition, begin, end, records, size_bytes(records)),
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
        self._sought = dict(offsets)
        consumer.pause(*paused)
        self._seek_again(consumer)

    def _seek_again(self, consumer: AIOKafkaConsumer) -> None:
        self._skipped_from.clear()
        self.fetched_to = {place.partition: offset for place, offset in self._sought.items()}
        assigned = consumer.assignment()
        for place, offset in self._sought.items():
            if place in assigned:
                consumer.seek(place, offset)

    async def heartbeat(self) -> None:
        """Send a heartbeat, to stay in the group while a long restore delays the rebalance callback, which sends
        none.
        """
        await self._ensure_consumer()._coordinator._do_heartbeat()  # noqa: SLF001 checked at start


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # Faust has no types
    """Faust's consumer, with one message each time the buffer of a partition becomes non-empty."""

    thread_class = BatchConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Set when positions are set. From a rebalance until then nothing is delivered: it may be of another assignment.
        self.positioned = asyncio.Event()
        self._assignments = 0  # Grows with each assignment that begins or ends.

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return self.thread_class(self, loop=self.loop, beacon=self.beacon)

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
            halt(
                "inputs were deleted before they were processed, or the log lost its end",
                status=Exit.PERSON,
                error=str(error),
            )
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
            None,
            (),
            None,
            buffer,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._clear_positions()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._clear_positions()
        await super().on_partitions_assigned(assigned, generation_id)

    def _clear_positions(self) -> None:
        self._assignments += 1
        self.app.taken_over = False
        self.positioned.clear()

    async def perform_seek(self) -> None:
        """Seek to the start offsets, as determined after the fence. Faust would use offsets it read before.

        Faust does not notice that another rebalance has begun, and then calls this for the previous assignment. Nothing
        may be fetched then: aiokafka would begin at the group's offset, or fail where the group has none.
        """
        if not self.app.taken_over:
            return
        assignments = self._assignments
        offsets = self.app.next_offsets()
        paused = {TopicPartition(tp.topic, tp.partition) for tp in self.assignment() if not self.app.is_input(tp)}
        await self._thread.call_thread(self._thread.seek_inputs, offsets, paused)
        for place, offset in offsets.items():
            self._read_offset[TP(*place)] = offset
        if assignments == self._assignments:
            self.positioned.set()

    def fetched_to(self, partition: int) -> int | None:
        """The offset up to which the partition was fetched, None until its position is set."""
        return cast("int | None", self._thread.fetched_to.get(partition))

    async def keep_alive(self) -> None:
        """Send one heartbeat."""
        await self._thread.call_thread(self._thread.heartbeat)

    async def wait_empty(self) -> None:
        """Start no new batch and wait until those under way are committed, at a rebalance and at the end."""
        self.positioned.clear()
        await self.app.finish_batches()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """No check: Faust detects stalled partitions by acks, which are not used here. Our own watchdog detects
        them.
        """

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Never commit: only the transactions commit offsets."""
        return False


class Producer(driver.Producer):  # type: ignore[misc]  # Faust has no types
    """Faust's producer, on the same connection as every other client."""

    def _settings_auth(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.app.settings.connection.options)


class Transport(driver.Transport):  # type: ignore[misc]  # Faust has no types
    Consumer = cast("Any", BatchConsumer)
    Producer = cast("Any", Producer)


def register() -> None:
    """Register `tollgate://` as a broker URL with Faust, and install the robust reading of record batches."""
    record_batches.install()
    TRANSPORTS[SCHEME] = f"{__name__}:{Transport.__name__}"

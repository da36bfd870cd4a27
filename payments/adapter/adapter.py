"""The adapter: joins the consumer group and runs one task for each assigned partition."""

import asyncio
import time
from collections import Counter

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from msgspec.json import encode

from payments.adapter import topics
from payments.adapter.changes import WebhookNote
from payments.adapter.metrics import Metrics
from payments.adapter.partition import Partition
from payments.outcome import Provider, ProviderAccessError, Why
from payments.settings import Settings
from schemas.partitioning import partition_of
from stream import log
from stream.broker_link import BrokerLink, close_in_time, give_up_after_s
from stream.fail_stop import Exit, halt
from stream.failures import fail, fail_without_access
from stream.lane import record_batches
from stream.lane.commit_errors import CommitError, FencedError, end
from stream.lane.transaction import PartitionWriter
from stream.membership import sharing_member

logger = log.get("payments")

FETCH_BYTES = 1 << 20
COMMIT_NOTES_S = 5.0


class Adapter(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """A group member without a fetcher: each assigned partition reads and writes by itself."""

    def __init__(self, settings: Settings, provider: Provider) -> None:
        self.metrics = Metrics(self._open_count, self._oldest_open_s, self._refused)
        record_batches.install()
        self._settings, self._provider = settings, provider
        self._slots = asyncio.Semaphore(settings.payments_in_flight_max)
        self._partitions: dict[int, Partition] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._joined, self._stopping = False, False
        self._member = sharing_member(settings, settings.group)
        self._notes_producer = AIOKafkaProducer(**settings.connection.options, acks="all", enable_idempotence=True)

    @property
    def ready(self) -> bool:
        """Whether it has joined the group and every assigned partition is restored. A standby is ready too."""
        return self._joined and all(partition.ready for partition in list(self._partitions.values()))

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set. Any error ends the process."""
        async with self._notes_producer, self._member:
            names = [self._settings.topic(topics.REQUESTS), topics.webhooks(self._settings)]
            self._member.subscribe(names, listener=self)
            await stopping.wait()
            self._stopping = True
            await self._stop_partitions()

    def waits_for(self) -> str:
        """What an orderly stop still waits for, for the last log line."""
        names = sorted(task.get_name() for task in list(self._tasks.values()) if not task.done())
        return ", ".join(names) or "the broker"

    async def publish_note(self, note: WebhookNote) -> None:
        """Publish the note to the account's partition; returns once it is acknowledged. Raises KafkaError."""
        key = note.account_id.encode()
        topic, partition = topics.webhooks(self._settings), partition_of(key, self._settings.partitions)
        try:
            await self._notes_producer.send_and_wait(topic, encode(note), key=key, partition=partition)
        except KafkaError as error:
            fail_without_access(error)
            raise

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 aiokafka's signature
        """Give up all partitions at each rebalance: the new owner restores the committed state."""
        await self._stop_partitions()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        if self._stopping:
            return
        self._member.pause(*assigned)
        numbers = sorted({place.partition for place in assigned})
        logger.info("partitions assigned", partitions=numbers)
        for number in numbers:
            partition = Partition(number, self._settings, self._provider, self.metrics, self._slots, self._commit_notes)
            self._partitions[number] = partition
            self._tasks[number] = asyncio.create_task(self._run_partition(partition), name=f"partition {number}")
            self._tasks[number].add_done_callback(_end_if_failed)
        self._joined = True

    async def _stop_partitions(self) -> None:
        for number, partition in self._partitions.items():
            if partition.ready:
                partition.stop()
            else:
                self._tasks[number].cancel()  # Still restoring: it has made no provider call.
        # A task that raised has already ended the process.
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._partitions.clear()
        self._tasks.clear()

    async def _run_partition(self, partition: Partition) -> None:
        """Serve one partition until it is stopped."""
        settings, number = self._settings, partition.requests.partition
        give_up_s = give_up_after_s(settings.transaction_timeout_ms)
        link = BrokerLink(settings.connection, f"{settings.group}-{number}", give_up_s)
        # The second one never writes: it reads the group's committed offset without waiting for a rebalance.
        writer, notes = (
            PartitionWriter(
                link,
                app_id=settings.group,
                input_partition=place,
                transaction_timeout_ms=settings.transaction_timeout_ms,
            )
            for place in (partition.requests, partition.notes)
        )
        consumer = self._reader()

        async def work() -> None:
            await link.open([settings.topic(topics.ANSWERS), topics.rows(settings)])
            notes_from = await notes.committed_offset()
            await consumer.start()
            await partition.run(writer, consumer, notes_from)

        try:
            # An error must end the process before anything is closed: closing may hang without a broker.
            working = asyncio.create_task(work(), name=f"partition {number}")
            working.add_done_callback(_end_if_failed)
            await working
        finally:
            await close_in_time(consumer.stop())
            await writer.close()

    def _reader(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._settings.connection.options,
            client_id=self._settings.group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            # The adapter sets all positions; a position that the broker no longer has is an error: records are gone.
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    async def _commit_notes(self, place: TopicPartition, offset: int) -> None:
        """Commit how far notes were read. A commit lost in a rebalance only repeats a few provider calls."""
        try:
            await asyncio.wait_for(self._member.commit({place: offset}), COMMIT_NOTES_S)
        except (KafkaError, TimeoutError) as error:
            fail_without_access(error)
            logger.debug("webhook notes will be read again", error=repr(error))

    def _open_count(self) -> int:
        return sum(len(partition.open) for partition in list(self._partitions.values()))

    def _refused(self) -> Counter[Why]:
        return sum((partition.refused.count() for partition in list(self._partitions.values())), Counter())

    def _oldest_open_s(self) -> float:
        open_rows = (row for partition in list(self._partitions.values()) for row in list(partition.open.values()))
        received_ms = [row.received_at_ms for row in open_rows]
        return max(0.0, time.time() - min(received_ms) / 1_000) if received_ms else 0.0


def _end_if_failed(task: asyncio.Task[None]) -> None:
    """End the process: after an error the state in memory may differ from the log."""
    error = None if task.cancelled() else task.exception()
    match error:
        case None:
            return
        case FencedError() | CommitError():
            end(error, "adapter", where=task.get_name())
        case ProviderAccessError():
            reason = (
                "the provider refuses the API key: correct the key or its rights; no payment was declined because of it"
            )
            halt(reason, status=Exit.PERSON, error=str(error))
        case _:
            fail("a part of the adapter failed", error, where=task.get_name())

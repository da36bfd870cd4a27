"""The adapter's life: which partitions are ours, and one task for each of them."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from msgspec.json import encode

from payments import topics
from payments.batch import WebhookNote
from payments.metrics import Metrics
from payments.outcome import Provider, ProviderRefusesError
from payments.partition import Partition
from payments.settings import Settings
from schemas.partitioning import partition_of
from stream import log
from stream.broker_link import BrokerLink, CommitError, FencedError
from stream.fail_stop import halt
from stream.transaction import PartitionWriter

logger = log.get("payments")

# The broker knows a request to be lost before it aborts the transaction the request belongs to.
GIVE_UP_SHARE = 0.6
FETCH_BYTES = 1 << 20
# How long the others wait for one that has a partition to give up: a commit and the grace of what is under way.
REBALANCE_TIMEOUT_MS = 30_000
REMEMBER_S = 5.0


class Adapter(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Joins the group for its partitions; reading and writing is each partition's own business."""

    def __init__(self, settings: Settings, provider: Provider) -> None:
        self.metrics = Metrics(lambda: sum(len(mine.open) for mine in self._ours.values()), self._oldest_open_s)
        self._settings, self._provider = settings, provider
        self._slots = asyncio.Semaphore(settings.payments_in_flight_max)
        self._ours: dict[int, Partition] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._joined, self._stopping = False, False
        self._member = AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap_servers,
            group_id=settings.group,
            client_id=settings.group,
            # Partition n of both topics goes to one member.
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.session_timeout_ms // 3,
            # It fetches nothing itself, so it never polls; a loop that is stuck sends no heartbeats either.
            max_poll_interval_ms=10**9,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
        )
        self._notes = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap_servers, acks="all", enable_idempotence=True
        )

    @property
    def ready(self) -> bool:
        """In the group, and every partition of ours restored (without one it stands by)."""
        return self._joined and all(mine.ready for mine in list(self._ours.values()))

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set. What goes wrong meanwhile ends the process."""
        async with self._notes, self._member:
            names = [self._settings.topic(topics.REQUESTS), topics.webhooks(self._settings)]
            self._member.subscribe(names, listener=self)
            await stopping.wait()
            self._stopping = True
            await self._give_up()

    async def keep(self, note: WebhookNote) -> None:
        """Return when the note is in Kafka, for the partition that owns the account. Raises KafkaError."""
        key = note.account_id.encode()
        partition = partition_of(key, self._settings.partitions)
        await self._notes.send_and_wait(topics.webhooks(self._settings), encode(note), key=key, partition=partition)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 aiokafka's signature
        """All of them, at each rebalance: what is committed is read again by whoever gets a partition."""
        await self._give_up()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        if self._stopping:
            return
        self._member.pause(*assigned)
        numbers = sorted({place.partition for place in assigned})
        logger.info("partitions assigned", partitions=numbers)
        for number in numbers:
            partition = Partition(number, self._settings, self._provider, self.metrics, self._slots, self._remember)
            self._ours[number] = partition
            self._tasks[number] = asyncio.create_task(self._serve(partition), name=f"partition {number}")
            self._tasks[number].add_done_callback(_end_if_failed)
        self._joined = True

    async def _give_up(self) -> None:
        for number, partition in self._ours.items():
            if partition.ready:
                partition.stop()
            else:
                self._tasks[number].cancel()  # Still being restored: it has asked for nothing.
        # What one of them raised has ended the process already.
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._ours.clear()
        self._tasks.clear()

    async def _serve(self, partition: Partition) -> None:
        """One partition, to its end."""
        settings, number = self._settings, partition.requests.partition
        give_up_after_s = settings.transaction_timeout_ms / 1_000 * GIVE_UP_SHARE
        link = BrokerLink(settings.bootstrap_servers, f"{settings.group}-{number}", give_up_after_s)
        # The second one never writes: it knows how to ask where the group stands, without waiting for a rebalance.
        writer, notes = (
            PartitionWriter(
                link,
                app_id=settings.group,
                input_partition=place,
                transaction_timeout_ms=settings.transaction_timeout_ms,
            )
            for place in (partition.requests, partition.notes)
        )
        try:
            await link.open([settings.topic(topics.ANSWERS), topics.rows(settings)])
            notes_from = await notes.committed_offset()
            async with self._reader() as consumer:
                await partition.run(writer, consumer, notes_from)
        finally:
            await writer.close()

    def _reader(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap_servers,
            client_id=self._settings.group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            # Positions are set by us alone; one that the broker does not have means that records are gone: an error.
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
        )

    async def _remember(self, place: TopicPartition, offset: int) -> None:
        """How far notes were read. Lost in a rebalance they are read again, which asks a few payments again."""
        try:
            await asyncio.wait_for(self._member.commit({place: offset}), REMEMBER_S)
        except (KafkaError, TimeoutError) as error:
            logger.debug("webhook notes will be read again", error=repr(error))

    def _oldest_open_s(self) -> float:
        asked_ms = [row.asked_from_ms for mine in list(self._ours.values()) for row in list(mine.open.values())]
        return max(0.0, time.time() - min(asked_ms) / 1_000) if asked_ms else 0.0


def _end_if_failed(task: asyncio.Task[None]) -> None:
    """Nothing is repaired in place: memory may be ahead of the log or behind it."""
    error = None if task.cancelled() else task.exception()
    match error:
        case None:
            return
        case FencedError():
            halt("another adapter has taken the partition over", where=task.get_name(), error=str(error))
        case CommitError():
            halt("the outcome of a commit is not known", where=task.get_name(), error=str(error))
        case ProviderRefusesError():
            halt("the provider refuses us: no payment is declined for that, look at its key", error=str(error))
        case _:
            logger.error("a partition failed", exc_info=error)
            halt("a part of the adapter failed", where=task.get_name(), error=repr(error))

"""The notifier: joins the consumer group, and runs one task for each assigned partition number."""

import asyncio
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from agents.notifier.event_types import TOPICS
from agents.notifier.file import FollowedFile
from agents.notifier.log_reader import LogReader
from agents.notifier.metrics import Metrics
from agents.notifier.partition import Partition
from agents.notifier.rows import Row, encode_row
from agents.notifier.settings import Settings, rows_topic
from agents.notifier.tables import NotifyFile
from agents.notifier.targets import MakeMails, Targets, now_ms
from stream import log
from stream.broker_link import close_in_time
from stream.evidence import committed_reader
from stream.failures import fail, fail_without_access
from stream.lane import record_batches
from stream.membership import sharing_member

logger = log.get("notifier")

FETCH_BYTES = 1 << 20
# How long a fetch waits for new events at the end of the log, and how long one of an event that is read again.
WAIT_MS = 500
AGAIN_WAIT_MS = 20
# How long a stop and a rebalance wait for attempts under way; the next owner makes the others again.
STOP_GRACE_S, REBALANCE_GRACE_S = 6.0, 5.0
COMMIT_S = 5.0


class Notifier(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """A group member without a fetcher: each assigned partition number reads by itself.

    Every member subscribes to all topics that a target may ask for, whatever its file says, so that all members share
    the partitions in the same way, and partition n of every topic, of the rows too, is one member's.
    """

    def __init__(self, settings: Settings, metrics: Metrics, make_mails: MakeMails) -> None:
        """Read the file. Raises NotifyFileError."""
        assert settings.notify is not None
        record_batches.install()
        self.metrics = metrics
        metrics.waits = self._waits
        self.targets = Targets(self.metrics, make_mails)
        self._settings = settings
        self._file = FollowedFile(settings.notify, self.metrics.file_read)
        self._partitions: dict[int, Partition] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._joined, self._stopping = False, False
        self._member = sharing_member(settings, settings.group)
        self._producer = AIOKafkaProducer(**settings.connection.options, acks="all", enable_idempotence=True)

    @property
    def ready(self) -> bool:
        """Whether the file is read and partitions are assigned, be it none, and taken over."""
        return self._joined and all(partition.ready for partition in list(self._partitions.values()))

    @property
    def target_names(self) -> list[str]:
        return sorted(self.targets.current)

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set. Any error ends the process."""
        self.targets.replace(self._file.current)
        async with self._producer, self._member:
            names = [self._settings.topic(name) for name in TOPICS]
            self._member.subscribe([*names, rows_topic(self._settings)], listener=self)
            following = asyncio.create_task(self._file.follow(self._use), name="the file of targets")
            following.add_done_callback(_end_if_failed)
            await stopping.wait()
            self._stopping = True
            following.cancel()
            await self._stop_partitions(STOP_GRACE_S)
        await self.targets.close()

    def waits_for(self) -> str:
        """What an orderly stop still waits for, for the last log line."""
        names = sorted(task.get_name() for task in list(self._tasks.values()) if not task.done())
        return ", ".join(names) or "targets or the broker"

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 aiokafka's signature
        """Give up all partitions at each rebalance: the new owner restores the rows."""
        await self._stop_partitions(REBALANCE_GRACE_S)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        if self._stopping:
            return
        self._member.pause(*assigned)
        numbers = sorted({place.partition for place in assigned})
        logger.info("partitions assigned", partitions=numbers)
        for number in numbers:
            partition = Partition(number, self._settings, self.targets, self.metrics, self._write_rows, self._commit)
            self._partitions[number] = partition
            self._tasks[number] = asyncio.create_task(self._run_partition(partition), name=f"partition {number}")
            self._tasks[number].add_done_callback(_end_if_failed)
        self.metrics.partitions.set(len(numbers))
        self._joined = True

    async def _use(self, found: NotifyFile) -> None:
        """Take over a changed file."""
        self.targets.replace(found)
        await asyncio.gather(*(partition.use_targets() for partition in self._partitions.values()))

    async def _stop_partitions(self, grace_s: float) -> None:
        await asyncio.gather(*(partition.stop(grace_s) for partition in self._partitions.values()))
        for task in self._tasks.values():
            task.cancel()
        # A task that raised has already ended the process.
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._partitions.clear()
        self._tasks.clear()

    async def _run_partition(self, partition: Partition) -> None:
        settings = self._settings
        client_id = f"{settings.group}-{partition.number}"
        consumer = committed_reader(settings.connection, client_id, FETCH_BYTES, wait_ms=WAIT_MS)
        again = committed_reader(settings.connection, client_id, FETCH_BYTES, wait_ms=AGAIN_WAIT_MS)
        reader = LogReader(again, partition.number, settings.topic)
        try:
            await consumer.start()
            await partition.run(consumer, reader, self._committed)
        finally:
            await close_in_time(consumer.stop())
            await close_in_time(reader.close())

    async def _committed(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The group's offsets, of the places that have one."""
        found = {place: await self._member.committed(place) for place in places}
        return {place: offset for place, offset in found.items() if offset is not None and offset >= 0}

    async def _write_rows(self, number: int, rows: Iterable[tuple[bytes, Row | None]]) -> None:
        """Write rows, None to remove one, in order; returns once the broker has them all."""
        topic = rows_topic(self._settings)
        try:
            sent = [
                await self._producer.send(topic, None if row is None else encode_row(row), key=key, partition=number)
                for key, row in rows
            ]
            await asyncio.gather(*sent)
        except KafkaError as error:
            fail("the notifier's rows cannot be written", error, partition=number)

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit how far events are settled. A commit lost in a rebalance is made again from the rows."""
        try:
            await asyncio.wait_for(self._member.commit(dict(offsets)), COMMIT_S)
        except (KafkaError, TimeoutError) as error:
            fail_without_access(error)
            logger.debug("offsets are committed by the next owner", error=repr(error))

    def _waits(self) -> Mapping[str, tuple[int, float]]:
        found = dict.fromkeys(self.targets.current, (0, 0.0))
        for partition in list(self._partitions.values()):
            for name, lane in list(partition.lanes.items()):
                oldest_ms = lane.oldest_ms()
                age_s = 0.0 if oldest_ms is None else max(0.0, (now_ms() - oldest_ms) / 1_000)
                count, oldest_s = found.get(name, (0, 0.0))
                found[name] = (count + len(lane.items), max(oldest_s, age_s))
        return found


def _end_if_failed(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        fail("a part of the notifier failed", error, where=task.get_name())

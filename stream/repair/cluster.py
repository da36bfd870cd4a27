"""The cluster as the repairs use it: the group, its offsets, records, and the changelog topic."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from time import monotonic
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from stream import access, topics
from stream.broker_link import BrokerLink
from stream.fail_stop import Exit
from stream.lane import record_batches
from stream.lane.transaction import PartitionWriter
from stream.offsets import OffsetReader
from stream.repair.failure import RepairError, progress
from stream.rights import Rights
from stream.settings import Settings

FETCH_BYTES = 8 << 20
FETCH_MAX_WAIT_MS = 20
POLL_MS = 200
STUCK_AFTER_S = 60.0
# After an unclean restart a broker returns old offsets for about a second, so two responses must agree.
REPEAT_AFTER_S = 1.0
STABLE_WITHIN_S = 30.0
CHANGES_WITHIN_S = 60.0
# All rows of a partition are one transaction, however many there are. A broker allows 15 minutes by default.
TRANSACTION_TIMEOUT_MS = 600_000
GIVE_UP_AFTER_S = 60.0
PROGRESS_EVERY_S = 5.0


class Cluster:
    """An admin client and a `read_committed` consumer without a group; writers on request. Opening it checks the rights
    that the command needs.
    """

    def __init__(self, settings: Settings, needed: Rights) -> None:
        self.settings, self._needed = settings, needed
        self.inputs = settings.topic(topics.INPUTS)
        self.changelog = topics.changelog(settings)
        self._admin: Any = AIOKafkaAdminClient(**settings.connection.options)
        self._consumer: Any = None
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await access.check(self.settings.connection, self._needed)
        self._exits.push_async_callback(self._admin.close)
        try:
            await self._admin.start()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def consumer(self) -> Any:
        """The consumer, started at its first use: it must not request a topic that does not exist yet."""
        if self._consumer is None:
            # No record of a producer, however broken, may stop a repair.
            record_batches.install()
            self._consumer = AIOKafkaConsumer(
                **self.settings.connection.options,
                client_id=f"{self.settings.app_id}-repair",
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_partition_fetch_bytes=FETCH_BYTES,
                # Partitions are read in turn: a long poll at the end of one would delay the next.
                fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            )
            self._exits.push_async_callback(self._consumer.stop)
            await self._consumer.start()
        return self._consumer

    async def check_partitions(self, *names: str) -> None:
        """Check that each topic exists with the partitions of the settings. Raises RepairError."""
        known = {topic["topic"]: topic for topic in await self._admin.describe_topics()}
        for name in names:
            if name not in known:
                raise RepairError(f"{name}: no such topic; is TOLLGATE_TOPIC_PREFIX that of the data?")
            count = len(known[name]["partitions"])
            if count != self.settings.partitions:
                raise RepairError(f"{name}: has {count} partitions, TOLLGATE_PARTITIONS is {self.settings.partitions}")

    async def exists(self, name: str) -> bool:
        return name in await self._admin.list_topics()

    async def bounds(self, name: str) -> dict[int, tuple[int, int]]:
        """The first offset and the end of each partition. The end is that of its whole transactions."""
        consumer = await self.consumer()
        places = [TopicPartition(name, partition) for partition in range(self.settings.partitions)]
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        return {place.partition: (begins[place], ends[place]) for place in places}

    async def wait_until_readable(self, name: str) -> None:
        """Wait until every transaction that has written to the topic so far is readable or aborted. A producer's
        commit returns before that. Raises RepairError.
        """
        reader = await OffsetReader.open(self.settings, name)
        try:
            ends = {partition: found.end for partition, found in (await reader.read()).items()}

            async def is_readable() -> bool:
                stable = {partition: found.last_stable for partition, found in (await reader.read()).items()}
                return all(stable[partition] >= end for partition, end in ends.items())

            if not await is_readable():
                progress(f"{name}: waiting for open transactions")
                await self._wait(is_readable, f"a transaction in {name} is still open")
        finally:
            await reader.close()

    async def records(self, name: str, partition: int, begin: int, end: int) -> AsyncIterator[list[ConsumerRecord]]:
        """The committed records from `begin` to before `end`. Raises RepairError if the end is not reached."""
        if begin >= end:
            return
        consumer, place = await self.consumer(), TopicPartition(name, partition)
        self._read_alone(consumer, place, begin)
        moved_at, reported_at = monotonic(), monotonic()
        while (at := await consumer.position(place)) < end:
            fetched = (await consumer.getmany(place, timeout_ms=POLL_MS)).get(place, [])
            if fetched or await consumer.position(place) > at:
                moved_at = monotonic()
            if fetched:
                yield [record for record in fetched if record.offset < end]
            if monotonic() - moved_at > STUCK_AFTER_S:
                raise RepairError(
                    f"{name}/{partition}: no progress past offset {at} in {STUCK_AFTER_S:.0f} s", Exit.PASSING
                )
            if monotonic() - reported_at > PROGRESS_EVERY_S:
                reported_at = monotonic()
                progress(f"{name}/{partition}: at offset {await consumer.position(place)} of {end}")

    def _read_alone(self, consumer: Any, place: TopicPartition, begin: int) -> None:
        """Have one partition fetched from `begin`. The topics that were read before stay assigned, and paused: whenever
        a consumer gets another topic it looks the topic up, which takes a fifth of a second.
        """
        if place not in consumer.assignment():
            topics_read = {one.topic for one in consumer.assignment()} | {place.topic}
            consumer.assign([TopicPartition(topic, place.partition) for topic in topics_read])
            for one in consumer.assignment():
                consumer.seek(one, 0)  # A position that nobody has to look up; each read sets its own.
        consumer.pause(*consumer.assignment())
        consumer.seek(place, begin)
        consumer.resume(place)

    async def members(self) -> int:
        """The number of workers in the group."""
        [answer] = await self._admin.describe_consumer_groups([self.settings.app_id])
        [group] = answer.groups
        if group[0]:
            raise for_code(group[0])(self.settings.app_id)
        return len(group[5])

    async def require_no_workers(self) -> None:
        members = await self.members()
        if members:
            raise RepairError(
                f"{members} workers are in the group {self.settings.app_id}: stop them all, wait until they have ended"
                " (a killed one stays for TOLLGATE_SESSION_TIMEOUT_MS), then run this again"
            )

    async def group_offsets(self) -> dict[int, int]:
        """The group's offset of each partition that has one, read until two responses a second apart agree."""
        deadline = monotonic() + STABLE_WITHIN_S
        before = await self._group_offsets()
        while True:
            await asyncio.sleep(REPEAT_AFTER_S)
            now = await self._group_offsets()
            if now == before:
                return now
            if monotonic() > deadline:
                raise RepairError("the group's offsets keep changing: stop all workers first", Exit.PASSING)
            before = now

    async def decided(self) -> dict[int, int]:
        """A lower bound of the group's offset of each partition that has one. Workers may run."""
        return await self._group_offsets()

    async def _group_offsets(self) -> dict[int, int]:
        found = await self._admin.list_consumer_group_offsets(self.settings.app_id)
        return {
            place.partition: at.offset for place, at in found.items() if place.topic == self.inputs and at.offset >= 0
        }

    async def writer(self, partition: int) -> PartitionWriter:
        """The partition's only writer: any other is fenced, and its open transaction aborted."""
        settings = self.settings
        link = BrokerLink(settings.connection, f"{settings.app_id}-{partition}", GIVE_UP_AFTER_S)
        self._exits.push_async_callback(link.close)
        await link.open([self.changelog, self.inputs, settings.topic(topics.DEAD_LETTERS)])
        writer = PartitionWriter(
            link,
            app_id=settings.app_id,
            input_partition=TopicPartition(self.inputs, partition),
            transaction_timeout_ms=max(settings.transaction_timeout_ms, TRANSACTION_TIMEOUT_MS),
        )
        await writer.fence()
        return writer

    async def writers(self) -> list[PartitionWriter]:
        """The writers of all partitions, by number."""
        return list(await asyncio.gather(*map(self.writer, range(self.settings.partitions))))

    async def changelog_is_untouched(self) -> bool:
        """Whether the changelog is missing, or has never had a record."""
        if not await self.exists(self.changelog):
            return True
        await self.check_partitions(self.changelog)
        return all(begin == end == 0 for begin, end in (await self.bounds(self.changelog)).values())

    async def delete_changelog(self) -> None:
        """Delete the changelog and wait until it is gone."""
        answer = await self._admin.delete_topics([self.changelog])
        for _, code in answer.topic_error_codes:
            if code:
                raise for_code(code)(self.changelog)
        await self._wait(self._is_gone, f"{self.changelog} is still there")

    async def create_changelog(self) -> None:
        """Create the changelog if it is missing, and wait until each partition reports that it is empty."""
        if not await self.exists(self.changelog):
            declared = topics.declared(self.settings)[self.changelog]
            # `state=None` allows an empty changelog although inputs were consumed: its rows are written next.
            await topics.ensure(self.settings, {self.changelog: replace(declared, state=None)})
            await self._wait(lambda: self.exists(self.changelog), f"{self.changelog} was not created")
        await self._wait(self.changelog_is_untouched, f"{self.changelog} does not report that it is empty")

    async def _is_gone(self) -> bool:
        return not await self.exists(self.changelog)

    async def _wait(self, condition: Callable[[], Any], problem: str) -> None:
        deadline = monotonic() + CHANGES_WITHIN_S
        while not await condition():
            if monotonic() > deadline:
                raise RepairError(f"{problem} after {CHANGES_WITHIN_S:.0f} s", Exit.PASSING)
            await asyncio.sleep(0.2)

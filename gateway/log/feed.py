"""Follows partitions from their ends on: connects, finds leaders, keeps positions, fetches."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, LeaderNotAvailableError, OffsetOutOfRangeError, for_code

from gateway.log.fetch import Session, passed_over, records_of
from gateway.log.offsets import Offsets
from schemas.batch import UnreadableRecord
from stream import log
from stream.broker_link import close_in_time
from stream.fail_stop import Exit
from stream.failures import classify, fail
from stream.offsets import EARLIEST, LATEST, READ_COMMITTED
from stream.settings import Settings
from stream.topics import INPUTS

logger = log.get("gateway.log")

REQUEST_TIMEOUT_MS = 5_000
RETRY_S = 0.1
NOBODY = -1
# The broker no longer keeps the fetch session, for example because it was restarted.
SESSION_ENDED = frozenset({70, 71})

# The keys of a partition that are wanted; None for all.
Wanted = Callable[[int], Collection[bytes] | None]


class Feed:
    """Hands over the wanted records of all `places`, those of each place in order.

    `moved` is called with a place after its records were handed over and its position has changed. It begins at the
    ends of the log, or so many offsets `behind` them.
    """

    def __init__(
        self,
        settings: Settings,
        places: Sequence[TopicPartition],
        wanted: Wanted,
        hand_over: Callable[[ConsumerRecord], None],
        moved: Callable[[TopicPartition], None],
        *,
        behind: int = 0,
    ) -> None:
        self._settings, self._places = settings, places
        self._wanted, self._hand_over, self._moved = wanted, hand_over, moved
        self._client: Any = None
        self._questions: asyncio.Future[Offsets] = asyncio.get_running_loop().create_future()
        self._sessions: defaultdict[int, Session] = defaultdict(Session)
        self._behind = behind
        self.positions: dict[TopicPartition, int] = {}
        # Where the log ended when it began to read.
        self.ends: dict[TopicPartition, int] = {}

    async def offsets(self) -> Offsets:
        """Where to ask for offsets, once a broker has answered."""
        return await asyncio.shield(self._questions)

    async def follow(self) -> None:
        """Read for ever. A broker that is away is tried until it answers."""
        try:
            await self._connect()
            await self._set_positions()
            await self._read()
        finally:
            if self._client is not None:
                await close_in_time(self._client.close())

    async def _connect(self) -> None:
        topics = sorted({place.topic for place in self._places})
        while self._client is None:
            client = AIOKafkaClient(
                **self._settings.connection.options,
                client_id=f"{self._settings.app_id}-gateway-reader",
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                retry_backoff_ms=int(RETRY_S * 1000),
            )
            try:
                await client.bootstrap()
                await client.set_topics(topics)
            except KafkaError as error:
                await close_in_time(client.close())
                await _wait_after(error)
            else:
                self._client = client
        group, inputs = self._settings.app_id, self._settings.topic(INPUTS)
        self._questions.set_result(Offsets(self._client, group, inputs, topics))

    async def _set_positions(self) -> None:
        questions = await self.offsets()
        while not self.positions:
            try:
                self.ends = await questions.list(self._places, READ_COMMITTED, LATEST)
                self.positions = await self._begins(questions)
            except KafkaError as error:
                await self._find_leaders(error)
        logger.info("reading the engine's events from here on", partitions=len(self._places))

    async def _begins(self, questions: Offsets) -> dict[TopicPartition, int]:
        if not self._behind:
            return dict(self.ends)
        first = await questions.list(self._places, READ_COMMITTED, EARLIEST)
        return {place: max(first[place], end - self._behind) for place, end in self.ends.items()}

    async def _read(self) -> None:
        fetches: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                for node, positions in self._by_leader().items():
                    if node not in fetches:
                        fetches[node] = asyncio.ensure_future(self._fetch(node, positions))
                done, _ = await asyncio.wait(fetches.values(), return_when=asyncio.FIRST_COMPLETED)
                for node in [node for node, fetch in fetches.items() if fetch in done]:
                    fetches.pop(node).result()
        finally:
            for fetch in fetches.values():
                fetch.cancel()

    def _by_leader(self) -> Mapping[int, dict[TopicPartition, int]]:
        """The positions to fetch from each broker; under NOBODY those of partitions without a leader."""
        found: defaultdict[int, dict[TopicPartition, int]] = defaultdict(dict)
        leader_of = self._client.cluster.leader_for_partition
        for place, position in self.positions.items():
            leader = leader_of(place)
            found[NOBODY if leader is None else leader][place] = position
        return found

    async def _fetch(self, node: int, positions: Mapping[TopicPartition, int]) -> None:
        """Ask one broker once, and hand over what it answers."""
        session = self._sessions[node]
        try:
            if node == NOBODY:
                raise LeaderNotAvailableError(str(min(positions)))
            answer = await self._client.send(node, session.request(positions))
            if answer.error_code in SESSION_ENDED:
                session.reset()
                return
            _raise_for(answer.error_code, "fetch")
            session.answered(answer.session_id)
            await self._take_all(answer, positions)
        except KafkaError as error:
            session.reset()
            await self._find_leaders(error)

    async def _take_all(self, answer: Any, positions: Mapping[TopicPartition, int]) -> None:
        """Raises KafkaError for a partition that could not be read, after the others were."""
        wrong = []
        for topic, partitions in answer.topics:
            for partition, code, _, _, _, aborted, _, data in partitions:
                place = TopicPartition(topic, partition)
                if code == OffsetOutOfRangeError.errno:
                    await self._begin_again(place)
                elif code:
                    wrong.append((code, topic))
                elif data:
                    self._take(place, data, aborted, positions[place])
                    await asyncio.sleep(0)
        for code, topic in wrong:
            _raise_for(code, topic)

    def _take(self, place: TopicPartition, data: bytes, aborted: Any, position: int) -> None:
        keys = self._wanted(place.partition)
        if keys is not None and not keys:
            self.positions[place] = passed_over(data, position)
        else:
            records = records_of(place, data, aborted, position, keys)
            for record in records:
                if not isinstance(record, UnreadableRecord):
                    self._hand_over(record)
            self.positions[place] = records.next_fetch_offset
        self._moved(place)

    async def _begin_again(self, place: TopicPartition) -> None:
        """The topic was made anew, or records were deleted before they were read: read all that there is."""
        found = await (await self.offsets()).list([place], READ_COMMITTED, EARLIEST)
        logger.warning("the log does not have the next offset: it is read from its start", topic=place.topic)
        self.positions |= found

    async def _find_leaders(self, error: KafkaError) -> None:
        await _wait_after(error)
        await self._client.force_metadata_update()


def _raise_for(code: int, name: str) -> None:
    if code:
        raise for_code(code)(name)


async def _wait_after(error: KafkaError) -> None:
    """Let time pass after an error that may pass; end the process for any other."""
    if classify(error).status is not Exit.PASSING:
        fail("the engine's events cannot be read", error)
    logger.info("the engine's events cannot be read now", error=repr(error))
    await asyncio.sleep(RETRY_S)

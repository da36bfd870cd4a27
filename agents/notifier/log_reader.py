"""Finds an event in the log again, by its place."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents.notifier.event import Event, UnreadableEventError, read_event
from agents.notifier.rows import Place
from schemas.batch import UnreadableRecord
from stream.fail_stop import Exit, halt

POLL_MS = 500
RECORDS_A_POLL_MAX = 200
# Events read lately, and those behind them: a target that rested wants them next.
KEPT_MAX = 400
STUCK_AFTER_S = 30.0


def event_of(topic: str, record: ConsumerRecord | UnreadableRecord) -> Event:
    """The event in a record of the contract topic `topic`. Raises UnreadableEventError."""
    if isinstance(record, UnreadableRecord):
        raise UnreadableEventError("it cannot be decoded")
    if record.value is None:
        raise UnreadableEventError("it has no value")
    return read_event(topic, record.partition, record.offset, record.key, record.value, record.timestamp)


class LogReader:
    """Reads single events of one partition number. `name_of` gives the cluster's name of a contract topic."""

    def __init__(self, consumer: AIOKafkaConsumer, number: int, name_of: Callable[[str], str]) -> None:
        self._consumer, self._number, self._name_of = consumer, number, name_of
        self._kept: OrderedDict[Place, Event] = OrderedDict()
        self._lock = asyncio.Lock()
        self._started = False

    async def read(self, place: Place) -> Event | None:
        """The event; None when the log does not have it any more."""
        async with self._lock:
            if place not in self._kept:
                await self._fetch(place)
            if place in self._kept:
                self._kept.move_to_end(place)
            return self._kept.get(place)

    async def close(self) -> None:
        """Also when nothing was read: a consumer that is only dropped logs an error."""
        await self._consumer.stop()

    async def _fetch(self, place: Place) -> None:
        if not self._started:
            await self._consumer.start()
            self._started = True
        where = TopicPartition(self._name_of(place.topic), self._number)
        if self._consumer.assignment() != {where}:
            self._consumer.assign([where])
        begin = (await self._consumer.beginning_offsets([where]))[where]
        end = (await self._consumer.end_offsets([where]))[where]
        if not begin <= place.offset < end:
            return
        self._consumer.seek(where, place.offset)
        self._consumer.resume(where)
        deadline = monotonic() + STUCK_AFTER_S
        while await self._consumer.position(where) <= place.offset:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_A_POLL_MAX)
            for record in fetched.get(where, []):
                self._keep(place.topic, record)
            if monotonic() > deadline:
                halt("an event was not read again", status=Exit.PASSING, topic=where.topic, offset=place.offset)
        # A fetch that waits at the end of the log would hold up the next one.
        self._consumer.pause(where)

    def _keep(self, topic: str, record: ConsumerRecord) -> None:
        try:
            event = event_of(topic, record)
        except UnreadableEventError:
            return  # It was counted when it was first read, and waits for no target.
        self._kept[Place(topic, record.offset)] = event
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)

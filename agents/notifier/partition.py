"""One partition number of all topics: reads the events, hands them to the lanes of the targets, and keeps how far."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents.notifier.event import Event, UnreadableEventError
from agents.notifier.event_types import TOPIC_OF, TOPICS
from agents.notifier.lane import Around, Item, Lane
from agents.notifier.log_reader import LogReader, event_of
from agents.notifier.metrics import Metrics
from agents.notifier.progress import Progress
from agents.notifier.restore import restore
from agents.notifier.rows import Place, Row, Waiting, mark_key, position_key, waiting_key
from agents.notifier.rows import Position as PositionRow
from agents.notifier.settings import Settings, rows_topic
from agents.notifier.starts import Starts
from agents.notifier.targets import Targets, now_ms
from stream import log
from stream.failures import fail

logger = log.get("notifier")

POLL_MS = 500
RECORDS_A_POLL_MAX = 500
COMMIT_EVERY_S = 0.5
CROWDED_PAUSE_S = 0.05
# Events that wait for targets in one partition, a few hundred bytes each; above, reading waits.
WAITING_MAX = 200_000

# Writes rows of a partition, and returns once the broker has them.
WriteRows = Callable[[int, Iterable[tuple[bytes, Row | None]]], Awaitable[None]]
# The group's offsets of the partitions, and how to commit them.
Committed = Callable[[Iterable[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
Commit = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]


class Partition:
    """Serves one partition number for one assignment."""

    def __init__(
        self, number: int, settings: Settings, targets: Targets, metrics: Metrics, write: WriteRows, commit: Commit
    ) -> None:
        self.ready = False
        self.lanes: dict[str, Lane] = {}
        self.number = number
        self._settings, self._targets, self._metrics = settings, targets, metrics
        self._write_rows, self._commit = write, commit
        self._places = {name: TopicPartition(settings.topic(name), number) for name in TOPICS}
        self._names = {place: name for name, place in self._places.items()}
        self._progress: dict[str, Progress] = {}
        self._dormant: dict[tuple[str, Place], Waiting] = {}
        self._catch_up: dict[str, int] = {}
        self._saved: dict[str, int] = {}
        self._sequence = 0
        self._renewals: list[asyncio.Future[None]] = []
        self._stopping = False
        self._asked: dict[str, list[str]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self, consumer: AIOKafkaConsumer, reader: LogReader, committed: Committed) -> None:
        """Serve until cancelled."""
        self._consumer, self._reader = consumer, reader
        self._around = Around(self._put, self._settle, reader.read)
        await self._open(committed)
        saving = asyncio.create_task(self._save_often(), name=f"positions of partition {self.number}")
        saving.add_done_callback(_end_if_failed)
        try:
            while True:
                if self._renewals:
                    await self._renew()
                await self._read()
        finally:
            saving.cancel()

    async def stop(self, grace_s: float) -> None:
        """End the lanes, within `grace_s` for the attempts under way, and save how far everything is. The task of `run`
        is cancelled afterwards: attempts may read events again until then.
        """
        self._stopping = True
        _end(self._renewals)
        await asyncio.gather(*(lane.stop(grace_s) for lane in self.lanes.values()), *self._tasks.values())
        if self.ready:
            await self._save()

    async def use_targets(self) -> None:
        """Returns once the targets that are now in force are served, or the partition has been given up."""
        if self._stopping:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._renewals.append(waiter)
        await waiter

    async def _renew(self) -> None:
        """In the task that reads, so that it ends with it."""
        waiters = list(self._renewals)
        await self._serve_targets()
        self._renewals = [waiter for waiter in self._renewals if waiter not in waiters]
        _end(waiters)

    async def _serve_targets(self) -> None:
        targets = self._targets.current
        asked = {(name, TOPIC_OF[kind]) for name, target in targets.items() for kind in target.types}
        made = await self._starts.marks_for(asked)
        await self._write_rows(self.number, [(mark_key(*key), mark) for key, mark in made.items()])
        if self._stopping:
            return
        for name in self.lanes.keys() - targets.keys():
            await self._end_lane(name)
        if self._stopping:
            return
        for name in targets.keys() - self.lanes.keys():
            self._begin_lane(name)
        self._read_from(asked)

    async def _open(self, committed: Committed) -> None:
        rows = await restore(self._consumer, TopicPartition(rows_topic(self._settings), self.number))
        self._dormant = rows.waiting
        self._sequence = 1 + max((row.sequence for row in rows.waiting.values()), default=0)
        self._saved = dict(rows.positions)
        self._starts = Starts(self._consumer, self._places, self._settings.max_age_ms)
        self._consumer.assign(list(self._places.values()))
        self._consumer.pause(*self._places.values())
        offsets = {self._names[place]: at for place, at in (await committed(self._places.values())).items()}
        await self._starts.take_over(rows, offsets, now_ms())
        self._find_catch_up()
        await self._serve_targets()
        self._metrics.skipped.inc(self._starts.skipped)
        self._starts.forget_first()
        await self._save()
        self._release_caught_up()
        self.ready = True
        fields = {
            "waiting": len(rows.waiting),
            "read_from": {name: one.read_to for name, one in self._progress.items()},
        }
        logger.info("partition taken over", partition=self.number, skipped=self._starts.skipped, **fields)

    def _find_catch_up(self) -> None:
        """What is read again must be in its queue before what was stored behind it is attempted for the first time."""
        for (_, place), row in self._dormant.items():
            if not row.attempts:
                behind = min(place.offset + 1, self._starts.ends[place.topic])
                self._catch_up[place.topic] = max(behind, self._catch_up.get(place.topic, 0))

    def _release_caught_up(self) -> None:
        if all(
            topic not in self._asked or self._progress[topic].read_to >= offset
            for topic, offset in self._catch_up.items()
        ):
            self._catch_up = {}
            for lane in self.lanes.values():
                if lane.held:
                    lane.release()

    def _begin_lane(self, name: str) -> None:
        lane = Lane(name, self._targets, self._settings.retries_ms, self._around, held=bool(self._catch_up))
        mine = [(key, row) for key, row in self._dormant.items() if key[0] == name]
        for key, _ in mine:
            del self._dormant[key]
        lane.restore((place, row) for (_, place), row in mine)
        self.lanes[name] = lane
        self._tasks[name] = asyncio.create_task(lane.run(), name=f"target {name} in partition {self.number}")
        self._tasks[name].add_done_callback(_end_if_failed)

    async def _end_lane(self, name: str) -> None:
        """The file does not have the target any more. Its rows stay, in case it comes back."""
        lane = self.lanes.pop(name)
        await lane.stop(0)
        await self._tasks.pop(name)
        for item in lane.left():
            if item.stored:
                self._dormant[name, item.place] = item.row()
            else:
                self._settle(item.place)

    def _read_from(self, asked: set[tuple[str, str]]) -> None:
        """Read the topics that a target asks for, each from where it is needed."""
        self._asked = {}
        for name, topic in sorted(asked):
            self._asked.setdefault(topic, []).append(name)
        self._consumer.assign([self._places[topic] for topic in self._asked])
        for topic, names in self._asked.items():
            known = self._progress.get(topic)
            start = self._starts.position_for(topic, names)
            if known is None:
                known = self._progress[topic] = Progress(start)
            elif known.read_to < start and known.settled == known.read_to:
                known.read_to = start
            self._consumer.seek(self._places[topic], known.read_to)

    async def _read(self) -> None:
        """Read once, and wait while too much waits."""
        if not self._asked:
            await asyncio.sleep(POLL_MS / 1_000)
            return
        while self._is_full() and not self._renewals:  # noqa: ASYNC110 a rare wait, one event less
            await asyncio.sleep(CROWDED_PAUSE_S)
        fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_A_POLL_MAX)
        for place, records in fetched.items():
            for record in records:
                self._take(self._names[place], record)
        # Positions, not offsets of records: markers of transactions follow those.
        for topic in self._asked:
            self._progress[topic].read_to = await self._consumer.position(self._places[topic])
        self._release_caught_up()

    def _is_full(self) -> bool:
        lanes = self.lanes.values()
        return any(lane.crowded for lane in lanes) or sum(len(lane.items) for lane in lanes) >= WAITING_MAX

    def _take(self, topic: str, record: ConsumerRecord) -> None:
        try:
            event = event_of(topic, record)
        except UnreadableEventError as error:
            self._metrics.unreadable.labels(topic).inc()
            where = {"topic": topic, "partition": self.number, "offset": record.offset}
            logger.warning("a record was skipped: Tollgate did not write it", **where, error=str(error)[:200])
            return
        if TOPIC_OF.get(event.type) != topic:
            return  # The same event comes from its other topic (rule P19), or its type is newer than this program.
        takers = [lane for name, lane in self.lanes.items() if self._takes(name, event)]
        for lane in takers:
            self._sequence += 1
            place = Place(topic, event.offset)
            if lane.add(Item(place, event.account_id, self._sequence, now_ms(), event)):
                self._progress[topic].begin(event.offset)
        if takers:
            self._metrics.events.labels(topic).inc()

    def _takes(self, name: str, event: Event) -> bool:
        target = self._targets.current.get(name)
        mark = self._starts.marks.get((name, event.topic))
        if target is None or mark is None or event.type not in target.types or event.offset < mark.from_offset:
            return False
        if mark.skips(event.offset, event.timestamp_ms):
            self._metrics.skipped.inc()
            return False
        return target.takes(event)

    async def _put(self, target: str, rows: Iterable[tuple[Place, Waiting | None]]) -> None:
        await self._write_rows(self.number, ((waiting_key(target, place), row) for place, row in rows))

    def _settle(self, place: Place) -> None:
        self._progress[place.topic].settle(place.offset)

    async def _save_often(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self._save()

    async def _save(self) -> None:
        """Write the settled positions to the rows topic and commit them to the group, where they changed."""
        positions = self._starts.positions | {topic: one.settled for topic, one in self._progress.items()}
        changed = {topic: at for topic, at in positions.items() if self._saved.get(topic) != at}
        rows = [(position_key(topic), PositionRow(next_offset=at)) for topic, at in changed.items()]
        if rows:
            await self._write_rows(self.number, rows)
            self._saved |= changed
        to_commit = {self._places[topic]: at for topic, at in changed.items() if topic in self._progress}
        if to_commit:
            await self._commit(to_commit)


def _end(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def _end_if_failed(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        fail("a part of the notifier failed", error, where=task.get_name())

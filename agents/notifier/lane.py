"""One target in one partition: what waits for it, in which order it is attempted, and what is in the rows topic.

First attempts are made in log order for each account, and a failed one leaves the order: it is retried beside it, so
it delays no other event. What cannot be attempted soon, because the target rests or too much waits in memory, goes to
the rows topic and keeps its turn.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from agents.notifier.event import Event
from agents.notifier.outcome import Delivered, GaveUp, Outcome, Retry
from agents.notifier.rows import Place, Waiting
from agents.notifier.schedule import next_due_ms
from agents.notifier.targets import REST_MS, Targets, now_ms
from stream import log
from stream.failures import fail

logger = log.get("notifier")

# Attempts of one lane at the same time. Retries have places of their own.
FIRST_MAX, RETRIES_MAX = 4, 2
# Events that wait in memory alone; above, they go to the rows topic.
UNSTORED_MAX = 500
GONE = "the event is no longer in the log"
NOT_TAKEN = "the target does not take it any more"


@dataclass(slots=True)
class Item:
    """An event that waits. Without `event` it is read from the log again; `stored`: a row in the topic holds it."""

    place: Place
    account_id: str
    sequence: int
    first_ms: int
    event: Event | None = None
    attempts: int = 0
    due_ms: int = 0
    stored: bool = False

    @classmethod
    def restored(cls, place: Place, row: Waiting) -> "Item":
        return cls(
            place, row.account_id, row.sequence, row.first_ms, attempts=row.attempts, due_ms=row.due_ms, stored=True
        )

    def row(self) -> Waiting:
        return Waiting(
            account_id=self.account_id,
            attempts=self.attempts,
            due_ms=self.due_ms,
            sequence=self.sequence,
            first_ms=self.first_ms,
        )


@dataclass(frozen=True, slots=True)
class Around:
    """What a lane needs of its partition. `put` writes rows, None to remove one, and returns once the broker has them;
    `settle` counts an event as settled; `read` finds an event in the log again.
    """

    put: Callable[[str, Iterable[tuple[Place, Waiting | None]]], Awaitable[None]]
    settle: Callable[[Place], None]
    read: Callable[[Place], Awaitable[Event | None]]


@dataclass(slots=True)
class Lane:
    """Runs as one task, which starts a task for each attempt."""

    name: str
    targets: Targets
    delays_ms: tuple[int, ...]
    around: Around
    held: bool = False  # No first attempt begins: events before those restored are still to be read.
    items: dict[Place, Item] = field(default_factory=dict)
    _queues: dict[str, deque[Item]] = field(default_factory=dict)
    _turns: deque[str] = field(default_factory=deque)
    _busy: set[str] = field(default_factory=set)
    _retries: list[tuple[int, int, Place, Item]] = field(default_factory=list)
    _first: set[asyncio.Task[None]] = field(default_factory=set)
    _again: set[asyncio.Task[None]] = field(default_factory=set)
    _unstored: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def add(self, item: Item) -> bool:
        """Queue an event; False when it waits already. The caller counts it as open only when it is added."""
        if item.place in self.items:
            return False
        self.items[item.place] = item
        if not item.stored:
            self._unstored += 1
        if item.attempts:
            heapq.heappush(self._retries, (item.due_ms, item.sequence, item.place, item))
        else:
            self._queue(item)
        self._wake.set()
        return True

    def restore(self, waiting: Iterable[tuple[Place, Waiting]]) -> None:
        """Take the rows of an earlier assignment, and the rest that they tell of."""
        for place, row in sorted(waiting, key=lambda one: one[1].sequence):
            if not row.attempts:
                self.targets.rest(self.name, min(row.due_ms, now_ms() + REST_MS))
            self.add(Item.restored(place, row))

    def release(self) -> None:
        self.held = False
        self._wake.set()

    @property
    def crowded(self) -> bool:
        """Whether reading must wait until more is in the rows topic."""
        return self._unstored > 2 * UNSTORED_MAX

    def oldest_ms(self) -> int | None:
        return min((item.first_ms for item in list(self.items.values())), default=None)

    def left(self) -> Iterator[Item]:
        """What still waits, after the lane has ended."""
        yield from self.items.values()

    async def run(self) -> None:
        """Attempt what is due until `stop`."""
        while not self._stopping:
            self._wake.clear()
            if self._unstored > UNSTORED_MAX or (self._unstored and self._rests()):
                await self._store_queued()
            self._start_due()
            try:
                async with asyncio.timeout(self._next_wake_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def stop(self, grace_s: float) -> None:
        """Start no attempt, wait `grace_s` for those under way, and cancel the others: their events stay open."""
        self._stopping = True
        self._wake.set()
        under_way = self._first | self._again
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _rests(self) -> bool:
        return self.targets.rests_until_ms(self.name) > now_ms()

    def _next_wake_s(self) -> float | None:
        """Until a retry is due or the rest is over."""
        due = [self._retries[0][0]] if self._retries and len(self._again) < RETRIES_MAX else []
        if self._turns and self._rests():
            due.append(self.targets.rests_until_ms(self.name))
        return max(0.001, (min(due) - now_ms()) / 1_000) if due else None

    def _queue(self, item: Item) -> None:
        """Events read again after a restart go before those that were stored behind them."""
        queue = self._queues.setdefault(item.account_id, deque())
        if not queue and item.account_id not in self._busy:
            self._turns.append(item.account_id)
        at = len(queue)
        while at and queue[at - 1].place.topic == item.place.topic and queue[at - 1].place.offset > item.place.offset:
            at -= 1
        queue.insert(at, item)

    def _start_due(self) -> None:
        if self._stopping:
            return
        while self._turns and not self.held and len(self._first) < FIRST_MAX and not self._rests():
            account_id = self._turns.popleft()
            queue = self._queues[account_id]
            item = queue.popleft()
            if not queue:
                del self._queues[account_id]
            self._busy.add(account_id)
            self._start(self._attempt_first(item), self._first)
        while self._retries and self._retries[0][0] <= now_ms() and len(self._again) < RETRIES_MAX:
            self._start(self._attempt(heapq.heappop(self._retries)[3]), self._again)

    def _start(self, attempt: Awaitable[None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.ensure_future(attempt)
        tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, tasks))

    def _ended(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            fail("an attempt to deliver failed because of a bug or the broker", error, target=self.name)

    async def _attempt_first(self, item: Item) -> None:
        """The account's next event waits for this attempt, whatever it comes to."""
        try:
            await self._attempt(item)
        finally:
            self._busy.discard(item.account_id)
            if item.account_id in self._queues:
                self._turns.append(item.account_id)

    async def _attempt(self, item: Item) -> None:
        event = item.event or await self.around.read(item.place)
        target = self.targets.current.get(self.name)
        if target is None:
            return  # The file does not have it any more, and this lane is about to end.
        if event is None:
            outcome: Outcome = GaveUp(GONE)
        elif not target.takes(event):
            outcome = GaveUp(NOT_TAKEN)
        else:
            outcome = await self.targets.deliver(self.name, event, item.attempts + 1)
        await self._conclude(item, event, outcome)

    async def _conclude(self, item: Item, event: Event | None, outcome: Outcome) -> None:
        match outcome:
            case Delivered():
                await self._remove(item)
            case GaveUp(why):
                self._report_given_up(item, event, why)
                await self._remove(item)
            case Retry(why, after_s):
                due_ms = next_due_ms(self.delays_ms, item.attempts + 1, after_s, now_ms())
                if due_ms is None:
                    self._report_given_up(item, event, f"{why}, at the last of {item.attempts + 1} attempts")
                    await self._remove(item)
                    return
                item.attempts, item.due_ms = item.attempts + 1, due_ms
                await self._store([item])
                heapq.heappush(self._retries, (due_ms, item.sequence, item.place, item))
                logger.warning(
                    "an attempt failed",
                    target=self.name,
                    why=why,
                    attempt=item.attempts,
                    retry_in_s=round((due_ms - now_ms()) / 1_000),
                    **_named(item, event),
                )

    async def _store_queued(self) -> None:
        """Put all that waits in memory into the rows topic, in log order."""
        queued = [item for queue in self._queues.values() for item in queue if not item.stored]
        rest_ms = self.targets.rests_until_ms(self.name)
        for item in queued:
            item.due_ms = rest_ms
        await self._store(sorted(queued, key=lambda item: item.sequence))

    async def _store(self, items: list[Item]) -> None:
        await self.around.put(self.name, ((item.place, item.row()) for item in items))
        for item in items:
            self._settle(item)
            item.stored, item.event = True, None

    async def _remove(self, item: Item) -> None:
        if item.stored:
            await self.around.put(self.name, [(item.place, None)])
        self._settle(item)
        del self.items[item.place]

    def _settle(self, item: Item) -> None:
        """What is in the rows topic was settled when it was written there."""
        if not item.stored:
            self._unstored -= 1
            self.around.settle(item.place)

    def _report_given_up(self, item: Item, event: Event | None, why: str) -> None:
        self.targets.count_given_up(self.name)
        logger.error("a notification was given up", target=self.name, why=why, **_named(item, event))


def _named(item: Item, event: Event | None) -> dict[str, object]:
    """The fields that name an event in a log line."""
    place = {"topic": item.place.topic, "offset": item.place.offset}
    if event is None:
        return {"account_id": item.account_id, **place}
    named = {"type": event.type, "notification": event.notification_id}
    return {"account_id": event.account_id, "event_id": event.id, **named, **place}

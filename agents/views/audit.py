"""`tollgate views verify` and `rebuild`: Redis beside the topics, partition by partition."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka import TopicPartition

from agents.views import layout, rights
from agents.views.expected import NOTHING, Account, Comparison, Difference, Place
from agents.views.kafka import Bounds, new_reader
from agents.views.layout import Limits, UnreadableEventError, Write
from agents.views.settings import Settings
from agents.views.store import PIPELINE_WRITES_MAX, Store, accounts_key
from agents.views.strays import find_strays, find_wrong_types
from stream import access
from stream.broker_link import close_in_time
from stream.evidence import STUCK_AFTER_S, assign_paused

POLL_MS = 200
# How long `verify` waits for the views to reach the ends of the topics.
WAIT_S = 60.0
REPORT_EVERY_S = 5.0
# An account may have tens of megabytes.
ACCOUNTS_PER_STEP = 5


@dataclass(slots=True)
class Result:
    """What was found. `removed` counts commands that took something out of Redis, of a rebuild."""

    accounts: int = 0
    events: int = 0
    removed: int = 0
    differences: list[Difference] = field(default_factory=list)


class Audit:
    """One comparison of Redis with the topics. Raises KafkaError, TimeoutError and what the store raises."""

    def __init__(self, settings: Settings, store: Store, report: Callable[[str], None] | None = None) -> None:
        """`report` is called with a line about the work in progress every few seconds."""
        self._settings, self._store = settings, store
        self._report, self._reported_s = report, time.monotonic()
        self._names = {topic: settings.topic(topic) for topic in layout.LISTS} | {
            layout.SNAPSHOTS: settings.topic(layout.SNAPSHOTS)
        }
        self._bounds: dict[TopicPartition, Bounds] = {}
        self._reader: Any = None
        self._greatest_ms = 0
        self._result = Result()
        self._known: set[bytes] = set()

    async def __aenter__(self) -> Self:
        await access.check(self._settings.connection, rights.audit(self._settings))
        self._reader = new_reader(self._settings)
        await self._reader.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_in_time(self._reader.stop())

    async def verify(self) -> Result:
        """Compare every key with the topics, both ways. The views may run: what is newer than the topics' ends at the
        beginning is left out.
        """
        await self._look_up()
        await self._wait_for_views()
        self._result.differences += await self._wrong_types()
        for partition in range(self._settings.partitions):
            accounts = await self._read(partition, write=False)
            self._result.differences += await self._compare(partition, accounts)
        self._result.differences += await self._strays()
        return self._result

    async def rebuild(self) -> Result:
        """Write every event again, and remove what no topic explains. Reads and the views go on meanwhile."""
        await self._look_up()
        for wrong in await self._wrong_types():  # Nothing can be written to these.
            await self._repair(wrong)
        for partition in range(self._settings.partitions):
            accounts = await self._read(partition, write=True)
            differing = await self._compare(partition, accounts)
            for difference in differing:
                await self._repair(difference)
            for account in {layout.account_of(difference.key) for difference in differing} & accounts.keys():
                await self._write_again(partition, accounts[account])
        for stray in await self._strays():
            await self._repair(stray)
        return self._result

    async def _strays(self) -> list[Difference]:
        return [stray async for stray in find_strays(self._store, self._known, self._every_place())]

    async def _wrong_types(self) -> list[Difference]:
        return [wrong async for wrong in find_wrong_types(self._store, self._every_place())]

    def _every_place(self) -> dict[int, dict[str, Place]]:
        return {partition: self._places(partition) for partition in range(self._settings.partitions)}

    async def _repair(self, wrong: Difference) -> None:
        await self._store.run(wrong.remedy)
        self._result.removed += len(wrong.remedy)

    async def _look_up(self) -> None:
        places = [TopicPartition(name, p) for name in self._names.values() for p in range(self._settings.partitions)]
        assign_paused(self._reader, places)
        begins, ends = await self._reader.beginning_offsets(places), await self._reader.end_offsets(places)
        self._bounds = {place: Bounds(begins[place], ends[place]) for place in places}

    async def _wait_for_views(self) -> None:
        """Until the views have reached the ends, in vain where none run: the differences then say what is missing."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            meta = await self._store.meta()
            at = {place: meta.get(layout.position_field(*place), b"-1") for place in self._bounds}
            if b"epoch" not in meta or all(int(at[place]) >= bound.end for place, bound in self._bounds.items()):
                return
            self._show("waiting until the views have written what is on the topics")
            await asyncio.sleep(POLL_MS / 1_000)

    def _show(self, text: str) -> None:
        if self._report is not None and time.monotonic() - self._reported_s >= REPORT_EVERY_S:
            self._reported_s = time.monotonic()
            self._report(text)

    def _keep(self) -> Limits:
        settings = self._settings
        now_ms = self._greatest_ms if settings.simulation else time.time_ns() // 1_000_000
        return layout.limits(settings.views_keep_days, settings.views_keep_rows, now_ms)

    async def _read(self, partition: int, *, write: bool) -> dict[bytes, Account]:
        """The partition's accounts from the topics, one topic after the other."""
        accounts: dict[bytes, Account] = {}
        for topic in layout.TOPICS:
            if topic not in self._names:
                continue
            async for writes in self._writes_of(topic, partition):
                for one in writes:
                    accounts.setdefault(one.account, Account()).add(topic, one)
                if write:
                    await self._apply(topic, partition, writes)
        self._result.accounts += len(accounts)
        self._known |= accounts.keys()
        return accounts

    async def _writes_of(self, topic: str, partition: int) -> AsyncIterator[list[Write]]:
        """The kept events of one partition of a topic, from its start to the end at the beginning."""
        place = TopicPartition(self._names[topic], partition)
        begin, end = self._bounds[place].begin, self._bounds[place].end
        if begin >= end:
            return
        reader: Any = self._reader
        reader.seek(place, begin)
        reader.resume(place)
        moved_s = time.monotonic()
        while await reader.position(place) < end:
            for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
                moved_s = time.monotonic()
                self._show(f"{place.topic}/{place.partition}: at offset {await reader.position(place)} of {end}")
                yield [write for record in records if record.offset < end and (write := self._write(topic, record))]
            if time.monotonic() - moved_s > STUCK_AFTER_S:
                raise TimeoutError(f"the end of {place.topic}/{place.partition} was not reached")
        reader.pause(place)

    def _write(self, topic: str, record: Any) -> Write | None:
        self._result.events += 1
        try:
            write = layout.write_of(topic, record.offset, record.key, record.value)
        except UnreadableEventError:
            return None
        if write is not None:
            self._greatest_ms = max(self._greatest_ms, write.occurred_ms)
        return write

    async def _compare(self, partition: int, accounts: dict[bytes, Account]) -> list[Difference]:
        """The differences of the accounts that the topics or Redis know in this partition."""
        listed = {name: score async for some in self._store.accounts(partition) for name, score in some.items()}
        places = self._places(partition)
        every = sorted(listed.keys() | accounts.keys())
        self._known |= listed.keys()
        found = []
        for first in range(0, len(every), ACCOUNTS_PER_STEP):
            some = every[first : first + ACCOUNTS_PER_STEP]
            self._show(f"partition {partition}: {first:,} of {len(every):,} accounts compared")
            for account, held in zip(some, await self._store.held(some), strict=True):
                compared = Comparison(account, accounts.get(account, Account()), held, self._keep(), places)
                found += compared.differences()
                if not compared.has_newer:
                    found += _listing(partition, account, listed.get(account), known=account in accounts)
        return found

    def _places(self, partition: int) -> dict[str, Place]:
        return {
            topic: Place(name, partition, self._bounds[TopicPartition(name, partition)].end)
            for topic, name in self._names.items()
        }

    async def _write_again(self, partition: int, account: Account) -> None:
        for topic, writes in account.writes():
            await self._apply(topic, partition, writes)

    async def _apply(self, topic: str, partition: int, writes: list[Write]) -> None:
        for first in range(0, len(writes), PIPELINE_WRITES_MAX):
            part = writes[first : first + PIPELINE_WRITES_MAX]
            await self._store.write(topic, self._names[topic], partition, part, self._keep())


def _listing(partition: int, account: bytes, score: float | None, *, known: bool) -> Iterator[Difference]:
    """How the partition's set of accounts differs. The gateway reads it by name, which needs equal scores."""
    key, place = accounts_key(partition), f"{layout.SNAPSHOTS}/{partition}@-1"
    name = account.decode(errors="replace")
    if not known and score is not None:
        yield Difference(key, place, NOTHING, name, (("ZREM", key, account),))
    elif known and score is None:
        yield Difference(key, place, name, NOTHING)
    elif known and score != 0:
        yield Difference(key, place, f"{name} at 0", f"at {score:g}")

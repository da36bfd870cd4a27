"""Keeps the positions: where reading begins, whether Redis is still the one that was written to, and how far it is.

Redis remembers the next offset of each partition beside the views themselves, so both are lost together and never one
alone.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP
from mode import Service

from agents.views import layout
from agents.views.layout import caught_up_field
from agents.views.positions import Positions
from agents.views.starts import Start, Why
from agents.views.store import LostError, Store
from stream import log
from stream.fail_stop import Exit, halt
from stream.failures import classify
from stream.redis_connection import AwayError

logger = log.get("views")

LOOK_EVERY_S = 0.5
RETRY_S = 0.5
TRIM_EVERY_S = 86_400.0


class Keeper(Service):  # type: ignore[misc]  # mode has no types
    """Serves one app. Everything here runs in the app's event loop."""

    def __init__(self, app: Any, store: Store, **kwargs: Any) -> None:
        self.app, self._store = app, store
        self.epoch, self._run_id = b"", ""
        self._positions = Positions(app.settings, store)
        self._wanted = asyncio.Event()
        self._up = False
        # The time (ms) up to which each partition is in Redis. None: not caught up since its reading began.
        self._caught_up: dict[int, int | None] = {}
        # What a partition must have reached to be caught up at a time (ms).
        self._targets: dict[int, tuple[int, dict[TopicPartition, int]]] = {}
        self._progress: tuple[dict[TP, int], float] = ({}, time.monotonic())
        self._trimmed_s: float | None = None
        self._began_ms = time.time_ns() // 1_000_000
        super().__init__(**kwargs)

    @property
    def ready(self) -> bool:
        reading = self.app.consumer.positioned.is_set() or not self.app.assigned
        numbers = self.app.partitions()
        return self._up and reading and all(self._caught_up.get(number) is not None for number in numbers)

    def shown_up_to(self) -> Mapping[int, int]:
        """The time (ms) up to which each partition is in Redis; until it has caught up, when its reading began."""
        return {partition: self._caught_up.get(partition) or self._began_ms for partition in self.app.partitions()}

    def take_over(self) -> None:
        """Set the positions of what is assigned."""
        self._wanted.set()

    def begin_again(self, reason: str) -> None:
        """Read again from the positions in Redis, because Redis may lack what was written."""
        logger.warning("positions are read again", reason=reason, partitions=sorted(self.app.partitions()))
        self.app.consumer.positioned.clear()
        self.app.forget_fetched()
        self._wanted.set()

    def check_source(self, run_id: str) -> None:
        """Raises LostError when another Redis answered than the one that reading began with."""
        if run_id != self._run_id:
            raise LostError("another Redis answers")

    def redis_answers(self) -> None:
        if not self._up:
            logger.info("Redis answers")
        self._up = True
        self.app.metrics.redis_up.set(1)

    def redis_is_away(self, error: AwayError) -> None:
        if self._up:
            logger.warning("Redis is away; events wait in Kafka", error=str(error))
        self._up = False
        self.app.metrics.redis_up.set(0)
        self.app.metrics.redis_errors.inc()

    async def on_stop(self) -> None:
        await self._positions.close()

    @Service.task  # type: ignore[untyped-decorator]  # mode has no types
    async def _set_positions(self) -> None:
        while not self.should_stop:
            await self.wait(self._wanted)
            self._wanted.clear()
            while not self.should_stop and not self._wanted.is_set() and not await self._positions_are_set():
                await self.sleep(RETRY_S)

    async def _positions_are_set(self) -> bool:
        """False when it must be tried again."""
        assigned, consumer = self.app.assigned or frozenset(), self.app.consumer
        assignments = consumer.assignments
        try:
            await self.app.finish_batches()
            found = await self._positions.find(sorted(assigned))
            self.redis_answers()
        except AwayError as error:
            self.redis_is_away(error)
            return False
        except LostError:
            return False
        except KafkaError as error:
            await self._kafka_failed(error)
            return False
        if assignments == consumer.assignments and not self._wanted.is_set():
            self.epoch, self._run_id = found.epoch, found.run_id
            self._begin(found.starts)
            await consumer.seek_all({tp: start.offset for tp, start in found.starts.items()})
        return True

    def _begin(self, starts: Mapping[TP, Start]) -> None:
        self._targets.clear()
        self._began_ms = time.time_ns() // 1_000_000
        self._caught_up = dict.fromkeys(self.app.partitions())
        self._progress = ({}, time.monotonic())
        self.app.open_buffers({tp: start.offset for tp, start in starts.items()})
        for start in starts.values():
            self.app.metrics.starts.labels(start.why).inc()
        whys = {why: sum(start.why is why for start in starts.values()) for why in Why}
        logger.info("reading begins", partitions=sorted(self.app.partitions()), **whys)

    @Service.task  # type: ignore[untyped-decorator]  # mode has no types
    async def _watch(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_EVERY_S)
            try:
                await self._look()
            except AwayError as error:
                self.redis_is_away(error)
            except LostError as error:
                if self.app.consumer.positioned.is_set():
                    self.begin_again(str(error))
            except KafkaError as error:
                await self._kafka_failed(error)

    async def _look(self) -> None:
        run_id = await self._store.run_id()
        self.redis_answers()
        buffers = self.app.buffers
        if not self.app.consumer.positioned.is_set() or not buffers:
            return
        self.check_source(run_id)
        await self._choose_targets()
        if self.app.buffers is buffers:
            await self._record_caught_up()
            await self.app.commit_read()
            self._end_if_stuck()

    async def _choose_targets(self) -> None:
        """What is in the log now must be in Redis before the partition counts as caught up now."""
        buffers, now_ms = self.app.buffers, time.time_ns() // 1_000_000
        places = [TopicPartition(*tp) for tp in buffers if tp.partition not in self._targets]
        if not places:
            return
        ends = await (await self._positions.log()).ends(places)
        if self.app.buffers is buffers:
            for place, end in ends.items():
                self._targets.setdefault(place.partition, (now_ms, {}))[1][place] = end

    async def _record_caught_up(self) -> None:
        applied: dict[TP, int] = self.app.applied
        reached = {
            partition: at_ms
            for partition, (at_ms, ends) in self._targets.items()
            if all(applied.get(TP(*place), -1) >= end for place, end in ends.items())
        }
        if not reached:
            return
        fields: dict[bytes, bytes | int] = {caught_up_field(partition): at for partition, at in reached.items()}
        # Behind the last record there may be markers of transactions, which no batch covers.
        fields |= {layout.position_field(*tp): at for tp, at in applied.items() if tp.partition in reached}
        await self._store.advance(self.epoch, fields)
        if self.app.applied is applied:
            self._caught_up |= reached
            for partition in reached:
                del self._targets[partition]

    def _end_if_stuck(self) -> None:
        applied, since_s = self._progress
        now_s, limit_s = time.monotonic(), self.app.settings.stalled_after_s
        if applied != self.app.applied or not self._targets:
            self._progress = (dict(self.app.applied), now_s)
        elif now_s - since_s > limit_s:
            halt("events wait in the log and nothing is read", status=Exit.PASSING, seconds=limit_s)

    @Service.task  # type: ignore[untyped-decorator]  # mode has no types
    async def _trim_daily(self) -> None:
        """Remove what is no longer kept, also from accounts that nothing is written to."""
        while not self.should_stop:
            await self.sleep(LOOK_EVERY_S)
            due = self._trimmed_s is None or time.monotonic() - self._trimmed_s > TRIM_EVERY_S
            if due and self.app.assigned and self.ready:
                try:
                    await self._trim()
                except AwayError as error:
                    self.redis_is_away(error)

    async def _trim(self) -> None:
        now_s = time.monotonic()
        counts = [await self._store.trim(partition, self.app.keep()) for partition in sorted(self.app.partitions())]
        self._trimmed_s = now_s
        logger.info("trimmed", accounts=sum(counts), seconds=round(time.monotonic() - now_s, 3))

    async def _kafka_failed(self, error: KafkaError) -> None:
        """Ask over a new connection next time; a refusal that does not pass ends the process."""
        if classify(error).status is not Exit.PASSING:
            raise error
        logger.warning("Kafka does not answer", error=classify(error).line)
        await self._positions.close()

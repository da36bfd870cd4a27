"""How far the run is: what the worker and the provider have yet to do, and how fast it goes."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from demo.provider_loop import PAYMENT_REQUESTS, group_of
from demo.watch import Offsets, Totals, end_offsets, reader
from demo.wire import INPUT_TOPIC
from stream.settings import Settings

RATE_WINDOW_S = 3.0


@dataclass(slots=True)
class Progress:
    """`decided` inputs are committed by the worker, `waiting` are not yet; `unpaid` requests wait for the provider."""

    totals: Totals
    decided: int = 0
    waiting: int = 0
    unpaid: int = 0
    sending: bool = True
    settled: bool = False
    began_s: float = field(default_factory=time.monotonic)
    moved_s: float = field(default_factory=time.monotonic)
    _history: deque[tuple[float, int]] = field(default_factory=deque)

    def advance(self, decided: int) -> None:
        now_s = time.monotonic()
        if decided != self.decided or (self.waiting == 0 and self.unpaid == 0):
            self.moved_s = now_s
        self.decided = decided
        self._history.append((now_s, decided))
        while self._history[-1][0] - self._history[0][0] > RATE_WINDOW_S:
            self._history.popleft()

    def silent_s(self) -> float:
        """Seconds since something was decided, or since there was nothing to do."""
        return time.monotonic() - self.moved_s

    def took_s(self) -> float:
        """Seconds from the beginning to the last decision."""
        return self.moved_s - self.began_s

    @property
    def per_second(self) -> int:
        """Inputs decided a second, over the last few seconds."""
        if len(self._history) < 2:
            return 0
        (first_s, first), (last_s, last) = self._history[0], self._history[-1]
        return round((last - first) / (last_s - first_s))


class Gauge:
    """Reads offsets: how much has been put on the topics, and how much of it each group has committed."""

    def __init__(self, settings: Settings, begin: Offsets) -> None:
        self._settings = settings
        self._begin = begin
        self._admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
        self._consumer: AIOKafkaConsumer = reader(settings)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        await self._admin.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()
        await self._consumer.stop()

    async def read(self, progress: Progress) -> None:
        """Bring `progress` up to date. Settled: nothing is on its way any more, in either direction."""
        unpaid, asked = await self._behind(PAYMENT_REQUESTS, group_of(self._settings))
        waiting, sent = await self._behind(INPUT_TOPIC, self._settings.app_id)
        # The worker publishes before it commits and the provider answers before it commits, so when both are done and
        # no request has appeared since the provider was found done, there is nothing left that could cause anything.
        asked_now = sum((await self._ends(PAYMENT_REQUESTS)).values())
        progress.waiting, progress.unpaid = waiting, unpaid
        progress.settled = not progress.sending and waiting == 0 and unpaid == 0 and asked == asked_now
        progress.advance(sent - waiting)

    async def _behind(self, topic: str, group: str) -> tuple[int, int]:
        """(offsets not committed by `group`, offsets on `topic`) since the run began."""
        ends = await self._ends(topic)
        committed = await self._admin.list_consumer_group_offsets(group, partitions=list(ends))
        behind = sum(end - max(committed[where].offset, self._begin[where]) for where, end in ends.items())
        return behind, sum(end - self._begin[where] for where, end in ends.items())

    async def _ends(self, topic: str) -> dict[TopicPartition, int]:
        return await end_offsets(self._consumer, [self._settings.topic(topic)], self._settings.partitions)

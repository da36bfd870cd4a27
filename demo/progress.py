"""How far the run is: what the worker and the provider have yet to do, and how fast it goes."""

import time
from collections import deque
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from demo.cluster import Offsets, end_offsets
from demo.provider_loop import PAYMENT_REQUESTS, group_of
from demo.watch import Totals
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

    def __init__(
        self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, settings: Settings, begin: Offsets
    ) -> None:
        self._consumer, self._admin, self._settings, self._begin = consumer, admin, settings, begin

    async def read(self, progress: Progress) -> None:
        """Bring `progress` up to date. Settled: nothing is on its way any more, in either direction."""
        asked = await self._ends(PAYMENT_REQUESTS)
        unpaid = await self._behind(asked, group_of(self._settings))
        sent = await self._ends(INPUT_TOPIC)
        waiting = await self._behind(sent, self._settings.app_id)
        # The worker publishes before it commits and the provider answers before it commits, so when both are done and
        # no request has appeared since the provider was found done, there is nothing left that could cause anything.
        quiet = waiting == 0 and unpaid == 0 and asked == await self._ends(PAYMENT_REQUESTS)
        progress.waiting, progress.unpaid = waiting, unpaid
        progress.settled = quiet and not progress.sending
        progress.advance(sum(end - self._begin[where] for where, end in sent.items()) - waiting)

    async def _behind(self, ends: Offsets, group: str) -> int:
        """How many offsets before `ends`, and since the run began, `group` has not committed."""
        committed = await self._admin.list_consumer_group_offsets(group, partitions=list(ends))
        return sum(end - max(committed[where].offset, self._begin[where]) for where, end in ends.items())

    async def _ends(self, topic: str) -> dict[TopicPartition, int]:
        return await end_offsets(self._consumer, self._settings, topic)

"""Progress of the run: the remaining work of worker and provider, and the rate."""

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
    """The worker has committed `decided` inputs and not yet `waiting` ones; `unpaid` requests wait for the provider.

    The run is `finished` when nothing is in progress in either direction.
    """

    totals: Totals
    decided: int = 0
    waiting: int = 0
    unpaid: int = 0
    sending: bool = True
    finished: bool = False
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

    def idle_s(self) -> float:
        """Seconds since the last decision, or since there was last nothing to do."""
        return time.monotonic() - self.moved_s

    def took_s(self) -> float:
        """Seconds from the start to the last decision."""
        return self.moved_s - self.began_s

    @property
    def per_second(self) -> int:
        """Inputs decided per second, over the last few seconds."""
        if len(self._history) < 2:
            return 0
        (first_s, first), (last_s, last) = self._history[0], self._history[-1]
        return round((last - first) / (last_s - first_s))


class Gauge:
    """Reads offsets: the end of each topic, and how much of it each group has committed."""

    def __init__(
        self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, settings: Settings, begin: Offsets
    ) -> None:
        self._consumer, self._admin, self._settings, self._begin = consumer, admin, settings, begin

    async def read(self, progress: Progress) -> None:
        """Update `progress`."""
        requested = await self._ends(PAYMENT_REQUESTS)
        unpaid = await self._behind(requested, group_of(self._settings))
        sent = await self._ends(INPUT_TOPIC)
        waiting = await self._behind(sent, self._settings.app_id)
        # Worker and provider both publish before they commit. So when both have committed everything, and no request
        # has appeared since the provider's offsets were read, no further record can follow.
        quiet = waiting == 0 and unpaid == 0 and requested == await self._ends(PAYMENT_REQUESTS)
        progress.waiting, progress.unpaid = waiting, unpaid
        progress.finished = quiet and not progress.sending
        progress.advance(sum(end - self._begin[where] for where, end in sent.items()) - waiting)

    async def _behind(self, ends: Offsets, group: str) -> int:
        """Number of offsets of this run, up to `ends`, that `group` has not committed."""
        committed = await self._admin.list_consumer_group_offsets(group, partitions=list(ends))
        return sum(end - max(committed[where].offset, self._begin[where]) for where, end in ends.items())

    async def _ends(self, topic: str) -> dict[TopicPartition, int]:
        return await end_offsets(self._consumer, self._settings, topic)

"""Reads what the views keep in Redis, and how far the views have read.

Redis may be emptied, and read again from the start, at any moment. So every pipeline ends with a look at the meta hash:
what was read before it is complete only if the views had caught up and had not begun again meanwhile.
"""

import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from agents.views import layout
from agents.views.layout import caught_up_field
from gateway.http.problem import no_such_account, unavailable
from gateway.parts import Parts
from schemas.instant import SECOND_MS
from schemas.partitioning import partition_of
from stream.redis_connection import Command, run_repeatable

STALE_AFTER_MS = 10_000
STALE = "Tollgate-Stale"


@dataclass(frozen=True, slots=True)
class Shown:
    """What an answer shows: everything up to `up_to_ms`, as the views that began with `epoch` read it."""

    epoch: bytes
    up_to_ms: int

    def headers(self) -> dict[str, str]:
        """`Tollgate-Stale` when the views are behind, by the wall clock, as the views measure it."""
        behind_ms = time.time_ns() // 1_000_000 - self.up_to_ms
        return {STALE: str(behind_ms // SECOND_MS)} if behind_ms > STALE_AFTER_MS else {}


class Source:
    """The views of all accounts, for one request. Every method raises AwayError while Redis is away, and Problem
    `unavailable` while the views have not caught up since they began to read a partition from its start, and when they
    begin again meanwhile.
    """

    def __init__(self, parts: Parts) -> None:
        self._client, self.partitions = parts.redis, parts.settings.partitions
        self.shown: Shown | None = None

    def partition_of(self, account: bytes) -> int:
        return partition_of(account, self.partitions)

    async def ask(self, partitions: Collection[int], commands: Iterable[Command]) -> list[Any]:
        """The answers to commands about accounts of these partitions, in one round trip.

        How far the views are is read before everything else, so that the answers show at least that; whether they had
        caught up is read again after it.
        """
        look = ("HMGET", layout.META, b"epoch", *map(caught_up_field, partitions))
        before, *answers, after = await run_repeatable(self._client, look, *commands, look)
        epoch, *times = before
        if None in before or None in after or epoch != after[0]:
            raise unavailable("The views are reading the events again from the start: try again.")
        self._note(Shown(epoch, min(map(int, times), default=sys.maxsize)))
        return answers

    def _note(self, shown: Shown) -> None:
        if self.shown is None:
            self.shown = shown
        elif self.shown.epoch != shown.epoch:
            raise unavailable("What is shown began to be read again: try again.")
        elif shown.up_to_ms < self.shown.up_to_ms:
            self.shown = shown

    def headers(self) -> dict[str, str]:
        """Those of the answer, once something was read."""
        return {} if self.shown is None else self.shown.headers()


class AccountSource:
    """The views of one account, for one request."""

    def __init__(self, source: Source, account_id: str) -> None:
        self.account, self.source = account_id.encode(), source
        self._partitions = (source.partition_of(self.account),)

    def key(self, name: str) -> bytes:
        return layout.account_key(self.account, name.encode())

    async def look(self, *commands: Command) -> list[Any]:
        """The answers, whether or not there is such an account."""
        return await self.source.ask(self._partitions, commands)

    async def ask(self, *commands: Command) -> list[Any]:
        """The answers. Raises Problem `not_found` for an account without a snapshot."""
        *answers, exists = await self.look(*commands, ("EXISTS", self.key("snapshot")))
        if not exists:
            raise no_such_account()
        return answers

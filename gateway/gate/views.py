"""What the views know about a call: its decision, and whether there is such an account."""

import asyncio
from time import time
from typing import Any

import msgspec
from redis.exceptions import RedisError

from agents.views import layout
from agents.views.layout import caught_up_field
from gateway.gate.decision import Decision, read_decided
from gateway.gate.pending import CallKey
from schemas.partitioning import partition_of
from stream.settings import Settings

# Views that have not caught up for longer than this may not know the newest accounts.
FRESH_MS = 10_000


class Look(msgspec.Struct, frozen=True, gc=False):
    """`next_decision`: the views have all decisions of the account's partition before this offset; None if they do not
    know. `no_such_account`: the account is in no snapshot, and the views have caught up.
    """

    decision: Decision | None = None
    next_decision: int | None = None
    no_such_account: bool = False


UNSEEN = Look()


class AwayError(Exception):
    """Redis has not answered in time, or with an error."""


class Views:
    """Reads the views in Redis."""

    def __init__(self, redis: Any, settings: Settings) -> None:
        self._redis, self._settings = redis, settings

    async def look(self, call: CallKey, within_s: float) -> Look:
        """Raises AwayError when there is no answer in time."""
        account, partition = call.account_id.encode(), partition_of(call.account_id.encode(), self._settings.partitions)
        decisions = layout.position_field(self._settings.topic(layout.DECISIONS), partition)
        asked = self._redis.pipeline(transaction=False)
        asked.hget(layout.call_key(account, call.call_id.encode()), layout.DECISION)
        asked.exists(layout.account_key(account, b"snapshot"))
        asked.hmget(layout.META, [caught_up_field(partition), decisions])
        try:
            async with asyncio.timeout(within_s):
                decision, snapshot, (caught_up_at, position) = await asked.execute()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError.
            raise AwayError from error
        decided = None if decision is None else read_decided(decision)
        return Look(
            None if decided is None else decided.decision,
            int(position) if position else None,
            not snapshot and bool(caught_up_at) and time() * 1_000 - int(caught_up_at) < FRESH_MS,
        )

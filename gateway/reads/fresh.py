"""Reads of the views that show at least what this gateway has read from the log."""

import asyncio
from collections.abc import Sequence
from typing import Any

from agents.views import layout
from gateway.http.problem import unavailable
from gateway.log.reader import TOPICS, Begin
from gateway.parts import Parts
from gateway.reads.source import AccountSource
from stream.redis_connection import Command

# The views record that they have passed the end of a quiet partition within a second.
WAIT_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.01, 0.1


async def look_behind(
    parts: Parts, account: AccountSource, position: Begin, commands: Sequence[Command], wait_s: float = WAIT_S
) -> list[Any]:
    """The answers once the views have everything before `position`. Raises Problem `unavailable` when they do not have
    it in time, and what `AccountSource.look` raises.
    """
    clock = asyncio.get_running_loop().time
    deadline_s, pause_s = clock() + wait_s, FIRST_PAUSE_S
    fields = [layout.position_field(parts.settings.topic(topic), position.partition) for topic in TOPICS]
    while True:
        reached, *answers = await account.look(("HMGET", layout.META, *fields), *commands)
        offsets = [-1 if offset is None else int(offset) for offset in reached]
        if all(offset >= end for offset, end in zip(offsets, position.offsets, strict=True)):
            return answers
        if clock() >= deadline_s:
            raise unavailable("The views are behind the log: try again.")
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LAST_PAUSE_S)

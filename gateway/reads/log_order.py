"""Lists in log order, newest first: the events that a sorted set holds by their offsets.

A list is read in steps, so that no single answer of Redis holds up the others, however long the list is.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from gateway.reads.cursor import Asked
from gateway.reads.source import AccountSource
from schemas.instant import parse_instant

# Rows of a step: Redis answers it, and the event loop reads it, within a few milliseconds.
STEP_ROWS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """An event as published, and its offset."""

    value: bytes
    offset: int


class _Head(msgspec.Struct, frozen=True, gc=False):
    type: str
    occurred_at: str


_head = msgspec.json.Decoder(_Head).decode


def takes(asked: Asked, value: bytes) -> bool:
    if asked.takes_all:
        return True
    head = _head(value)
    if asked.type is not None and head.type != asked.type:
        return False
    at_ms = parse_instant(head.occurred_at)
    return (asked.from_ms is None or at_ms >= asked.from_ms) and (asked.to_ms is None or at_ms < asked.to_ms)


async def steps(
    account: AccountSource, name: str, below: int | None = None, rows: int = STEP_ROWS
) -> AsyncIterator[list[Row]]:
    """Every row of the list with an offset below `below`, newest first. At least one step, which may be empty."""
    while True:
        top: object = "+inf" if below is None else f"({below}"
        [found] = await account.ask(
            ("ZREVRANGEBYSCORE", account.key(name), top, "-inf", "WITHSCORES", "LIMIT", 0, rows)
        )
        yield [Row(value, int(offset)) for value, offset in found]
        if len(found) < rows:
            return
        below = int(found[-1][1])


async def page(
    account: AccountSource, name: str, asked: Asked, below: int | None, limit: int
) -> tuple[list[Row], bool]:
    """At most `limit` of the rows that are asked for, and whether there are more."""
    found: list[Row] = []
    step_rows = limit + 1 if asked.takes_all else max(limit + 1, STEP_ROWS)
    async for rows in steps(account, name, below, step_rows):
        found += [row for row in rows if takes(asked, row.value)]
        if len(found) > limit:
            return found[:limit], True
    return found, False

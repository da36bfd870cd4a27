"""Calls: what was decided about each, what it cost and what was adjusted, by the time of its first event.

Redis keeps the ids of the calls by that time. Equal times are in the order of the ids, oldest id first, while the times
run from the newest to the oldest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec

from agents.views import layout
from gateway.reads.cursor import Asked
from gateway.reads.log_order import STEP_ROWS
from gateway.reads.source import AccountSource
from schemas.instant import format_instant

CALLS = "calls"


@dataclass(frozen=True, slots=True)
class Place:
    """Of a call among the calls of its account."""

    first_ms: int
    call_id: bytes


class _Amount(msgspec.Struct, frozen=True, gc=False):
    amount_micros: int
    currency: str


_amount = msgspec.json.Decoder(_Amount).decode


class Call(msgspec.Struct, frozen=True, gc=False):
    """A call with its events as published, its adjustments in log order."""

    place: Place
    decision: bytes | None
    charge: bytes | None
    adjustments: list[bytes]

    def charged_micros(self) -> int | None:
        return None if self.charge is None else _amount(self.charge).amount_micros

    def adjusted_micros(self) -> int:
        return sum(_amount(value).amount_micros for value in self.adjustments)

    def currency(self) -> str | None:
        return None if self.charge is None else _amount(self.charge).currency


def call_of(place: Place, fields: Mapping[bytes, bytes]) -> Call:
    """The call of a hash: `decision`, `charge`, and `a:OFFSET` for each adjustment."""
    prefix = layout.ADJUSTMENT + b":"
    offsets = sorted(int(name.removeprefix(prefix)) for name in fields if name.startswith(prefix))
    adjustments = [fields[b"%b%d" % (prefix, offset)] for offset in offsets]
    return Call(place, fields.get(layout.DECISION), fields.get(layout.CHARGE), adjustments)


def as_item(call: Call) -> bytes:
    """The call in JSON. Its net amount is known once the charge is."""
    item: dict[str, Any] = {
        "call_id": call.place.call_id.decode(),
        "first_at": format_instant(call.place.first_ms),
    }
    if call.decision is not None:
        item["decision"] = msgspec.Raw(call.decision)
    charged_micros = call.charged_micros()
    if call.charge is not None:
        item["charge"] = msgspec.Raw(call.charge)
    item["adjustments"] = [msgspec.Raw(value) for value in call.adjustments]
    if charged_micros is not None:
        item |= {"net_micros": charged_micros + call.adjusted_micros(), "currency": call.currency()}
    return msgspec.json.encode(item)


async def joined(account: AccountSource, places: Iterable[Place]) -> list[Call]:
    """The calls at these places, without those that were trimmed meanwhile."""
    known = list(places)
    keys = [("HGETALL", layout.call_key(account.account, place.call_id)) for place in known]
    found = await account.ask(*keys)
    return [call_of(place, fields) for place, fields in zip(known, found, strict=True) if fields]


async def places(account: AccountSource, after: Place | None, asked: Asked, rows: int) -> list[Place]:
    """The next `rows` places after `after`, from the newest on for None. The last of `rows` only shows that there is
    more: among calls of equal time it may be any of those that follow.
    """
    bottom = "-inf" if asked.from_ms is None else str(asked.from_ms)
    top = "+inf" if asked.to_ms is None else f"({asked.to_ms}"
    found: list[Place] = []
    if after is not None:
        found, top = await _at_one_time(account, after, rows), f"({after.first_ms}"
    while len(found) < rows:
        missing = rows - len(found)
        [step] = await account.ask(
            ("ZREVRANGEBYSCORE", account.key(CALLS), top, bottom, "WITHSCORES", "LIMIT", 0, missing)
        )
        groups = [(int(ms), list(members)) for ms, members in groupby(step, key=lambda pair: pair[1])]
        for first_ms, members in groups:
            whole = first_ms != groups[-1][0] or len(step) < missing
            if whole or len(found) == rows - 1:
                found += [Place(first_ms, call_id) for call_id, _ in reversed(members)]
            else:
                found += await _at_one_time(account, Place(first_ms, b""), rows - len(found))
        if len(step) < missing:
            break
        top = f"({groups[-1][0]}"
    return found


async def _at_one_time(account: AccountSource, after: Place, rows: int) -> list[Place]:
    """The next calls of the same time as `after`, at most `rows`, by their ids."""
    key, at_ms = account.key(CALLS), after.first_ms
    rank, older = await account.ask(("ZRANK", key, after.call_id), ("ZCOUNT", key, "-inf", f"({at_ms}"))
    # A call that is gone, or has an earlier time by now, does not say where to go on: the ids do.
    start = 0 if rank is None else max(0, rank + 1 - older)
    found: list[Place] = []
    while len(found) < rows:
        [step] = await account.ask(("ZRANGEBYSCORE", key, at_ms, at_ms, "LIMIT", start, STEP_ROWS))
        found += [Place(at_ms, call_id) for call_id in step if call_id > after.call_id]
        if len(step) < STEP_ROWS:
            break
        start += STEP_ROWS
    return found[:rows]

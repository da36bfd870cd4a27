"""Every call with what it costs and why, also those that cost nothing or that the card paid: these move no credits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.portal.call_rows import length_of, redirected_words
from gateway.portal.pages import Page
from gateway.portal.transactions import call_title
from gateway.portal.visit import Visit
from gateway.portal.why import Why, history_of, why_call
from gateway.portal.words import Words
from gateway.reads import calls
from gateway.reads.cursor import EVERYTHING, Cursor, checksum_of, decode, encode

PATH: Final = "/portal/calls"
ROWS = 25

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallCost:
    """`cost_micros` is None until the call was charged. `state` says so, or that the call was redirected."""

    call_id: str
    at: str
    title: str
    detail: str
    state: str
    cost_micros: int | None
    why: Why | None


def call_cost(item: Event, snapshot: Event, words: Words) -> CallCost:
    """One row, of a call as the views have it."""
    decision, charge = item.get("decision"), item.get("charge")
    events: Sequence[Event] = [event for event in (decision, charge, *item["adjustments"]) if event is not None]
    history = history_of(snapshot, events, item["call_id"]) if charge is not None else None
    latest = None if history is None else history.latest
    return CallCost(
        item["call_id"],
        item["first_at"],
        call_title(events),
        length_of(latest.billable_ms) if latest is not None and latest.billable_ms else "",
        _state(decision, charge),
        item.get("net_micros"),
        None if history is None else why_call(history, words),
    )


def _state(decision: Event | None, charge: Event | None) -> str:
    if decision is not None and decision["type"] == "call-redirected":
        return redirected_words(decision["reason"])
    return "" if charge is not None else "In progress"


async def _context(visit: Visit) -> dict[str, Any]:
    checksum = checksum_of(visit.session.account_id, PATH)
    given = visit.request.query_params.get("cursor", "")
    cursor = decode(given, checksum) if given else None
    after = None if cursor is None else calls.Place(cursor.place, cursor.name.encode())
    places = await calls.places(visit.source, after, EVERYTHING, ROWS + 1)
    shown, more = places[:ROWS], len(places) > ROWS
    items = [orjson.loads(calls.as_item(call)) for call in await calls.joined(visit.source, shown)]
    last = shown[-1] if more else None
    older = None if last is None else encode(Cursor(checksum, last.first_ms, last.call_id.decode()))
    rows = [call_cost(item, visit.snapshot, visit.words) for item in items]
    return {"calls": rows, "is_first": cursor is None, "older": older}


PAGES = (Page(PATH, "credits", "Calls", "calls.html", _context),)

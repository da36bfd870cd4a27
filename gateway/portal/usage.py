"""`/portal/usage`: how much of this period is used, what it cost, each day, each call; and all calls as CSV."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from starlette.responses import Response

from backoffice.documents.wording import days
from gateway.portal.call_rows import row_of
from gateway.portal.charged_calls import CALLS_MAX, ChargedCall, calls_in
from gateway.portal.chart import TYPES, Day, by_day, chart_of
from gateway.portal.pages import Download, Page
from gateway.portal.periods import Period, period_now, usage_now
from gateway.portal.visit import Visit
from gateway.portal.words import Words
from gateway.reads import calls
from gateway.reads.calls import CALLS, Place
from gateway.reads.cursor import EVERYTHING, Asked, Cursor, checksum_of, decode, encode
from gateway.reads.lists import table_of
from schemas.instant import minutes

PATH: Final = "/portal/usage"
LABELS: Final = {"inbound": "Inbound", "outbound": "Outbound", "web": "Web"}
ROWS = 25
BEFORE: Final = "before"
_LIST = "the calls of the owner's page"


def used_sentence(usage: Mapping[str, Any], words: Words, *, by_minutes: bool) -> str:
    """How much is used, in words: `7 of 25 included calls used.`"""
    if by_minutes:
        used, included, unit = usage["minutes_used"], usage["minutes_included"], "minute"
    else:
        used, included, unit = usage["calls_counted"], usage["calls_included"], "call"
    many = unit + "s"
    if not included:
        return f"{words.number(used)} {unit if used == 1 else many} used. None are included."
    if used <= included:
        left = f", {words.number(usage['minutes_remaining'])} remaining" if by_minutes else ""
        return f"{words.number(used)} of {words.number(included)} included {many} used{left}."
    beyond = f"{words.number(used - included)} beyond them"
    return f"All {words.number(included)} included {many} used, and {beyond}."


def projected_sentence(usage: Mapping[str, Any], words: Words, *, by_minutes: bool) -> str:
    """Where this leads, or that it cannot be known yet. Rule M12."""
    projected = usage["projected_minutes"] if by_minutes else usage["projected_calls"]
    if projected is None:
        return "There is no projection for this month yet."
    what = "minutes" if by_minutes else "calls"
    return f"At this pace you will use {words.number(round(projected))} {what} by {words.day(usage['period_end'])}."


def bar_of(usage: Mapping[str, Any], *, by_minutes: bool) -> dict[str, int]:
    """The bar in thousandths of its length: used, projected, and where the included ones end."""
    names = ("minutes_used", "projected_minutes", "minutes_included")
    names = names if by_minutes else ("calls_counted", "projected_calls", "calls_included")
    used, projected, included = (int(usage[name] or 0) for name in names)
    length = max(used, projected, included, 1)
    return {
        "used": 1_000 * used // length,
        "projected": 1_000 * projected // length,
        "mark": 1_000 * included // length,
    }


def days_of(found: list[ChargedCall], period: Period, zone: str, *, by_minutes: bool) -> tuple[Day, ...]:
    """What was used each day: counted calls, or the time that they took of the period's minutes."""
    used = (
        (call.end.started_at_ms, call.end.direction, (call.used_ms or 0) if by_minutes else 1)
        for call in found
        if call.counted
    )
    return by_day(used, period, zone)


async def _context(visit: Visit) -> dict[str, Any]:
    by_minutes = not visit.credits
    usage, period = usage_now(visit.snapshot, visit.now_ms), period_now(visit.snapshot, visit.now_ms)
    found, partial = await calls_in(visit, period)
    chart = chart_of(days_of(found, period, visit.snapshot["time_zone"], by_minutes=by_minutes), minutes=by_minutes)
    costs = usage["cost_by_call_type_micros"]
    rows, older = await _rows(visit)
    return {
        "period": days(usage["period_start"], usage["period_end"], visit.snapshot["time_zone"]),
        "usage": usage,
        "by_minutes": by_minutes,
        "used": used_sentence(usage, visit.words, by_minutes=by_minutes),
        "projected": projected_sentence(usage, visit.words, by_minutes=by_minutes),
        "bar": bar_of(usage, by_minutes=by_minutes),
        "chart": chart,
        "types": [(kind, LABELS[kind]) for kind in TYPES],
        "shown": (lambda amount: visit.words.number(minutes(amount) if by_minutes else amount)),
        "partial": CALLS_MAX if partial else 0,
        "costs": [(LABELS[kind], costs[kind]) for kind in TYPES],
        "total_micros": sum(costs.values()),
        "dated": day_and_month,
        "calls": rows,
        "older": older,
        "is_first": BEFORE not in visit.request.query_params,
    }


def day_and_month(on: date) -> str:
    """`14 Mar`."""
    return f"{on.day} {on:%b}"


async def _rows(visit: Visit) -> tuple[list[Any], str]:
    """The newest calls, or those after the cursor of the address; and the cursor of what follows."""
    checksum = checksum_of(visit.session.account_id, _LIST)
    given = visit.request.query_params.get(BEFORE)
    cursor = None if given is None else decode(given, checksum)
    after = None if cursor is None else Place(cursor.place, cursor.name.encode())
    places = await calls.places(visit.source, after, EVERYTHING, ROWS + 1)
    shown = places[:ROWS]
    rows = [row_of(call) for call in await calls.joined(visit.source, shown)]
    if len(places) <= ROWS:
        return rows, ""
    return rows, encode(Cursor(checksum, shown[-1].first_ms, shown[-1].call_id.decode()))


async def _csv(visit: Visit) -> Response:
    """The calls of this period: the table that `GET …/calls` has."""
    period = period_now(visit.snapshot, visit.now_ms)
    response = await table_of(visit.source, CALLS, Asked(period.start_ms, period.end_ms), visit.parts.plans)
    name = f"calls-{visit.words.local(period.start_ms):%Y-%m-%d}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


PAGES = (Page(PATH, "usage", "Usage", "usage.html", _context),)
DOWNLOADS = (Download("/portal/usage.csv", _csv),)

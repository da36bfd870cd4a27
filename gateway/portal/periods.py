"""The billing periods of an account, from its snapshot alone. Rule G3.

An account that does nothing gets no snapshot when its period ends: its snapshot has the usage of an earlier period.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.instant import format_instant, parse_instant
from schemas.period import local_date, period_at

Snapshot = Mapping[str, Any]


class Period(NamedTuple):
    """Half-open, in ms."""

    start_ms: int
    end_ms: int


def anchor_ms(snapshot: Snapshot) -> int:
    """A moment of the day of the month that the periods are counted from.

    One of two boundaries in a row is that day itself: the other one may be clamped to the end of a shorter month.
    """
    start_ms, end_ms = _of_usage(snapshot)
    zone = snapshot["time_zone"]
    return start_ms if local_date(start_ms, zone).day >= local_date(end_ms, zone).day else end_ms


def period_now(snapshot: Snapshot, now_ms: int) -> Period:
    """The period that holds `now_ms`, or that of the snapshot's usage if that is later."""
    period = _of_usage(snapshot)
    if now_ms < period.end_ms:
        return period
    return Period(*period_at(anchor_ms(snapshot), snapshot["time_zone"], now_ms))


def period_before(snapshot: Snapshot, period: Period) -> Period:
    return Period(*period_at(anchor_ms(snapshot), snapshot["time_zone"], period.start_ms - 1))


def usage_now(snapshot: Snapshot, now_ms: int) -> Mapping[str, Any]:
    """The snapshot's usage; once its period has passed, that of a period without calls."""
    usage: Mapping[str, Any] = snapshot["usage"]
    period = period_now(snapshot, now_ms)
    if period == _of_usage(snapshot):
        return usage
    return {
        **usage,
        "period_start": format_instant(period.start_ms),
        "period_end": format_instant(period.end_ms),
        "calls_counted": 0,
        "minutes_used": 0,
        "minutes_remaining": usage["minutes_included"],
        "projected_minutes": None,
        "projected_calls": None,
        "cost_by_call_type_micros": dict.fromkeys(usage["cost_by_call_type_micros"], 0),
    }


def _of_usage(snapshot: Snapshot) -> Period:
    usage = snapshot["usage"]
    return Period(parse_instant(usage["period_start"]), parse_instant(usage["period_end"]))

"""Billing periods, counted from the signup date in the account's time zone. Rule G3."""

from calendar import monthrange
from datetime import UTC, date, datetime
from functools import lru_cache

from schemas.instant import DAY_MS, from_millis, to_millis
from schemas.zones import zone

_BOUNDARIES_REMEMBERED_MAX = 65_536


def period_at(opened_at_ms: int, time_zone: str, at_ms: int) -> tuple[int, int]:
    """Start and end of the period that holds `at_ms`, milliseconds, half-open. Rule G3.

    Periods before the signup are defined as well, for calls that are reported from that time.
    """
    anchor = local_date(opened_at_ms, time_zone)
    local = local_date(at_ms, time_zone)
    index = (local.year - anchor.year) * 12 + local.month - anchor.month
    # Whether this month's boundary has passed depends on the day of the month: step at most one period.
    while boundary(anchor, time_zone, index) > at_ms:
        index -= 1
    while boundary(anchor, time_zone, index + 1) <= at_ms:
        index += 1
    return boundary(anchor, time_zone, index), boundary(anchor, time_zone, index + 1)


def term_at(opened_at_ms: int, time_zone: str, at_ms: int, months: int, first_ms: int) -> tuple[int, int]:
    """Start and end of the term of so many months that holds `at_ms`, milliseconds, half-open. Terms are counted from
    the period that starts at `first_ms`, or from the signup for 0. Rule G3.
    """
    anchor = local_date(opened_at_ms, time_zone)
    first = local_date(max(first_ms, opened_at_ms), time_zone)
    from_months = (first.year - anchor.year) * 12 + first.month - anchor.month
    start_ms, _ = period_at(opened_at_ms, time_zone, at_ms)
    local = local_date(start_ms, time_zone)
    passed = (local.year - anchor.year) * 12 + local.month - anchor.month - from_months
    begins = from_months + passed // months * months
    return boundary(anchor, time_zone, begins), boundary(anchor, time_zone, begins + months)


@lru_cache(maxsize=_BOUNDARIES_REMEMBERED_MAX)
def boundary(anchor: date, time_zone: str, months: int) -> int:
    """Milliseconds of local midnight of the anniversary `months` after `anchor`, its day clamped to the month's end."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    day = min(anchor.day, monthrange(year, month + 1)[1])
    return first_instant(date(year, month + 1, day), time_zone)


def first_instant(day: date, time_zone: str) -> int:
    """Milliseconds of the first instant of `day`: midnight, or the end of the gap where daylight saving skips
    midnight.
    """
    here = zone(time_zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=here)
    instant = to_millis(midnight.astimezone(UTC))
    if from_millis(instant).astimezone(here).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # Midnight does not exist, and no gap is longer than a day. Search for the instant at which the local date changes.
    before, after = instant - 2 * DAY_MS, instant + 2 * DAY_MS
    while after - before > 1:
        middle = (before + after) // 2
        if from_millis(middle).astimezone(here).date() < day:
            before = middle
        else:
            after = middle
    return after


@lru_cache(maxsize=_BOUNDARIES_REMEMBERED_MAX)
def local_date(at_ms: int, time_zone: str) -> date:
    return from_millis(at_ms).astimezone(zone(time_zone)).date()

"""Instants and billing periods for the naive model: milliseconds of the epoch, found by looking, not by arithmetic."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIRE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|([+-])(\d\d):(\d\d))", re.IGNORECASE | re.ASCII
)


@lru_cache(maxsize=10_000)
def instant(text: str) -> int:
    """The milliseconds of an RFC 3339 time; ValueError for what the contract does not allow."""
    read = _WIRE_TIME.fullmatch(text)
    if read is None:
        raise ValueError(f"not a time of the contract: {text}")
    year, month, day, hour, minute, second = (int(part) for part in read.groups()[:6])
    fraction_ms = int((read[7] or ".")[1:].ljust(3, "0")[:3])
    if second == 60:
        second, fraction_ms = 59, 999
    ahead = timedelta(0)
    if read[9] is not None:
        if int(read[10]) > 23 or int(read[11]) > 59:
            raise ValueError(f"not an offset: {text}")
        ahead = timedelta(hours=int(read[10]), minutes=int(read[11])) * (1 if read[9] == "+" else -1)
    local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    at_ms = (local - ahead - _EPOCH) // timedelta(milliseconds=1) + fraction_ms
    if not 1970 <= year <= 2999 or not 1970 <= (_EPOCH + timedelta(milliseconds=at_ms)).year <= 2999:
        raise ValueError(f"not of these years: {text}")
    return at_ms


def wire_time(at_ms: int) -> str:
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ms % 1000:03d}Z"


@lru_cache(maxsize=10_000)
def day_start(year: int, month: int, day: int, time_zone: str) -> int:
    """The first instant of a local day. Rule G3: a midnight that daylight saving skips is the day's first instant.

    Looked for minute by minute from 16 hours before UTC's midnight, so that no rule about folds and gaps is needed.
    """
    at = datetime(year, month, day, tzinfo=UTC) - timedelta(hours=16)
    zone = ZoneInfo(time_zone)
    wanted = (year, month, day)
    while True:
        local = at.astimezone(zone)
        if (local.year, local.month, local.day) >= wanted:
            return (at - _EPOCH) // timedelta(milliseconds=1)
        at += timedelta(minutes=1)


@lru_cache(maxsize=10_000)
def period_start(signup_ms: int, time_zone: str, number: int) -> int:
    """Start of the period `number` months after the one that holds the signup, from the original anchor. Rule G3."""
    signup = (_EPOCH + timedelta(milliseconds=signup_ms)).astimezone(ZoneInfo(time_zone))
    months = signup.year * 12 + signup.month - 1 + number
    year, month = months // 12, months % 12 + 1
    return day_start(year, month, min(signup.day, monthrange(year, month)[1]), time_zone)


@lru_cache(maxsize=100_000)
def period_number(signup_ms: int, time_zone: str, at_ms: int) -> int:
    """Which period an instant lies in; 0 holds the signup. Half-open: the boundary belongs to the new period."""
    number = 0
    while at_ms < period_start(signup_ms, time_zone, number):
        number -= 1
    while at_ms >= period_start(signup_ms, time_zone, number + 1):
        number += 1
    return number

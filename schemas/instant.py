"""Event time: UTC, integer milliseconds since 1970, RFC 3339 text on the wire. Rule G2."""

import re
from datetime import UTC, datetime, timedelta

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)(?:\.(\d{1,3}))?Z", re.ASCII)
_YEAR_MIN, _YEAR_MAX = 1970, 2999
_MINUTES_REMEMBERED_MAX = 4096
_minutes: dict[str, int] = {}
_seconds: dict[int, str] = {}


class Instant(int):
    """A moment, milliseconds since 1970-01-01T00:00:00Z. A type of its own so that the decoder reads it from text."""

    __slots__ = ()


def parse_instant(text: object) -> Instant:
    """Milliseconds of an RFC 3339 UTC time with at most milliseconds. Raises ValueError with what is expected."""
    match = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("expected a UTC time such as `2026-01-31T10:00:00.250Z`, with at most milliseconds")
    minute, second, fraction = match.groups()
    seconds = int(second)
    if seconds > 59:
        raise ValueError("a second is 00 to 59: report a leap second as 59")
    millis = int(fraction.ljust(3, "0")) if fraction else 0
    return Instant(_minute_ms(minute) + seconds * SECOND_MS + millis)


def _minute_ms(minute: str) -> int:
    """Milliseconds of `2026-01-31T10:00:`, remembered because traffic stays within a few minutes."""
    known = _minutes.get(minute)
    if known is None:
        try:
            moment = datetime.fromisoformat(minute + "00+00:00")
        except ValueError as error:
            raise ValueError(f"not a date and time of the calendar: {error}") from None
        # Billing periods reach a month to either side and every time zone: far from the calendar's ends there is room.
        if not _YEAR_MIN <= moment.year <= _YEAR_MAX:
            raise ValueError(f"expected a year from {_YEAR_MIN} to {_YEAR_MAX}")
        if len(_minutes) >= _MINUTES_REMEMBERED_MAX:
            _minutes.clear()
        known = _minutes[minute] = to_millis(moment)
    return known


def format_instant(millis: int) -> str:
    """RFC 3339 text of `millis`: whole seconds as `…:00Z`, others with three digits, `…:00.250Z`."""
    second, rest = divmod(millis, SECOND_MS)
    text = _seconds.get(second)
    if text is None:
        if len(_seconds) >= _MINUTES_REMEMBERED_MAX:
            _seconds.clear()
        text = _seconds[second] = f"{from_millis(second * SECOND_MS):%Y-%m-%dT%H:%M:%S}".rjust(19, "0")
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware `moment`, without a float on the way."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_millis(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)

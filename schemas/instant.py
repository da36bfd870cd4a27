"""Event time: UTC, integer milliseconds since 1970, RFC 3339 text on the wire. Rule G2."""

import re
from datetime import UTC, datetime, timedelta

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d", re.ASCII)
_SECOND_CHARACTERS = 19
_YEAR_MIN, _YEAR_MAX = 1970, 2999

# What may stand behind a whole second, and back: looked up, because every event has several times.
_MILLIS = {f".{digits:0{n}d}Z": digits * 10 ** (3 - n) for n in (1, 2, 3) for digits in range(10**n)} | {"Z": 0}
_SUFFIXES = ("Z", *(f".{millis:03d}Z" for millis in range(1, SECOND_MS)))

# Traffic stays within a few seconds: their texts are remembered both ways, up to a bound.
_SECONDS_REMEMBERED_MAX = 65_536
_millis_of: dict[str, int] = {}
_texts: dict[int, str] = {}


class Instant(int):
    """A moment, milliseconds since 1970-01-01T00:00:00Z. A type of its own so that the decoder reads it from text."""

    __slots__ = ()


def parse_instant(text: object) -> Instant:
    """Milliseconds of an RFC 3339 UTC time with at most milliseconds. Raises ValueError with what is expected."""
    if not isinstance(text, str):
        raise ValueError(_EXPECTED)  # noqa: TRY004  # the decoder names the field for a ValueError
    millis = _MILLIS.get(text[_SECOND_CHARACTERS:])
    if millis is None:
        raise ValueError(_EXPECTED)
    second = text[:_SECOND_CHARACTERS]
    known = _millis_of.get(second)
    return Instant((_parse_second(second) if known is None else known) + millis)


_EXPECTED = "expected a UTC time such as `2026-01-31T10:00:00.250Z`, with at most milliseconds"


def _parse_second(second: str) -> int:
    if _SECOND.fullmatch(second) is None:
        raise ValueError(_EXPECTED)
    try:
        moment = datetime.fromisoformat(second + "+00:00")
    except ValueError as error:
        raise ValueError(f"not a date and time of the calendar: {error}") from None
    # Billing periods reach a month to either side and every time zone: far from the calendar's ends there is room.
    if not _YEAR_MIN <= moment.year <= _YEAR_MAX:
        raise ValueError(f"expected a year from {_YEAR_MIN} to {_YEAR_MAX}")
    if len(_millis_of) >= _SECONDS_REMEMBERED_MAX:
        _millis_of.clear()
    return _millis_of.setdefault(second, to_millis(moment))


def format_instant(millis: int) -> str:
    """RFC 3339 text of `millis`: whole seconds as `…:00Z`, others with three digits, `…:00.250Z`."""
    second = millis // SECOND_MS
    text = _texts.get(second)
    if text is None:
        if len(_texts) >= _SECONDS_REMEMBERED_MAX:
            _texts.clear()
        text = _texts[second] = from_millis(second * SECOND_MS).isoformat()[:_SECOND_CHARACTERS]
    return text + _SUFFIXES[millis - second * SECOND_MS]


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware `moment`, without a float on the way."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_millis(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)

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
_LEAP_SECOND = 60
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):([0-5]\d|60)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)

# What may follow a whole second, in both directions. Looked up, because every event has several times.
_MILLIS = {f".{digits:0{n}d}Z": digits * 10 ** (3 - n) for n in (1, 2, 3) for digits in range(10**n)} | {"Z": 0}
_SUFFIXES = ("Z", *(f".{millis:03d}Z" for millis in range(1, SECOND_MS)))

# Traffic falls into a few seconds: their texts are cached in both directions, up to a bound.
_SECONDS_REMEMBERED_MAX = 65_536
_millis_of: dict[str, int] = {}
_texts: dict[int, str] = {}


class Instant(int):
    """A moment, milliseconds since 1970-01-01T00:00:00Z. A type of its own so that the decoder reads it from text."""

    __slots__ = ()


def parse_instant(text: object) -> Instant:
    """Milliseconds of an RFC 3339 time: with any offset and up to nine decimals, which are cut; second 60 is read as
    59.999. Raises ValueError with what is expected.

    The year is one from 1970 to 2999, both as written and in UTC.
    """
    if not isinstance(text, str):
        raise ValueError(_EXPECTED)  # noqa: TRY004  # the decoder names the field for a ValueError
    millis = _MILLIS.get(text[_SECOND_CHARACTERS:])
    if millis is None:
        return _parse_any(text)
    second = text[:_SECOND_CHARACTERS]
    known = _millis_of.get(second)
    if known is None:
        # A leap second or a lower-case letter is not one of the seconds that are remembered.
        return Instant(_parse_second(second) + millis) if _SECOND.fullmatch(second) else _parse_any(text)
    return Instant(known + millis)


_EXPECTED = "expected an RFC 3339 time with an offset, such as `2026-01-31T10:00:00.250Z`"


def _parse_any(text: str) -> Instant:
    """The same for a time that is not written as we write it."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(_EXPECTED)
    date, minute, second, decimals, sign, hours, minutes = found.groups()
    millis = int(((decimals or "") + "000")[:3])
    if int(second) == _LEAP_SECOND:
        second, millis = "59", SECOND_MS - 1
    offset_ms = (int(hours) * HOUR_MS + int(minutes) * MINUTE_MS) * (-1 if sign == "-" else 1) if sign else 0
    at_ms = _parse_second(f"{date}T{minute}:{second}") + millis - offset_ms
    if at_ms < 0 or from_millis(at_ms).year > _YEAR_MAX:
        raise ValueError(_YEARS)
    return Instant(at_ms)


def _parse_second(second: str) -> int:
    try:
        moment = datetime.fromisoformat(second + "+00:00")
    except ValueError as error:
        raise ValueError(f"not a date and time of the calendar: {error}") from None
    # Billing periods and time zones need room on either side, so times must be far from the ends of the calendar.
    if not _YEAR_MIN <= moment.year <= _YEAR_MAX:
        raise ValueError(_YEARS)
    if len(_millis_of) >= _SECONDS_REMEMBERED_MAX:
        _millis_of.clear()
    return _millis_of.setdefault(second, to_millis(moment))


_YEARS = f"expected a year from {_YEAR_MIN} to {_YEAR_MAX}"


def format_instant(millis: int) -> str:
    """RFC 3339 text of `millis`: whole seconds as `…:00Z`, others with three digits, `…:00.250Z`."""
    second = millis // SECOND_MS
    text = _texts.get(second)
    if text is None:
        if len(_texts) >= _SECONDS_REMEMBERED_MAX:
            _texts.clear()
        text = _texts[second] = from_millis(second * SECOND_MS).isoformat()[:_SECOND_CHARACTERS]
    return text + _SUFFIXES[millis - second * SECOND_MS]


def minutes(millis: int, parts: int = 1) -> int | float:
    """Minutes in `millis / parts`, as the wire has them: an integer where they are whole.

    For display only. Nothing is computed from them: receipts have the milliseconds.
    """
    whole, rest = divmod(millis, MINUTE_MS * parts)
    return millis / (MINUTE_MS * parts) if rest else whole


def to_millis(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware `moment`, without a float on the way."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_millis(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)

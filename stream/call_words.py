"""How times, durations, minutes, money and features are said to people. Rule G11."""

from collections.abc import Iterable
from datetime import datetime

from schemas.facts import Line
from schemas.instant import MINUTE_MS, SECOND_MS, from_millis, parse_instant
from schemas.money import format_money

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAMES = {"extra_calls": "extra calls", "live_agent": "live agent", "appointment_booking": "appointment booking"}


def names(features: Iterable[str]) -> str:
    """Features as people say them: `live agent and appointment booking`."""
    words = [_NAMES.get(feature, feature) for feature in features]
    return words[0] if len(words) == 1 else " and ".join([", ".join(words[:-1]), words[-1]]) if words else ""


def day(text: str) -> str:
    """`1 Jan 2026`; with the time where a period begins at another midnight than UTC's."""
    at = _read(text)
    if at is None:
        return text
    return _day(at) if (at.hour, at.minute, at.second) == (0, 0, 0) else moment(text)


def moment(text: str) -> str:
    """`2 Jan 2026 14:01:05 UTC`, with milliseconds where there are any. What is no time stays as it is."""
    at = _read(text)
    if at is None:
        return text
    millis = f".{at.microsecond // 1000:03d}" if at.microsecond else ""
    return f"{_day(at)} {at:%H:%M:%S}{millis} UTC"


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def _read(text: str) -> datetime | None:
    try:
        return from_millis(parse_instant(text))
    except ValueError:
        return None


def duration(millis: int) -> str:
    """`2 min 30 s`, with milliseconds where there are any."""
    minutes, rest = divmod(millis, MINUTE_MS)
    seconds, fraction = divmod(rest, SECOND_MS)
    return f"{minutes} min {seconds}{f'.{fraction:03d}' if fraction else ''} s"


def minutes_of(millis: int) -> str:
    """`3 minutes`; `1 min 31 s` where they are not whole."""
    if millis < 0:
        return f"-{minutes_of(-millis)}"
    minutes, rest = divmod(millis, MINUTE_MS)
    if rest:
        return duration(millis)
    return f"{minutes:,} minute{'' if minutes == 1 else 's'}"


def flow(micros: int, currency: str, taken: str, given_back: str) -> str:
    return f"{format_money(abs(micros), currency)} {given_back if micros < 0 else taken}"


def signed(micros: int, currency: str) -> str:
    return f"{'+' if micros > 0 else ''}{format_money(micros, currency)}"


def line_row(line: Line, currency: str) -> str:
    """One line of a receipt, its amount in a column."""
    times = f"{line.quantity} x {format_money(line.unit_amount_micros, currency)}"
    return f"{line.kind.replace('_', ' '):<20} {times:>13} {format_money(line.amount_micros, currency):>12}"

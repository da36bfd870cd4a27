"""Times, durations, minutes, money and features as people read them. Rule G11."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from schemas.facts import Line
from schemas.instant import MINUTE_MS, SECOND_MS, from_millis, parse_instant
from schemas.money import format_money
from schemas.zones import zone

NOT_ENABLED = "not_enabled"
# A call that the gate redirected has one such line for all of it.
THE_CALL = "the call, which the gate redirected"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAMES = {"extra_calls": "extra calls", "live_agent": "live agent", "appointment_booking": "appointment booking"}


def names(features: Iterable[str]) -> str:
    """Features by their display names: `live agent and appointment booking`."""
    displayed = [_NAMES.get(feature, feature) for feature in features]
    return " and ".join([", ".join(displayed[:-1]), displayed[-1]]) if len(displayed) > 1 else "".join(displayed)


def day(text: str, time_zone: str = "UTC") -> str:
    """`1 Jan 2026` where the time is a midnight of UTC, `1 Jan 2026 (Europe/Berlin)` where it is one of the time zone;
    with the time of day otherwise.
    """
    at = _read(text)
    if at is None:
        return text
    local = at.astimezone(zone(time_zone))
    where = "" if time_zone == "UTC" else f" ({time_zone})"
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        return f"{_day(local)}{where}"
    return f"{_day(local)} {local:%H:%M:%S}{where or ' UTC'}"


def moment(text: str) -> str:
    """`2 Jan 2026 14:01:05 UTC`, with milliseconds unless they are 0. Text that is not a time is returned unchanged."""
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
    """`2 min 30 s`, with milliseconds unless they are 0."""
    minutes, rest = divmod(millis, MINUTE_MS)
    seconds, fraction = divmod(rest, SECOND_MS)
    return f"{minutes} min {seconds}{f'.{fraction:03d}' if fraction else ''} s"


def minutes_of(millis: int) -> str:
    """`3 minutes`; `1 min 31 s` when the minutes are not whole."""
    if millis < 0:
        return f"-{minutes_of(-millis)}"
    minutes, rest = divmod(millis, MINUTE_MS)
    if rest:
        return duration(millis)
    return f"{minutes:,} minute{'' if minutes == 1 else 's'}"


def flow(micros: int, currency: str, taken: str, given_back: str) -> str:
    """`$3.00 from the wallet`: the amount, then `taken`, or `given_back` when it is negative."""
    return f"{format_money(abs(micros), currency)} {given_back if micros < 0 else taken}"


def signed(micros: int, currency: str) -> str:
    return f"{'+' if micros > 0 else ''}{format_money(micros, currency)}"


def line_row(line: Line, currency: str, what: str = "") -> str:
    """One line of a receipt, its amount in a column, then `what` was not enabled."""
    times = f"{line.quantity} x {format_money(line.unit_amount_micros, currency)}"
    named = f"  {what}" if what else ""
    return f"{line.kind.replace('_', ' '):<20} {times:>13} {format_money(line.amount_micros, currency):>12}{named}"


def line_rows(lines: Iterable[Line], currency: str, off: Sequence[str]) -> Iterator[str]:
    """The lines of a receipt, each `not_enabled` one with its feature of `off`, which has them in the same order. Where
    an adjustment leaves open which of them a line is for, it has them all.
    """
    shown = list(lines)
    certain = sum(line.kind == NOT_ENABLED for line in shown) == len(off)
    left = iter(off)
    for line in shown:
        what = ""
        if line.kind == NOT_ENABLED:
            what = names([next(left)] if certain else off)
        yield line_row(line, currency, what)

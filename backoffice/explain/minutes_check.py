"""The charge of a minutes plan, computed again from its receipt in exact integers: milliseconds and micros a minute.

Rules M2 to M5 and G1. Each step is checked against the one before it, so that a fault names the first wrong number.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from msgspec import UnsetType

from backoffice.explain.call_history import is_counted
from backoffice.explain.wording import duration, minutes_of
from schemas.facts import Charge, Line, MinutesReceipt, Receipt
from schemas.instant import MINUTE_MS, SECOND_MS, parse_instant
from schemas.money import format_money, round_half_up


def beyond_ms(minutes: MinutesReceipt) -> int:
    """The part of the call beyond the included minutes. Rule M4."""
    return minutes.rated_ms - minutes.from_pool_ms


def exact_micros(minutes: MinutesReceipt) -> Fraction:
    """The cost of the call before rounding. Rules M3 and G1."""
    return Fraction(beyond_ms(minutes) * minutes.rate_micros, MINUTE_MS)


def recompute(receipt: Receipt, minutes: MinutesReceipt) -> int:
    """The charge in micros: time beyond the pool times the rate, rounded once. Rules M3 and G1."""
    parts, whole = exact_micros(minutes).as_integer_ratio()
    return round_half_up(parts, receipt.charge_quantum_micros * whole) // whole


def arithmetic_faults(move: Charge, minutes: MinutesReceipt) -> Iterator[str]:
    """Numbers that do not follow from the numbers before them, from the call's times to its lines."""
    receipt, before = move.receipt, minutes.used_before_ms
    talked = _talked_ms(receipt)
    if talked != move.billable_ms:
        expected = "a readable time" if talked is None else duration(talked)
        yield f"the billable time is {duration(move.billable_ms)}; from answer to end it should be {expected}"
    rated = in_increments(minutes, move.billable_ms) if is_counted(receipt) else 0
    if rated != minutes.rated_ms:
        yield f"the rated time is {minutes_of(minutes.rated_ms)}; in its increments it should be {minutes_of(rated)}"
    included = min(max(0, minutes.pool_ms - before), minutes.rated_ms)
    if included != minutes.from_pool_ms:
        from_pool = minutes_of(minutes.from_pool_ms)
        yield f"{from_pool} of it are included; by what the allowance had left it should be {minutes_of(included)}"
    if exact_micros(minutes) // 1 != receipt.unrounded_micros:
        unrounded = format_money(receipt.unrounded_micros, move.currency)
        yield f"minutes times rate is not the unrounded {unrounded}"
    yield from _line_faults(move, minutes)
    yield from _usage_faults("minutes_before", move.minutes_before, before)
    yield from _usage_faults("minutes_after", move.minutes_after, before + minutes.rated_ms)


def _usage_faults(name: str, number: float | UnsetType, millis: int) -> Iterator[str]:
    if isinstance(number, UnsetType):
        yield f"{name} is missing; by the receipt it should be {minutes_of(millis)}"
    elif not _is_time(number, millis):
        yield f"{name} is {number}; by the receipt it should be {minutes_of(millis)}"


def in_increments(minutes: MinutesReceipt, billable_ms: int) -> int:
    """`billable_ms` rounded up to the first increment, then to whole next increments; 0 stays 0. Rule M4."""
    if billable_ms <= 0:
        return 0
    first_ms, next_ms = minutes.increment_first_s * SECOND_MS, minutes.increment_next_s * SECOND_MS
    further = -(-max(0, billable_ms - first_ms) // next_ms)
    return first_ms + further * next_ms


def millis_of(quantity: float) -> int:
    """A quantity of minutes in milliseconds. It is read as decimal text, never computed as a float."""
    return round(Fraction(str(quantity)) * MINUTE_MS)


def _talked_ms(receipt: Receipt) -> int | None:
    """Time from answer to end, at most the plan's longest call; None when one of them is not a time. Rule G7."""
    if receipt.answered_at is None or receipt.outcome == "redirected":
        return 0
    try:
        talked = parse_instant(receipt.ended_at) - parse_instant(receipt.answered_at)
    except ValueError:
        return None
    longest = receipt.longest_call_ms
    return talked if isinstance(longest, UnsetType) else min(talked, longest)


class _Part(NamedTuple):
    kind: str
    millis: int
    unit_micros: int
    amount_micros: int


def _line_faults(move: Charge, minutes: MinutesReceipt) -> Iterator[str]:
    """The receipt must have a line for the part from the pool and one for the part beyond it, and no others except
    the `not_enabled` line of a redirected call.
    """
    beyond = _Part("minutes", beyond_ms(minutes), minutes.rate_micros, recompute(move.receipt, minutes))
    due = [part for part in (_Part("included", minutes.from_pool_ms, 0, 0), beyond) if part.millis]
    lines = [line for line in move.receipt.lines if line.kind != "not_enabled"]
    if len(lines) != len(due) or not all(map(_is_line_of, lines, due)):
        wanted = ", ".join(
            f"{part.kind} {minutes_of(part.millis)} for {format_money(part.amount_micros, move.currency)}"
            for part in due
        )
        yield f"the receipt's lines do not match its minutes; they should be: {wanted or 'none'}"


def _is_line_of(line: Line, part: _Part) -> bool:
    return (line.kind, line.unit_amount_micros, line.amount_micros) == (
        part.kind,
        part.unit_micros,
        part.amount_micros,
    ) and _is_time(line.quantity, part.millis)


def _is_time(quantity: float, millis: int) -> bool:
    """Whether `quantity` minutes are `millis`, to a thousandth of a millisecond: the wire cuts minutes off."""
    return abs(Fraction(str(quantity)) * MINUTE_MS - millis) <= Fraction(1, 1000)

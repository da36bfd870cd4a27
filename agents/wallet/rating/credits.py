"""What one call costs on a credits plan, and what the calls of an account may still cost. Rules C2 to C6,
C9, C11 and G1.

Open calls hold what they can cost at most, which keeps the balance above minus one cap (rule C9). Holds alone are not
enough: a call beyond the included ones that ends before earlier-started calls ranks among the included ones for now
(rule P2) and costs nothing extra. Once the earlier calls have ended it becomes an extra call after all. Without its
hold the next call would be admitted on money that is already committed, and the one after that: one cap each. So the
price of an extra call stays reserved for as many ended calls as the open ones can still push out of the included ones.
All this goes by the terms that each call started under, also after the account has changed its plan (rule P0).
"""

from collections.abc import Callable

from msgspec.structs import replace

from schemas.account import ExtraCalls, Period
from schemas.call import REDIRECTED, Call, is_counted
from schemas.facts import Line
from schemas.money import round_half_up
from schemas.plan import AnyPlan, CreditsPlan

_INCLUDED = Line("included", 1, 0, 0)
_NOT_ENABLED = Line("not_enabled", 1, 0, 0)


def price_call(plan: CreditsPlan, call: Call, ordinal: int) -> tuple[tuple[Line, ...], int]:
    """The lines of an ended call and its unrounded cost in micros, both capped; the lines sum to the rounded charge.

    `ordinal` is the call's place in its period, 0 when it does not count. Rules C3 to C6, C11 and P4.
    """
    if call.gate == REDIRECTED:
        return (_NOT_ENABLED,), 0
    if not is_counted(call):
        return (), 0
    assert call.end is not None
    lines = [_extra_call_line(plan, call, ordinal)]
    if "live_agent" in call.end.features:
        lines.append(_feature_line("live_agent", plan.live_agent_micros, call))
    if "appointment_booking" in call.end.features:
        lines.append(_feature_line("appointment_booking", plan.appointment_booking_micros, call))
    total = sum(line.amount_micros for line in lines)
    if total == 0:
        return tuple(lines), 0
    capped = min(total, plan.cap_micros)
    if capped < total:
        lines.append(Line("cap", 1, capped - total, capped - total))
    return _with_rounding(lines, charge_of(plan, total) - capped), capped


def charge_of(plan: CreditsPlan, total_micros: int) -> int:
    """`total_micros` capped, then rounded once, half up but never above the cap. Rules C6 and G1."""
    charge_micros = round_half_up(min(total_micros, plan.cap_micros), plan.charge_quantum_micros)
    if charge_micros > plan.cap_micros:
        return plan.cap_micros // plan.charge_quantum_micros * plan.charge_quantum_micros
    return charge_micros


def _extra_call_line(plan: CreditsPlan, call: Call, ordinal: int) -> Line:
    """Rule C3. A call admitted as included that ranks beyond the included calls costs nothing extra (rule P2)."""
    if ordinal <= plan.included_calls:
        return _INCLUDED
    return _feature_line("extra_call", plan.extra_call_micros, call, "extra_calls")


def _feature_line(kind: str, unit_micros: int, call: Call, switch: str = "") -> Line:
    """Rule C11: a feature that was off, or inactive at admission, is not billable."""
    if (switch or kind) not in call.features:
        return _NOT_ENABLED
    return Line(kind, 1, unit_micros, unit_micros)


def _with_rounding(lines: list[Line], rounding_micros: int) -> tuple[Line, ...]:
    """Add the charge's one rounding to the last line that costs something, so that the lines sum to the charge."""
    if rounding_micros:
        last = max(i for i, line in enumerate(lines) if line.amount_micros)
        lines[last] = replace(lines[last], amount_micros=lines[last].amount_micros + rounding_micros)
    return tuple(lines)


def difference(before: tuple[Line, ...], after: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines that lead from one receipt to another; they sum to the adjustment. Rule G6."""
    taken = [Line(line.kind, -line.quantity, line.unit_amount_micros, -line.amount_micros) for line in before]
    added = list(after)
    for line in before:
        if line in added:
            added.remove(line)
            taken.remove(Line(line.kind, -line.quantity, line.unit_amount_micros, -line.amount_micros))
    return (*taken, *added)


def reserved_micros(
    periods: tuple[Period, ...], terms: Callable[[str, int], AnyPlan], plan: str, plan_version: int
) -> int:
    """What ended calls may still cost, beside the holds of open calls. Rules C9 and P0.

    `plan` and `plan_version` are the account's: rows of earlier versions do not say under which terms the calls
    started.
    """
    reserved = 0
    for period in periods:
        if period.unpaid_extra_calls:
            counters = period.extra_calls or (
                ExtraCalls(plan, plan_version, period.open_extra_calls, period.unpaid_extra_calls),
            )
            reserved += sum(_reserved_of(period, calls, terms(calls.plan, calls.plan_version)) for calls in counters)
    return reserved


def _reserved_of(period: Period, calls: ExtraCalls, plan: AnyPlan) -> int:
    """The price of an extra call for each ended call that becomes one if every open call counts, without open calls
    that hold the price of an extra call themselves.
    """
    if not isinstance(plan, CreditsPlan):
        return 0
    beyond = period.counted_calls + period.open_calls - max(plan.included_calls, period.counted_calls)
    pushed_out = min(calls.unpaid, max(0, beyond - calls.open))
    return pushed_out * min(plan.extra_call_micros, plan.cap_micros)

"""What one call costs on a credits plan: the lines of its receipt. Rules C2 to C6, C11 and G1."""

from msgspec.structs import replace

from schemas.call import REDIRECTED, Call, is_counted
from schemas.facts import Line
from schemas.money import round_half_up
from schemas.plan import CreditsPlan

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
    """`total_micros` capped, then rounded once, half up but never past the cap. Rules C6 and G1."""
    charge_micros = round_half_up(min(total_micros, plan.cap_micros), plan.charge_quantum_micros)
    if charge_micros > plan.cap_micros:
        return plan.cap_micros // plan.charge_quantum_micros * plan.charge_quantum_micros
    return charge_micros


def _extra_call_line(plan: CreditsPlan, call: Call, ordinal: int) -> Line:
    """Rule C3; a call admitted without extra calls that is ranked beyond the included ones costs nothing extra (rule
    P2).
    """
    if ordinal <= plan.included_calls:
        return _INCLUDED
    return _feature_line("extra_call", plan.extra_call_micros, call, "extra_calls")


def _feature_line(kind: str, unit_micros: int, call: Call, switch: str = "") -> Line:
    """Rule C11: what was off, or inactive at admission, is not billable."""
    if (switch or kind) not in call.features:
        return _NOT_ENABLED
    return Line(kind, 1, unit_micros, unit_micros)


def _with_rounding(lines: list[Line], rounding_micros: int) -> tuple[Line, ...]:
    """The one rounding of the charge goes to the last line that costs something, so that the lines sum to
    the charge.
    """
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

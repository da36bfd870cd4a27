"""What one call costs on a minutes plan: billable time in increments, from the pool first, then at a rate per minute.
Rules M2 to M4.
"""

import msgspec

from schemas.call import REDIRECTED, Call, billable_ms, is_counted
from schemas.facts import Line, MinutesReceipt
from schemas.instant import MINUTE_MS, SECOND_MS, minutes
from schemas.money import round_half_up
from schemas.plan import MinutesPlan

_NOT_ENABLED = Line("not_enabled", 1, 0, 0)


class Rating(msgspec.Struct, frozen=True, gc=False):
    """A rated call. `used_ms` is its billable time in whole increments, `from_pool_ms` the included part of it.

    The lines sum to `amount_micros`, which is rounded once; `unrounded_micros` is the cost before that, rounded down to
    a whole micro.
    """

    lines: tuple[Line, ...]
    amount_micros: int = 0
    unrounded_micros: int = 0
    used_ms: int = 0
    from_pool_ms: int = 0


def rate_call(plan: MinutesPlan, call: Call, used_before_ms: int) -> Rating:
    """Rate an ended call, in a period that has used `used_before_ms`. An uncounted call costs nothing. Rule P4."""
    if call.gate == REDIRECTED:
        return Rating((_NOT_ENABLED,))
    if not is_counted(call):
        return Rating(())
    assert call.end is not None
    billable = billable_ms(call.end, plan.longest_call_ms)
    return rate_time(plan, call.end.direction, billable, used_before_ms, pool_of(plan, call))


def pool_of(plan: MinutesPlan, call: Call) -> int:
    """The included time of the call's period, 0 for a call that started after its subscription had ended. Rules M2 and
    M8.
    """
    return 0 if call.details is not None and call.details.after_subscription else plan.included_ms


def rate_time(plan: MinutesPlan, direction: str, billable: int, used_before_ms: int, pool_ms: int) -> Rating:
    """Rate billable milliseconds: split at the end of the pool, rounded once. Rules M2 to M4 and G1."""
    used_ms = in_increments(plan, billable)
    from_pool_ms = min(max(0, pool_ms - used_before_ms), used_ms)
    beyond_ms = used_ms - from_pool_ms
    rate_micros = rate_of(plan, direction)
    # Micros per minute times milliseconds: divided once, by the rounding.
    amount_micros = round_half_up(beyond_ms * rate_micros, plan.charge_quantum_micros * MINUTE_MS) // MINUTE_MS
    lines = []
    if from_pool_ms:
        lines.append(Line("included", minutes(from_pool_ms), 0, 0))
    if beyond_ms:
        lines.append(Line("minutes", minutes(beyond_ms), rate_micros, amount_micros))
    return Rating(tuple(lines), amount_micros, beyond_ms * rate_micros // MINUTE_MS, used_ms, from_pool_ms)


def minutes_receipt(plan: MinutesPlan, call: Call) -> MinutesReceipt:
    """How an ended call was rated, in exact units. Rule G11."""
    assert call.rated is not None
    assert call.end is not None
    rating = rate_call(plan, call, call.rated.before_ms)
    return MinutesReceipt(
        pool_ms=pool_of(plan, call),
        used_before_ms=call.rated.before_ms,
        rated_ms=rating.used_ms,
        from_pool_ms=rating.from_pool_ms,
        rate_micros=rate_of(plan, call.end.direction),
        increment_first_s=plan.increment_first_s,
        increment_next_s=plan.increment_next_s,
    )


def rate_of(plan: MinutesPlan, direction: str) -> int:
    """Micros per minute. Rule M3."""
    rates = {"inbound": plan.inbound_micros, "outbound": plan.outbound_micros, "web": plan.web_micros}
    return rates[direction]


def in_increments(plan: MinutesPlan, billable: int) -> int:
    """Milliseconds in whole increments, a first one and then equal ones; 0 for no time. Rule M4."""
    if billable <= 0:
        return 0
    first_ms, next_ms = plan.increment_first_s * SECOND_MS, plan.increment_next_s * SECOND_MS
    return first_ms + -(-max(0, billable - first_ms) // next_ms) * next_ms

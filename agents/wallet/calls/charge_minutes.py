"""Charges calls of a minutes plan, in order of arrival. Rules M2 to M5 and P3."""

from typing import NamedTuple

from msgspec.structs import replace

from agents.wallet.billing.overage import add_overage, move_overage, request_from_threshold
from agents.wallet.billing.subscription import is_over
from agents.wallet.billing.usage import count_cost
from agents.wallet.calls.receipt import Paid, RatedCharge, emit_adjustment, emit_charge
from agents.wallet.rating.minutes import pool_of, rate_call, rate_of
from agents.wallet.turn import Turn
from schemas.account import RATE_OF_NOTHING, Use
from schemas.call import Call, Details, Rated, is_counted
from schemas.facts import Line
from schemas.plan import MinutesPlan

_UNRATED = Rated(0)
_WITHIN = Use()


def charge_minutes(
    turn: Turn, call_id: str, before: Call, after: Call, plan: MinutesPlan, correction: str | None
) -> None:
    """Charge a call, or adjust its charge after a correction. Other calls are not rated again. Rules M5 and P3."""
    was = before.rated or _UNRATED
    after = _judge_subscription(turn, before, after)
    used_before_ms = _used_before_ms(turn, before, after, correction)
    rating = rate_call(plan, after, used_before_ms)
    changed_micros = rating.amount_micros - before.charged_micros
    paid = _pay(turn, changed_micros, was.card_micros)
    rated = Rated(used_before_ms, rating.used_ms, was.card_micros + paid.card_micros)
    after = replace(after, charged_micros=rating.amount_micros, rated=rated)
    _count_change(turn, _usage(before, was, plan), _usage(after, rated, plan))
    charge = RatedCharge(rating.lines, rating.unrounded_micros, paid)
    if correction is None:
        emit_charge(turn, call_id, after, plan, charge)
    elif changed_micros or _minutes_move(before, was, after, rated):
        after = replace(after, adjustments=after.adjustments + 1)
        emit_adjustment(turn, call_id, after, plan, charge, _lines_before(plan, before), correction)
    turn.put_call(call_id, after)
    move_overage(turn, before.started_at_ms, after.started_at_ms, was.card_micros)
    add_overage(turn, after.started_at_ms, paid.card_micros)
    if paid.card_micros > 0:
        request_from_threshold(turn, plan)


def _judge_subscription(turn: Turn, before: Call, after: Call) -> Call:
    """Note on a call that it started after its subscription had ended: then it has no included minutes. Rule M8."""
    if before.rated is not None and before.started_at_ms == after.started_at_ms:
        return after
    details, over = after.details or Details(), is_over(turn.account.subscription, after.started_at_ms)
    return (
        after
        if over == details.after_subscription
        else replace(after, details=replace(details, after_subscription=over))
    )


def _minutes_move(before: Call, was: Rated, after: Call, rated: Rated) -> bool:
    """Whether minutes are used or given back, or move to another period. Rule P4."""
    return was.used_ms != rated.used_ms or bool(rated.used_ms and before.period_start_ms != after.period_start_ms)


def _used_before_ms(turn: Turn, before: Call, after: Call, correction: str | None) -> int:
    """The minutes that the period has used before this call: unchanged, unless the call counts again. Rule P3."""
    was = before.rated
    counts_again = correction == "reclassified" and is_counted(after) and not is_counted(before)
    if was is None or counts_again or before.period_start_ms != after.period_start_ms:
        return turn.period(after.started_at_ms).used_ms
    return was.before_ms


def _lines_before(plan: MinutesPlan, before: Call) -> tuple[Line, ...]:
    assert before.rated is not None
    return rate_call(plan, before, before.rated.before_ms).lines


def _pay(turn: Turn, changed_micros: int, on_card_micros: int) -> Paid:
    """Overage is taken from the wallet first, as far as its balance is not held; the rest is charged to the card. A
    wallet that does not cover the whole change pays whole minor units. Of a reduction, first the account's card due
    falls, at most by what this call put on the card; the rest goes to the wallet.

    `on_card_micros` is the card's part of the call so far. Rules B10, M5, P0 and P3.
    """
    if changed_micros >= 0:
        wallet_micros = max(0, turn.available_micros)
        if wallet_micros < changed_micros:
            wallet_micros -= wallet_micros % turn.currency.minor_micros
        wallet_micros = min(changed_micros, wallet_micros)
        return Paid(wallet_micros, changed_micros - wallet_micros)
    card_micros = min(-changed_micros, on_card_micros, max(0, turn.account.card_due_micros))
    return Paid(changed_micros + card_micros, -card_micros)


class _Usage(NamedTuple):
    """What a call adds to the counters of its period: the time it uses, the part of it beyond the included minutes, its
    cost, and the rate of that part.
    """

    started_at_ms: int
    period_start_ms: int
    direction: str
    used_ms: int
    beyond_ms: int
    micros: int
    rate_micros: int


def _usage(call: Call, rated: Rated, plan: MinutesPlan) -> _Usage | None:
    """What a rated call adds; None for one that is not rated, or does not count."""
    end = call.end
    if call.rated is None or end is None or not is_counted(call):
        return None
    beyond_ms = rated.used_ms - min(max(0, pool_of(plan, call) - rated.before_ms), rated.used_ms)
    rate_micros = rate_of(plan, end.direction) or RATE_OF_NOTHING
    return _Usage(
        call.started_at_ms,
        call.period_start_ms,
        end.direction,
        rated.used_ms,
        beyond_ms,
        call.charged_micros,
        rate_micros,
    )


def _count_change(turn: Turn, was: _Usage | None, now: _Usage | None) -> None:
    """Count what a call adds in place of what it added before. A correction that moves nothing is not counted: it would
    bring its rate to the invoice of a later period. Rules B8 and M12.
    """
    if was is not None and now is not None and was[1:] == now[1:]:
        return
    if was is not None:
        _count(turn, was, -1)
    if now is not None:
        _count(turn, now, 1)


def _count(turn: Turn, usage: _Usage, sign: int) -> None:
    """Add a call to the counters of its period, or subtract it: minutes used, and cost by call type with the minutes
    behind it.
    """
    period = turn.period(usage.started_at_ms)
    used_ms, calls = max(0, period.used_ms + sign * usage.used_ms), max(0, period.minutes_calls + sign)
    use = _WITHIN
    if usage.beyond_ms:
        use = Use(beyond_ms=sign * usage.beyond_ms, beyond_micros=sign * usage.micros, rate_micros=usage.rate_micros)
    count_cost(turn, period, usage.direction, use, used_ms=used_ms, minutes_calls=calls)

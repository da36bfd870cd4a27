"""Charges calls of a minutes plan, in order of arrival. Rules M2 to M5 and P3."""

from msgspec.structs import replace

from agents.wallet.billing.overage import add_overage, request_overage
from agents.wallet.billing.usage import count_cost
from agents.wallet.calls.receipt import Paid, RatedCharge, emit_adjustment, emit_charge
from agents.wallet.rating.minutes import rate_call
from agents.wallet.turn import Turn
from schemas.call import Call, Rated, is_counted
from schemas.facts import Line
from schemas.plan import MinutesPlan

_UNRATED = Rated(0)


def charge_minutes(
    turn: Turn, call_id: str, before: Call, after: Call, plan: MinutesPlan, correction: str | None
) -> None:
    """Charge a call, or adjust its charge after a correction. Other calls are not rated again. Rules M5 and P3."""
    was = before.rated or _UNRATED
    if before.rated is not None:
        _count(turn, before, was, -1)
    used_before_ms = _used_before_ms(turn, before, after, correction)
    rating = rate_call(plan, after, used_before_ms)
    changed_micros = rating.amount_micros - before.charged_micros
    paid = _pay(turn, changed_micros, was.card_micros)
    rated = Rated(used_before_ms, rating.used_ms, was.card_micros + paid.card_micros)
    after = replace(after, charged_micros=rating.amount_micros, rated=rated)
    _count(turn, after, rated, 1)
    charge = RatedCharge(rating.lines, rating.unrounded_micros, paid)
    if correction is None:
        emit_charge(turn, call_id, after, plan, charge)
    elif changed_micros or rated.used_ms != was.used_ms:
        after = replace(after, adjustments=after.adjustments + 1)
        emit_adjustment(turn, call_id, after, plan, charge, _lines_before(plan, before), correction)
    turn.put_call(call_id, after)
    add_overage(turn, after.started_at_ms, paid.card_micros)
    if paid.card_micros > 0:
        _request_from_threshold(turn, plan)


def _request_from_threshold(turn: Turn, plan: MinutesPlan) -> None:
    """Request overage from the card once the amount due reaches the threshold of the account's current plan, or of
    `plan`, the call's own, where the current plan has none. Rule M5.
    """
    current = turn.plan
    deciding = current if isinstance(current, MinutesPlan) else plan
    if turn.account.card_due_micros >= deciding.card_overage_threshold_micros:
        request_overage(turn)


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
    """Overage is taken from the wallet first; the rest is charged to the card. A reduction lowers the card's part
    first, as far as that part is not yet requested.

    `on_card_micros` is the card's part of the call so far. Rules M5 and P3.
    """
    if changed_micros >= 0:
        wallet_micros = min(changed_micros, max(0, turn.available_micros))
        return Paid(wallet_micros, changed_micros - wallet_micros)
    card_micros = min(-changed_micros, on_card_micros, turn.account.card_due_micros)
    return Paid(changed_micros + card_micros, -card_micros)


def _count(turn: Turn, call: Call, rated: Rated, sign: int) -> None:
    """Add a call to the counters of its period, or subtract it: minutes used and cost by call type. Rule M12."""
    if not is_counted(call):
        return
    assert call.end is not None
    period = turn.period(call.started_at_ms)
    used_ms, calls = max(0, period.used_ms + sign * rated.used_ms), max(0, period.minutes_calls + sign)
    count_cost(turn, period, call.end.direction, sign * call.charged_micros, used_ms=used_ms, minutes_calls=calls)

"""Charging calls of a minutes plan, in the order in which they are heard of. Rules M2 to M5 and P3."""

from msgspec.structs import replace

from agents.wallet.overage import ask_overage, owe_overage
from agents.wallet.rating import rate_call
from agents.wallet.receipt import Paid, Receipted, say_adjustment, say_charge
from agents.wallet.turn import Turn
from agents.wallet.usage import count_cost
from schemas.call import Call, Rated, is_counted
from schemas.facts import Line
from schemas.plan import MinutesPlan

_UNRATED = Rated(0)


def settle_minutes(
    turn: Turn, call_id: str, before: Call, after: Call, plan: MinutesPlan, correction: str | None
) -> None:
    """Charge a call, or the difference that a correction makes. Other calls are not rated again. Rules M5 and P3."""
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
    charge = Receipted(rating.lines, rating.unrounded_micros, paid)
    if correction is None:
        say_charge(turn, call_id, after, plan, charge)
    elif changed_micros or rated.used_ms != was.used_ms:
        after = replace(after, adjustments=after.adjustments + 1)
        say_adjustment(turn, call_id, after, plan, charge, _lines_before(plan, before), correction)
    turn.put_call(call_id, after)
    owe_overage(turn, after.started_at_ms, paid.card_micros)
    if paid.card_micros > 0:
        _ask_from_threshold(turn, plan)


def _ask_from_threshold(turn: Turn, plan: MinutesPlan) -> None:
    """Ask the card once enough is due by the plan that the account is on now, `plan` where that has no overage. Rule
    M5.
    """
    now = turn.plan
    asking = now if isinstance(now, MinutesPlan) else plan
    if turn.account.card_due_micros >= asking.card_overage_threshold_micros:
        ask_overage(turn)


def _used_before_ms(turn: Turn, before: Call, after: Call, correction: str | None) -> int:
    """What the period has used when the call is rated: what it was, unless the call comes to count anew. Rule P3."""
    was = before.rated
    comes_back = correction == "reclassified" and is_counted(after) and not is_counted(before)
    if was is None or comes_back or before.period_start_ms != after.period_start_ms:
        return turn.period(after.started_at_ms).used_ms
    return was.before_ms


def _lines_before(plan: MinutesPlan, before: Call) -> tuple[Line, ...]:
    assert before.rated is not None
    return rate_call(plan, before, before.rated.before_ms).lines


def _pay(turn: Turn, changed_micros: int, on_card_micros: int) -> Paid:
    """The wallet while there is money, then the card; money goes back to the card as far as it is not asked for.

    `on_card_micros` is what the card bears of the call so far. Rules M5 and P3.
    """
    if changed_micros >= 0:
        wallet_micros = min(changed_micros, max(0, turn.available_micros))
        return Paid(wallet_micros, changed_micros - wallet_micros)
    card_micros = min(-changed_micros, on_card_micros, turn.account.card_due_micros)
    return Paid(changed_micros + card_micros, -card_micros)


def _count(turn: Turn, call: Call, rated: Rated, sign: int) -> None:
    """Count a call into its period, or out of it: minutes used and cost by call type. Rule M12."""
    if not is_counted(call):
        return
    assert call.end is not None
    period = turn.period(call.started_at_ms)
    used_ms, calls = max(0, period.used_ms + sign * rated.used_ms), max(0, period.minutes_calls + sign)
    count_cost(turn, period, call.end.direction, sign * call.charged_micros, used_ms=used_ms, minutes_calls=calls)

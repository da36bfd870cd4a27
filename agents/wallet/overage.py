"""Overage on the card: it accrues, is asked for from a threshold on and at the period's end, and settles in order.

Rules M5 and P14. All overage that ever went to the card lies on one line, in order of the invoices that carry it. What
is paid, or given back before it was asked for, settles it from the front. An invoice waits until that reaches its end.
"""

from msgspec.structs import replace

from agents.wallet.payment import DECLINED, SUCCEEDED, close_payment, find_card, request_payment
from agents.wallet.settlement import settle_invoices
from agents.wallet.turn import Turn
from agents.wallet.usage import mark_billing, open_period
from schemas.rows import Payment


def owe_overage(turn: Turn, started_at_ms: int, card_micros: int) -> None:
    """Put a call's overage on the card, or take it off as long as it is not asked for (negative). Rules M5 and P3.

    What is taken off was never on it, as far as it is of the period that waits for its invoice; the rest is settled.
    """
    if not card_micros:
        return
    account, period = turn.account, open_period(turn, started_at_ms)
    turn.account = replace(account, card_due_micros=account.card_due_micros + card_micros)
    carried_micros = max(0, period.card_micros + card_micros)
    settled_micros = carried_micros - period.card_micros - card_micros
    turn.put_period(replace(period, card_micros=carried_micros))
    if settled_micros:
        _settle(turn, settled_micros)


def ask_overage(turn: Turn) -> None:
    """Ask the card for all that is due. Without a card that waits until one comes. Rule P14."""
    due_micros, billing = turn.account.card_due_micros, turn.billing
    if not due_micros:
        return
    card = find_card(turn.account, None)
    if card is None:
        turn.billing = replace(billing, overage_wanted=True)
        return
    turn.billing = replace(billing, overages=billing.overages + 1, overage_wanted=False)
    turn.account = replace(turn.account, card_due_micros=0)
    reference = f"overage/{billing.overages + 1}"
    request_payment(turn, f"{turn.account_id}/{reference}", "overage", reference, due_micros, card)


def finish_overage(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """What is paid is settled; what is declined is due again, with the next request or the period end that the
    clock comes to next. Rule P14.
    """
    close_payment(turn, payment_id, payment, SUCCEEDED if declined is None else DECLINED)
    if declined is not None:
        due_micros = turn.account.card_due_micros + payment.amount_micros
        turn.account = replace(turn.account, card_due_micros=due_micros)
        clock_ms = turn.view.clock_ms
        mark_billing(turn, open_period(turn, turn.at_ms if clock_ms is None else clock_ms))
        return
    _settle(turn, payment.amount_micros)


def _settle(turn: Turn, micros: int) -> None:
    billing = turn.billing
    turn.billing = replace(billing, card_settled_micros=billing.card_settled_micros + micros)
    settle_invoices(turn)

"""Overage on the card: it accrues, is asked for from a threshold on and at the period's end, and settles in order.

Rules M5 and P14. Of all overage that ever went to the card a part is due, a part asked for and not answered, and the
rest settled: paid, or given back before it was asked for. Invoices wait for it by how far along that line they reach.
"""

from msgspec.structs import replace

from agents.wallet.payment import DECLINED, SUCCEEDED, close_payment, find_card, request_payment
from agents.wallet.settlement import settle_invoices
from agents.wallet.turn import Turn
from agents.wallet.usage import mark_billing, open_period
from schemas.rows import Billing, Payment


def owe_overage(turn: Turn, card_micros: int) -> None:
    """Put overage on the card, or take it off as long as it is not asked for (negative). Rules M5 and P3."""
    if not card_micros:
        return
    account = turn.account
    turn.account = replace(account, card_due_micros=account.card_due_micros + card_micros)
    if card_micros < 0:
        billing = turn.billing
        turn.billing = replace(billing, card_settled_micros=billing.card_settled_micros - card_micros)
        settle_invoices(turn)


def accrued_micros(turn: Turn, billing: Billing) -> int:
    """All overage that ever went to the card."""
    return billing.card_settled_micros + unsettled_micros(turn, billing)


def unsettled_micros(turn: Turn, billing: Billing) -> int:
    return billing.card_in_flight_micros + turn.account.card_due_micros


def ask_overage(turn: Turn) -> None:
    """Ask the card for all that is due. Without a card that waits until one comes. Rule P14."""
    due_micros, billing = turn.account.card_due_micros, turn.billing
    if not due_micros:
        return
    card = find_card(turn.account, None)
    if card is None:
        turn.billing = replace(billing, overage_wanted=True)
        return
    turn.billing = replace(
        billing,
        overages=billing.overages + 1,
        overage_wanted=False,
        card_in_flight_micros=billing.card_in_flight_micros + due_micros,
    )
    turn.account = replace(turn.account, card_due_micros=0)
    reference = f"overage/{billing.overages + 1}"
    request_payment(turn, f"{turn.account_id}/{reference}", "overage", reference, due_micros, card)


def finish_overage(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """What is paid is settled; what is declined is due again, with the next request or period end. Rule P14."""
    close_payment(turn, payment_id, payment, SUCCEEDED if declined is None else DECLINED)
    billing, micros = turn.billing, payment.amount_micros
    billing = replace(billing, card_in_flight_micros=billing.card_in_flight_micros - micros)
    if declined is not None:
        turn.billing = billing
        turn.account = replace(turn.account, card_due_micros=turn.account.card_due_micros + micros)
        mark_billing(turn, open_period(turn, turn.at_ms))
        return
    turn.billing = replace(billing, card_settled_micros=billing.card_settled_micros + micros)
    settle_invoices(turn)

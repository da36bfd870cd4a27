"""Overage that the card pays: it accrues, is requested at a threshold and at period end, and is settled in order.

Rules M5 and P14. Imagine all overage that ever went to the card on one line, in the order of the invoices that carry
it. Payments, and reductions before a payment was requested, settle the line from the front. An invoice is paid when the
settled part reaches the invoice's end and its bills are paid (rule P12).
"""

from msgspec.structs import replace

from agents.wallet.billing.usage import period_to_invoice, schedule_period_end
from agents.wallet.funds.payment import DECLINED, SUCCEEDED, find_card, record_answer, request_payment
from agents.wallet.turn import Turn
from schemas.invoices import InvoicePaid
from schemas.rows import Invoice, Payment, invoice_key


def add_overage(turn: Turn, started_at_ms: int, card_micros: int) -> None:
    """Add a call's overage to what is due from the card; a negative amount reduces it. Rules M5 and P3.

    A reduction first lowers the not-yet-invoiced amount of its own period; anything beyond that counts as settled.
    """
    if not card_micros:
        return
    account, period = turn.account, period_to_invoice(turn, started_at_ms)
    turn.account = replace(account, card_due_micros=account.card_due_micros + card_micros)
    carried_micros = max(0, period.card_micros + card_micros)
    settled_micros = carried_micros - period.card_micros - card_micros
    turn.put_period(replace(period, card_micros=carried_micros))
    if settled_micros:
        _settle(turn, settled_micros)


def request_overage(turn: Turn) -> None:
    """Request everything that is due from the default card. Without a card it waits for one. Rule P14."""
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


def apply_overage_answer(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """Settle what was paid. A declined amount is due again, with the next request or at the next period end. Rule
    P14.
    """
    record_answer(turn, payment_id, payment, SUCCEEDED if declined is None else DECLINED)
    if declined is not None:
        due_micros = turn.account.card_due_micros + payment.amount_micros
        turn.account = replace(turn.account, card_due_micros=due_micros)
        schedule_period_end(turn, period_to_invoice(turn, turn.at_ms if turn.clock_ms is None else turn.clock_ms))
        return
    _settle(turn, payment.amount_micros)


def _settle(turn: Turn, micros: int) -> None:
    billing = turn.billing
    turn.billing = replace(billing, card_settled_micros=billing.card_settled_micros + micros)
    emit_paid_invoices(turn)


def emit_paid_invoices(turn: Turn) -> None:
    """Emit `invoice-paid` for each invoice now fully paid, in number order. Rule P12."""
    billing = turn.billing
    still_open = []
    for number in range(billing.open_from, billing.invoices + 1):
        key = invoice_key(turn.account_id, number)
        invoice = turn.get(key, Invoice)
        if invoice is None:
            continue
        if invoice.bills_micros or invoice.card_mark_micros > billing.card_settled_micros:
            still_open.append(number)
            continue
        turn.rows[key] = None
        _emit_paid(turn, number)
    open_from = min(still_open, default=billing.invoices + 1)
    if open_from != billing.open_from:
        turn.billing = replace(billing, open_from=open_from)


def invoice_id(account_id: str, number: int) -> str:
    return f"{account_id}/invoice/{number}"


def _emit_paid(turn: Turn, number: int) -> None:
    name = invoice_id(turn.account_id, number)
    turn.emit(InvoicePaid(id=f"{name}/paid", **turn.common, invoice_id=name, number=number))

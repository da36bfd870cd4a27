"""Overage that the card pays: it accrues, and is requested at a threshold, after declines, and with the invoice.

Rules B10, M5, M6 and P14. What is due is `Account.card_due_micros`. A row of its own counts what payments are asking
for, and the declines; it exists only while there is something to count.
"""

from typing import NamedTuple

from msgspec.structs import replace

from agents.wallet.alert import emit_payment_declined
from agents.wallet.billing.carried import carry
from agents.wallet.billing.retries import is_exhausted, retry_at_ms
from agents.wallet.billing.usage import period_to_invoice, schedule_period_end
from agents.wallet.funds.payment import request_payment, usable_card
from agents.wallet.turn import Turn
from schemas.billing import Bill
from schemas.inputs import PaymentDeclined
from schemas.payment_rows import Payment
from schemas.plan import MinutesPlan
from schemas.rows import bill_key

# The name of the row: there is one for each account.
OVERAGE_BILL = "overage/0"
_NOTHING = Bill("overage", 0)


def overage_bill(turn: Turn) -> Bill:
    return turn.get(bill_key(turn.account_id, OVERAGE_BILL), Bill) or _NOTHING


def put_overage_bill(turn: Turn, bill: Bill) -> None:
    """Keep the row while a payment is in flight, declines are counted or money of the next invoice came back."""
    counts = bill.asked_micros or bill.declines or bill.due_ms or bill.reversed_micros
    turn.rows[bill_key(turn.account_id, OVERAGE_BILL)] = bill if counts else None


def add_overage(turn: Turn, started_at_ms: int, card_micros: int) -> None:
    """Add a call's overage to what is due from the card; a negative amount reduces it. Rules M5 and P3."""
    if not card_micros:
        return
    account, period = turn.account, period_to_invoice(turn, started_at_ms)
    turn.account = replace(account, card_due_micros=account.card_due_micros + card_micros)
    turn.put_period(replace(period, card_micros=period.card_micros + card_micros))
    if card_micros < 0 and turn.account.card_due_micros <= 0:
        _end_wait(turn)


def move_overage(turn: Turn, from_ms: int, to_ms: int, card_micros: int) -> None:
    """Move the card's part of a call that now has another start to the invoice of its cost. Rules B2 and P5."""
    if not card_micros or from_ms == to_ms:
        return
    for at_ms, micros in ((from_ms, -card_micros), (to_ms, card_micros)):
        period = period_to_invoice(turn, at_ms)
        turn.put_period(replace(period, card_micros=period.card_micros + micros))
        schedule_period_end(turn, period)


def _end_wait(turn: Turn) -> None:
    """Nothing is due any more: there is nothing to wait for. Rule M6."""
    bill = overage_bill(turn)
    if bill.due_ms:
        put_overage_bill(turn, replace(bill, due_ms=0))


def request_from_threshold(turn: Turn, plan: MinutesPlan) -> None:
    """Request overage once what is due reaches the threshold of the account's current plan, or of `plan`, the call's
    own, where the current plan has none. While overage waits after a decline, reaching it requests nothing. Rules M5
    and M6.
    """
    current = turn.plan
    deciding = current if isinstance(current, MinutesPlan) else plan
    if turn.account.card_due_micros < deciding.card_overage_threshold_micros:
        return
    bill = overage_bill(turn)
    if not bill.due_ms and not is_exhausted(turn, bill.declines):
        request_overage(turn)


def request_overage_from_new_card(turn: Turn) -> None:
    """Request overage that was declined or has reached the threshold. The count of declines begins anew; a wait goes on
    where nothing of what is due is payable. Rule M6.
    """
    bill, plan, due_micros = overage_bill(turn), turn.plan, turn.account.card_due_micros
    reached = isinstance(plan, MinutesPlan) and due_micros >= plan.card_overage_threshold_micros
    if bill.declines:
        put_overage_bill(turn, replace(bill, declines=0))
    if (reached or bill.declines or bill.due_ms) and turn.currency.payable_micros(due_micros):
        request_overage(turn)


def request_overage(turn: Turn) -> None:
    """Request everything that is due from the default card, as far as it is payable. The rest stays due. Rules G13 and
    P14.
    """
    bill, account, billing = overage_bill(turn), turn.account, turn.billing
    micros, card = turn.currency.payable_micros(account.card_due_micros), usable_card(turn.account)
    if not micros or card is None:
        put_overage_bill(turn, replace(bill, due_ms=0))
        return
    put_overage_bill(turn, replace(bill, due_ms=0, asked_micros=bill.asked_micros + micros))
    _take(turn, micros)
    turn.billing = replace(turn.billing, overages=billing.overages + 1)
    reference = f"overage/{billing.overages + 1}"
    payment_id = f"{turn.account_id}/{reference}"
    request_payment(turn, payment_id, "overage", reference, micros, card, invoice=billing.invoices + 1)


def _take(turn: Turn, micros: int) -> None:
    """Move from what is due to what payments of the next invoice have paid or are asking for. Rule P14."""
    turn.account = replace(turn.account, card_due_micros=turn.account.card_due_micros - micros)
    billing = turn.billing
    turn.billing = replace(billing, overage_asked_micros=billing.overage_asked_micros + micros)


def pay_overage(turn: Turn, micros: int, asked_micros: int) -> None:
    """Take a payment of `micros`; `asked_micros` of them were in flight. A success begins the count of declines anew,
    and a wait goes on while anything is due. What is paid beyond the overage is carried. Rules B3, M6 and P7.
    """
    bill = overage_bill(turn)
    asked_left_micros = bill.asked_micros - asked_micros
    if micros != asked_micros:
        _take(turn, micros - asked_micros)
    beyond_micros = -turn.account.card_due_micros - asked_left_micros
    if beyond_micros > 0:
        _take(turn, -beyond_micros)
        carry(turn, -beyond_micros)
    due_ms = bill.due_ms if turn.account.card_due_micros > 0 else 0
    put_overage_bill(turn, replace(bill, asked_micros=asked_left_micros, declines=0, due_ms=due_ms))


def decline_overage(turn: Turn, payment_id: str, payment: Payment, event: PaymentDeclined) -> None:
    """Make a declined payment due again; all that is due is requested after a wait. Rules M6 and P14."""
    bill = overage_bill(turn)
    _take(turn, -payment.amount_micros)
    declines = bill.declines + 1
    due_ms = retry_at_ms(turn, declines) if turn.currency.payable_micros(turn.account.card_due_micros) else 0
    left_micros = bill.asked_micros - payment.amount_micros
    put_overage_bill(turn, replace(bill, asked_micros=left_micros, declines=declines, due_ms=due_ms))
    emit_payment_declined(
        turn, payment.purpose, payment.amount_micros, event.reason, payment_id=payment_id, retry_at_ms=due_ms
    )


class TakenOver(NamedTuple):
    """Overage that an invoice takes over: what payments have paid or are asking for, what of it is not paid, what the
    payments in flight are asking for, and what payments have covered of calls of later periods. Micros.
    """

    settled_micros: int
    unpaid_micros: int
    asked_micros: int
    ahead_micros: int


def take_over_overage(turn: Turn, card_micros: int, later_micros: int) -> TakenOver:
    """Let an invoice take over the overage of its lines: `card_micros` of them are the card's, and calls of later
    periods put `later_micros` on the card. Their overage stays due, as far as no payment has covered it. An amount
    that a payment in flight requests again after a late success (rule P7) is not counted. Rules B3, M6 and P14.
    """
    bill, account, billing = overage_bill(turn), turn.account, turn.billing
    before_micros = max(0, account.card_due_micros)
    again_micros = before_micros - account.card_due_micros
    covered_micros = card_micros + later_micros - before_micros
    due_micros = max(0, later_micros - max(0, covered_micros - card_micros))
    turn.account = replace(account, card_due_micros=due_micros)
    turn.billing = replace(billing, overage_asked_micros=0)
    declines = 0 if due_micros < before_micros else bill.declines
    left = Bill("overage", 0, declines=declines, due_ms=bill.due_ms if due_micros else 0)
    put_overage_bill(turn, left)
    return TakenOver(
        billing.overage_asked_micros - again_micros,
        bill.asked_micros - again_micros,
        bill.asked_micros,
        later_micros - due_micros,
    )

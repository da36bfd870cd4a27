"""Bills: fees, prorations and invoices, requested from the default card until they are paid. Rules B4, B10, M6 and P11.

A bill's row has the unpaid amount, and `asked`: the part of it that payments without an answer have requested. The rest
is open. A request moves money from open to asked, a decline moves it back, a payment takes it out. A success after a
decline (rule P7) reduces the unpaid amount, whatever has been requested meanwhile; an amount paid beyond the bill is
carried to the next invoice.
"""

from msgspec.structs import replace

from agents.wallet.alert import emit_payment_declined
from agents.wallet.billing.carried import carry
from agents.wallet.billing.retries import retry_at_ms
from agents.wallet.billing.usage import period_to_invoice, schedule_period_end
from agents.wallet.funds.payment import SUCCESS_REMEMBERED_MS, request_payment, usable_card, why_no_card
from agents.wallet.turn import Turn
from schemas.billing import Bill
from schemas.inputs import PaymentDeclined
from schemas.invoices import InvoicePaid
from schemas.payment_rows import Payment
from schemas.rows import bill_key

SUBSCRIPTION = "subscription"
INVOICE = "invoice"


def find_bill(turn: Turn, name: str) -> Bill | None:
    """The bill of this name: `subscription/3` is the third fee or proration, `invoice/2` the second invoice."""
    return turn.get(bill_key(turn.account_id, name), Bill)


def put_bill(turn: Turn, name: str, bill: Bill | None) -> None:
    turn.rows[bill_key(turn.account_id, name)] = bill


def invoice_bill(number: int) -> str:
    return f"{INVOICE}/{number}"


def add_fee_bill(turn: Turn, amount_micros: int, at_ms: int) -> str:
    """Add a bill for a fee or a proration of the period that holds `at_ms`; returns its name for `request_bill`."""
    billing = turn.billing
    name = f"{SUBSCRIPTION}/{billing.fees + 1}"
    turn.billing = replace(billing, fees=billing.fees + 1, bills=(*billing.bills, name))
    put_bill(turn, name, Bill(SUBSCRIPTION, amount_micros, at_ms=at_ms))
    return name


def payable_micros(turn: Turn, bill: Bill) -> int:
    """The part of a bill's open amount that a card can be charged. A fee is requested whole or not at all. Rules B4
    and B10.
    """
    currency = turn.currency
    if bill.purpose == INVOICE:
        return currency.payable_micros(bill.open_micros)
    return bill.open_micros if currency.is_payable(bill.open_micros) else 0


def request_bill(turn: Turn, name: str, *, alert: bool = False) -> None:
    """Request the open part of a bill from the default card, as far as it is payable. Without a card the bill waits for
    one; with `alert` the owner gets one alert about it. Rules B4, B10 and P11.
    """
    bill = find_bill(turn, name)
    assert bill is not None, f"there is no bill {name!r}"
    micros = payable_micros(turn, bill)
    if not micros:
        put_bill(turn, name, replace(bill, due_ms=0))
        return
    card = usable_card(turn.account)
    if card is None:
        reason = why_no_card(turn.account)
        is_told = alert and reason not in bill.alerted
        put_bill(turn, name, replace(bill, due_ms=0, alerted=(*bill.alerted, reason) if is_told else bill.alerted))
        if is_told:
            emit_payment_declined(turn, bill.purpose, micros, reason, invoice_id=_invoice_id(turn, name))
        return
    attempts = bill.attempts + 1
    put_bill(turn, name, replace(bill, attempts=attempts, due_ms=0, asked_micros=bill.asked_micros + micros))
    request_payment(turn, f"{turn.account_id}/{name}/{attempts}", bill.purpose, name, micros, card)


def _invoice_id(turn: Turn, name: str) -> str | None:
    return f"{turn.account_id}/{name}" if name.startswith(f"{INVOICE}/") else None


def pay_bill(turn: Turn, name: str, micros: int, asked_micros: int) -> None:
    """Take a payment of `micros` out of a bill; `asked_micros` of them were in flight. What is paid beyond the bill is
    carried. Rules B3, B4 and P7.
    """
    bill = find_bill(turn, name) or Bill(name.partition("/")[0], 0)
    left_micros = bill.amount_micros - micros
    if left_micros < 0:
        carry(turn, left_micros)
    paid = replace(bill, amount_micros=max(0, left_micros), asked_micros=max(0, bill.asked_micros - asked_micros))
    if bill.amount_micros or bill.asked_micros:
        put_bill(turn, name, paid if payable_micros(turn, paid) else replace(paid, due_ms=0))
    if bill.purpose == INVOICE:
        close_invoice(turn, name, was_open=bill.amount_micros > 0)
        if paid.open_micros:
            _request_rest(turn, name, paid, at_once=asked_micros > 0)


def _request_rest(turn: Turn, name: str, bill: Bill, *, at_once: bool) -> None:
    """Request what a payment of the greatest amount has left open of an invoice. The part that no card can be charged
    is carried at the period's end. Rules B4 and G13.
    """
    if not payable_micros(turn, bill):
        schedule_period_end(turn, period_to_invoice(turn, turn.instant_ms))
    elif at_once and not bill.asked_micros and not bill.due_ms:
        request_bill(turn, name)


def close_invoice(turn: Turn, name: str, *, was_open: bool) -> None:
    """Emit `invoice-paid` once nothing of an invoice is left to pay. Its bill stays only for money that came back."""
    bill = find_bill(turn, name)
    if bill is not None and bill.amount_micros:
        return
    if bill is not None and not bill.asked_micros:
        put_bill(turn, name, remembered(turn, bill) if bill.reversed_micros else None)
    if not was_open:
        return
    invoice_id = f"{turn.account_id}/{name}"
    turn.emit(InvoicePaid(id=f"{invoice_id}/paid", **turn.common, invoice_id=invoice_id))
    billing, number = turn.billing, turn.billing.open_from
    while number <= billing.invoices and not is_open(find_bill(turn, invoice_bill(number))):
        number += 1
    if number != billing.open_from:
        turn.billing = replace(billing, open_from=number)


def is_open(bill: Bill | None) -> bool:
    """Whether something of the bill is not paid, or a payment of it has no answer."""
    return bill is not None and bool(bill.amount_micros or bill.asked_micros)


def is_only_remembered(bill: Bill) -> bool:
    """Whether the bill of a paid invoice stays only in case that more of its money comes back."""
    return bill.purpose == INVOICE and not is_open(bill)


def remembered(turn: Turn, bill: Bill) -> Bill:
    """A paid bill that stays as long as a payment of it may come back. Rules P7 and R8."""
    return replace(bill, due_ms=turn.now_ms + SUCCESS_REMEMBERED_MS + 1)


def decline_bill(turn: Turn, name: str, payment_id: str, payment: Payment, event: PaymentDeclined) -> None:
    """Put a declined payment back into its bill, which is requested again after a wait. Rules B4 and M6."""
    bill = find_bill(turn, name)
    due_ms = 0
    if bill is not None:
        bill = replace(bill, asked_micros=max(0, bill.asked_micros - payment.amount_micros), declines=bill.declines + 1)
        due_ms = retry_at_ms(turn, bill.declines) if payable_micros(turn, bill) else 0
        put_bill(turn, name, replace(bill, due_ms=due_ms))
        if bill.purpose == INVOICE:
            close_invoice(turn, name, was_open=False)
            if bill.open_micros:
                _request_rest(turn, name, bill, at_once=False)
    emit_payment_declined(
        turn,
        payment.purpose,
        payment.amount_micros,
        event.reason,
        payment_id=payment_id,
        invoice_id=_invoice_id(turn, name),
        retry_at_ms=due_ms,
    )


def carry_unpayable(turn: Turn) -> None:
    """Carry the rest of issued invoices that no card can be charged. Rule G13."""
    billing = turn.billing
    for number in range(billing.open_from, billing.invoices + 1):
        name = invoice_bill(number)
        bill = find_bill(turn, name)
        if bill is None or not bill.open_micros or payable_micros(turn, bill) or bill.asked_micros:
            continue
        carry(turn, bill.amount_micros)
        put_bill(turn, name, replace(bill, amount_micros=0, due_ms=0))
        close_invoice(turn, name, was_open=True)

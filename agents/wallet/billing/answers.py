"""Answers to payments of fees, overage and invoices, a new default card, and money of them that came back.

Rules B4, M6, P7, P14 and R8.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from agents.wallet.billing.bills import (
    decline_bill,
    find_bill,
    invoice_bill,
    is_open,
    pay_bill,
    put_bill,
    remembered,
    request_bill,
)
from agents.wallet.billing.overage import (
    decline_overage,
    overage_bill,
    pay_overage,
    put_overage_bill,
    request_overage,
    request_overage_from_new_card,
)
from agents.wallet.funds.payment import DECLINED, SUCCEEDED, record_answer
from agents.wallet.turn import Turn
from schemas.billing import Bill
from schemas.inputs import PaymentDeclined, PaymentSucceeded
from schemas.invoices import InvoiceReversed
from schemas.payment_rows import Payment


def bill_of_payment(turn: Turn, payment: Payment) -> str:
    """The bill that a payment counts for: of an issued invoice its own, otherwise that of the fee or of the overage.
    Rules B4 and P14.
    """
    if 0 < payment.invoice <= turn.billing.invoices:
        return invoice_bill(payment.invoice)
    return payment.reference


def apply_billed_answer(turn: Turn, payment: Payment, event: PaymentSucceeded | PaymentDeclined) -> None:
    """Apply the answer to the bill that the payment counts for. Nothing of a payment that was declined before is in
    flight. Rules B4, M6, P7 and P14.
    """
    late = payment.status == DECLINED
    payment_id, name = event.payment_id, bill_of_payment(turn, payment)
    if isinstance(event, PaymentSucceeded):
        record_answer(turn, payment_id, payment, SUCCEEDED)
        asked_micros = 0 if late else payment.amount_micros
        if name.startswith("overage/"):
            pay_overage(turn, payment.amount_micros, asked_micros)
        else:
            pay_bill(turn, name, payment.amount_micros, asked_micros)
        return
    record_answer(turn, payment_id, payment, DECLINED)
    if name.startswith("overage/"):
        decline_overage(turn, payment_id, payment, event)
    else:
        decline_bill(turn, name, payment_id, payment, event)


def retry_bill(turn: Turn, name: str) -> None:
    """Request a bill again whose wait is over. Rules B4 and M6."""
    turn.billing  # noqa: B018 # Rows of an earlier version are converted first.
    if name.startswith("overage/"):
        request_overage(turn)
    elif find_bill(turn, name) is not None:
        request_bill(turn, name, alert=True)


def request_waiting_bills(turn: Turn) -> None:
    """Request everything that is open, because there is a new default card: fees first, then invoices by number, then
    overage. The count of declines begins anew. Rules B4, M6 and P11.
    """
    for name in _names(turn):
        bill = find_bill(turn, name)
        if bill is not None and is_open(bill):
            put_bill(turn, name, replace(bill, declines=0))
            request_bill(turn, name)
    request_overage_from_new_card(turn)


def _names(turn: Turn) -> Iterator[str]:
    """The names of bills that may be open, in the order in which they are requested."""
    billing = turn.billing
    yield from billing.bills
    yield from (invoice_bill(number) for number in range(billing.open_from, billing.invoices + 1))


def reverse_billed_payment(turn: Turn, payment_id: str, payment: Payment, kind: str, micros: int) -> None:
    """Mark the invoice of a payment with money that came back (`micros` above 0) or was given back to us (below 0).
    Nothing is requested for it, and the invoice stays as it is. Rule R8.

    The caller has bounded the amount by the payment (rule R1); 0 is nothing to mark.
    """
    if not micros:
        return
    name = bill_of_payment(turn, payment)
    if not name.startswith("invoice/"):
        # The invoice is not issued yet: it will show the sum.
        fee = None if name.startswith("overage/") else find_bill(turn, name)
        if fee is None:
            overage = overage_bill(turn)
            put_overage_bill(turn, replace(overage, reversed_micros=overage.reversed_micros + micros))
        else:
            put_bill(turn, name, replace(fee, reversed_micros=fee.reversed_micros + micros))
        return
    bill = find_bill(turn, name) or Bill("invoice", 0)
    bill = replace(bill, reversed_micros=bill.reversed_micros + micros)
    put_bill(turn, name, bill if is_open(bill) else remembered(turn, bill))
    invoice_id = f"{turn.account_id}/{name}"
    turn.emit(
        InvoiceReversed(
            id=f"{invoice_id}/reversed/{turn.cause}",
            **turn.common,
            invoice_id=invoice_id,
            payment_id=payment_id,
            kind=kind,
            amount_micros=abs(micros),
            currency=turn.account.currency,
            reversed_micros=bill.reversed_micros,
        )
    )

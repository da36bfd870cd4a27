"""Bills: fees, prorations and invoices, requested from the default card until they are paid. Rules M6, P11 and P12."""

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from agents.wallet.billing.overage import emit_paid_invoices, request_overage
from agents.wallet.funds.payment import DECLINED, REQUESTED, SUCCEEDED, find_card, record_answer, request_payment
from agents.wallet.turn import Turn
from schemas.facts import SubscriptionPaymentDeclined
from schemas.inputs import PaymentDeclined, PaymentSucceeded
from schemas.instant import format_instant
from schemas.rows import Bill, Invoice, Payment, bill_key, invoice_key

RETRYING = "retrying"  # Declined; requested again at its `due_ms`.
WAITING = "waiting"  # Requested when the account gets a card, or another default card.

NO_CARD = "no_payment_method"


def add_fee_bill(turn: Turn, amount_micros: int, at_ms: int) -> str:
    """Add a bill for a fee or a proration of the period that holds `at_ms`; returns its name for `request_bill`."""
    billing = turn.billing
    name = f"subscription/{billing.fees + 1}"
    turn.billing = replace(billing, fees=billing.fees + 1, bills=(*billing.bills, name))
    turn.rows[bill_key(turn.account_id, name)] = Bill("subscription", amount_micros, WAITING, at_ms)
    return name


def add_invoice_bill(turn: Turn, number: int, amount_micros: int) -> None:
    """Add a bill for the unpaid rest of an invoice, and request it."""
    name = f"invoice/{number}"
    turn.rows[bill_key(turn.account_id, name)] = Bill("invoice", amount_micros, WAITING, turn.instant_ms, number)
    request_bill(turn, name)


def request_bill(turn: Turn, name: str) -> bool:
    """Request a bill from the default card. Returns False when there is none: the bill then waits for a card."""
    key = bill_key(turn.account_id, name)
    bill = turn.get(key, Bill)
    assert bill is not None, f"there is no bill {name!r}"
    card = find_card(turn.account, None)
    if card is None:
        turn.rows[key] = replace(bill, status=WAITING, due_ms=0)
        return False
    attempts = bill.attempts + 1
    turn.rows[key] = replace(bill, status=REQUESTED, attempts=attempts, due_ms=0)
    payment_id = f"{turn.account_id}/{name}/{attempts}"
    request_payment(turn, payment_id, bill.purpose, name, bill.amount_micros, card)
    return True


def request_bill_or_alert(turn: Turn, name: str) -> None:
    """Request a bill, and emit an alert when there is no card. Rule P11."""
    if not request_bill(turn, name):
        bill = turn.get(bill_key(turn.account_id, name), Bill)
        assert bill is not None
        _emit_declined(turn, bill, NO_CARD, None)


def request_waiting_bills(turn: Turn) -> None:
    """Request everything that waits for a card: fees first, then invoices by number, then overage. Rule P11."""
    for name in _names(turn):
        bill = turn.get(bill_key(turn.account_id, name), Bill)
        if bill is not None and bill.status == WAITING:
            turn.rows[bill_key(turn.account_id, name)] = replace(bill, declines=0)
            request_bill(turn, name)
    if turn.billing.overage_wanted:
        request_overage(turn)


def _names(turn: Turn) -> Iterator[str]:
    """The names of bills that may be open, in the order in which they are requested."""
    billing = turn.billing
    yield from billing.bills
    yield from (f"invoice/{number}" for number in range(billing.open_from, billing.invoices + 1))


def apply_bill_answer(turn: Turn, payment_id: str, payment: Payment, event: PaymentSucceeded | PaymentDeclined) -> None:
    """Remove a paid bill. Schedule a retry of a declined one; after the last retry it waits for a card. Rule M6."""
    key = bill_key(turn.account_id, payment.reference)
    bill = turn.get(key, Bill)
    assert bill is not None, f"payment {payment_id!r} has no bill"
    if isinstance(event, PaymentSucceeded):
        record_answer(turn, payment_id, payment, SUCCEEDED)
        turn.rows[key] = None
        _reduce_invoice(turn, bill)
        return
    record_answer(turn, payment_id, payment, DECLINED)
    retries_ms = turn.view.catalogue.rules.subscription_retries_ms
    if bill.declines < len(retries_ms):
        due_ms = turn.instant_ms + retries_ms[bill.declines]
        bill = replace(bill, status=RETRYING, declines=bill.declines + 1, due_ms=due_ms)
    else:
        bill = replace(bill, status=WAITING)
    turn.rows[key] = bill
    _emit_declined(turn, bill, event.reason, payment_id)


def _reduce_invoice(turn: Turn, bill: Bill) -> None:
    """Subtract a paid bill from what is open of the invoice that carries it."""
    if not bill.invoice:
        return
    key = invoice_key(turn.account_id, bill.invoice)
    invoice = turn.get(key, Invoice)
    assert invoice is not None, f"invoice {bill.invoice} is gone and a bill of it was open"
    turn.rows[key] = replace(invoice, bills_micros=invoice.bills_micros - bill.amount_micros)
    emit_paid_invoices(turn)


def _emit_declined(turn: Turn, bill: Bill, reason: str, payment_id: str | None) -> None:
    turn.emit(
        SubscriptionPaymentDeclined(
            id=turn.next_alert_id(),
            **turn.common,
            purpose=bill.purpose,
            amount_micros=bill.amount_micros,
            currency=turn.account.currency,
            reason=reason,
            payment_id=UNSET if payment_id is None else payment_id,
            retry_at=format_instant(bill.due_ms) if bill.due_ms else UNSET,
        )
    )

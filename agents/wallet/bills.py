"""Bills: fees, prorations and invoices that the default card is asked for until it pays. Rules M6, P11 and P12."""

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from agents.wallet.overage import ask_overage
from agents.wallet.payment import DECLINED, REQUESTED, SUCCEEDED, close_payment, find_card, request_payment
from agents.wallet.settlement import settle_invoices
from agents.wallet.turn import Turn
from schemas.facts import SubscriptionPaymentDeclined
from schemas.inputs import PaymentDeclined, PaymentSucceeded
from schemas.instant import format_instant
from schemas.rows import Bill, Invoice, Payment, bill_key, invoice_key

# Asked for again at its time; or when a card comes.
RETRYING = "retrying"
WAITING = "waiting"

NO_CARD = "no_payment_method"


def bill_fee(turn: Turn, amount_micros: int, at_ms: int) -> str:
    """A bill for a fee or a proration of the period that holds `at_ms`, to be asked for with `ask`. Its name."""
    billing = turn.billing
    name = f"subscription/{billing.fees + 1}"
    turn.billing = replace(billing, fees=billing.fees + 1, bills=(*billing.bills, name))
    turn.rows[bill_key(turn.account_id, name)] = Bill("subscription", amount_micros, WAITING, at_ms)
    return name


def bill_invoice(turn: Turn, number: int, amount_micros: int) -> None:
    """Ask for what an invoice leaves to pay."""
    name = f"invoice/{number}"
    turn.rows[bill_key(turn.account_id, name)] = Bill("invoice", amount_micros, WAITING, turn.at_ms, number)
    ask(turn, name)


def ask(turn: Turn, name: str) -> bool:
    """Ask the default card for a bill. False without one: then it waits."""
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


def ask_or_tell(turn: Turn, name: str) -> None:
    """Ask for a bill; tell where there is no card to ask. Rule P11."""
    if not ask(turn, name):
        bill = turn.get(bill_key(turn.account_id, name), Bill)
        assert bill is not None
        _say_declined(turn, bill, NO_CARD, None)


def collect(turn: Turn) -> None:
    """A card has come: ask it for all that waits, fees first, then invoices by number, then overage. Rule P11."""
    for name in _names(turn):
        bill = turn.get(bill_key(turn.account_id, name), Bill)
        if bill is not None and bill.status == WAITING:
            turn.rows[bill_key(turn.account_id, name)] = replace(bill, declines=0)
            ask(turn, name)
    if turn.billing.overage_wanted:
        ask_overage(turn)


def _names(turn: Turn) -> Iterator[str]:
    """The names of bills that may be open, in the order in which they are asked for."""
    billing = turn.billing
    yield from billing.bills
    yield from (f"invoice/{number}" for number in range(billing.open_from, billing.invoices + 1))


def finish_bill(turn: Turn, payment_id: str, payment: Payment, event: PaymentSucceeded | PaymentDeclined) -> None:
    """A paid bill is done with, a declined one asked for again after a while; in the end it waits for a card.

    Rule M6.
    """
    key = bill_key(turn.account_id, payment.reference)
    bill = turn.get(key, Bill)
    assert bill is not None, f"payment {payment_id!r} has no bill"
    if isinstance(event, PaymentSucceeded):
        close_payment(turn, payment_id, payment, SUCCEEDED)
        turn.rows[key] = None
        _settle(turn, bill)
        return
    close_payment(turn, payment_id, payment, DECLINED)
    retries_ms = turn.view.catalogue.rules.subscription_retries_ms
    if bill.declines < len(retries_ms):
        bill = replace(bill, status=RETRYING, declines=bill.declines + 1, due_ms=turn.at_ms + retries_ms[bill.declines])
    else:
        bill = replace(bill, status=WAITING)
    turn.rows[key] = bill
    _say_declined(turn, bill, event.reason, payment_id)


def _settle(turn: Turn, bill: Bill) -> None:
    """Tell the invoice that carries a bill that it is paid."""
    if not bill.invoice:
        return
    key = invoice_key(turn.account_id, bill.invoice)
    invoice = turn.get(key, Invoice)
    assert invoice is not None, f"invoice {bill.invoice} is gone and a bill of it was open"
    turn.rows[key] = replace(invoice, bills_micros=invoice.bills_micros - bill.amount_micros)
    settle_invoices(turn)


def _say_declined(turn: Turn, bill: Bill, reason: str, payment_id: str | None) -> None:
    turn.say(
        SubscriptionPaymentDeclined(
            id=turn.next_alert_id(),
            account_id=turn.account_id,
            occurred_at=turn.at,
            caused_by=turn.cause,
            purpose=bill.purpose,
            amount_micros=bill.amount_micros,
            currency=turn.account.currency,
            reason=reason,
            payment_id=UNSET if payment_id is None else payment_id,
            retry_at=format_instant(bill.due_ms) if bill.due_ms else UNSET,
        )
    )

"""Decision 0040: what becomes of bills, invoices and overage in rows of earlier versions. Money in micros."""

from typing import Any

from msgspec.structs import replace

from agents.wallet.billing.answers import bill_of_payment
from agents.wallet.book import Book
from agents.wallet.turn import Turn
from schemas.account import Account, Period, RefillSetting, Row
from schemas.billing import Bill, Billing, Invoice
from schemas.payment_rows import Payment
from schemas.plan import load_catalogue
from schemas.rows import CLOCK_KEY, Clock, bill_key, billing_key, encode_row, invoice_key, payment_key

JANUARY, FEBRUARY, MARCH = 1_767_225_600_000, 1_769_904_000_000, 1_772_323_200_000
NOW = FEBRUARY + 86_400_000
DOLLAR = 1_000_000


def converted(billing: Billing, rows: dict[str, Row], **fields: Any) -> Turn:
    """A turn in February that has read the billing of an account of an earlier version."""
    account = replace(Account("USD", "UTC", "professional", JANUARY, RefillSetting(0), ()), **fields)
    kept = {"acme": account, billing_key("acme"): billing, CLOCK_KEY: Clock(NOW), **rows}
    book = Book(load_catalogue(), {key: encode_row(key, row, None) for key, row in kept.items()})
    turn = Turn(book, "acme", account, "i1", NOW, NOW)
    assert turn.billing.version == 1
    return turn


def bill(turn: Turn, name: str) -> tuple[int, int, int] | None:
    """What is not paid of a bill, what is asked for, and when it is requested again."""
    row = turn.get(bill_key("acme", name), Bill)
    return None if row is None else (row.amount_micros, row.asked_micros, row.due_ms)


def requested(purpose: str, reference: str, dollars: int) -> Payment:
    return Payment(purpose, reference, dollars * DOLLAR, requested_at_ms=FEBRUARY)


# An invoice of $62: its fee and its overage are in flight, its own bill of $2 was declined and waits.
def test_an_open_invoice_becomes_one_bill() -> None:
    rows: dict[str, Row] = {
        invoice_key("acme", 1): Invoice(51 * DOLLAR, 11 * DOLLAR),
        bill_key("acme", "invoice/1"): Bill("invoice", 2 * DOLLAR, "retrying", FEBRUARY, 1, 1, 1, NOW + 5),
        bill_key("acme", "subscription/1"): Bill("subscription", 49 * DOLLAR, "requested", JANUARY, 1, 2),
        payment_key("acme", "acme/subscription/1/2"): requested("subscription", "subscription/1", 49),
        payment_key("acme", "acme/overage/1"): requested("overage", "overage/1", 11),
    }
    billing = Billing(bills=("subscription/1",), fees=1, overages=1, invoices=1, card_invoiced_micros=11 * DOLLAR)
    turn = converted(billing, rows)
    assert bill(turn, "invoice/1") == (62 * DOLLAR, 60 * DOLLAR, NOW + 5)
    assert (bill(turn, "subscription/1"), turn.billing.bills) == (None, ())
    assert turn.rows[invoice_key("acme", 1)] is None
    for payment_id in ("acme/subscription/1/2", "acme/overage/1"):
        payment = turn.get(payment_key("acme", payment_id), Payment)
        assert payment is not None
        assert bill_of_payment(turn, payment) == "invoice/1"


# Declined overage of an issued invoice is open in its bill, and requested with the next tick; that of this period
# stays due.
def test_declined_overage_goes_into_the_bill_of_its_invoice() -> None:
    rows: dict[str, Row] = {invoice_key("acme", 1): Invoice(0, 11 * DOLLAR)}
    periods = (
        Period(JANUARY, FEBRUARY, card_micros=11 * DOLLAR),
        Period(FEBRUARY, MARCH, card_micros=3 * DOLLAR, inbound_micros=3 * DOLLAR),
    )
    turn = converted(
        Billing(overages=1, invoices=1, card_invoiced_micros=11 * DOLLAR),
        rows,
        periods=periods,
        card_due_micros=14 * DOLLAR,
        billing_due_ms=MARCH,
    )
    assert bill(turn, "invoice/1") == (11 * DOLLAR, 0, NOW)
    assert turn.account.card_due_micros == 3 * DOLLAR


# Overage in flight for the running period counts for the next invoice.
def test_overage_in_flight_counts_for_the_next_invoice() -> None:
    rows: dict[str, Row] = {payment_key("acme", "acme/overage/2"): requested("overage", "overage/2", 11)}
    periods = (Period(FEBRUARY, MARCH, card_micros=12 * DOLLAR, inbound_micros=12 * DOLLAR),)
    turn = converted(
        Billing(overages=2, invoices=1, open_from=2),
        rows,
        periods=periods,
        card_due_micros=DOLLAR,
        billing_due_ms=MARCH,
    )
    payment = turn.get(payment_key("acme", "acme/overage/2"), Payment)
    assert payment is not None
    assert (payment.invoice, turn.billing.overage_asked_micros) == (2, 11 * DOLLAR)
    assert (bill(turn, "overage/0"), turn.account.card_due_micros) == ((0, 11 * DOLLAR, 0), DOLLAR)


# A fee that waits or is in flight stays; credit of earlier invoices is carried; the statement ends at the balance.
def test_the_rest_is_kept() -> None:
    rows: dict[str, Row] = {
        bill_key("acme", "subscription/2"): Bill("subscription", 49 * DOLLAR, "requested", FEBRUARY, 0, 1),
        bill_key("acme", "subscription/3"): Bill("subscription", 5 * DOLLAR, "retrying", FEBRUARY, 0, 1, 1, NOW + 9),
    }
    periods = (Period(FEBRUARY, MARCH, top_up_micros=20 * DOLLAR, inbound_micros=4 * DOLLAR),)
    turn = converted(
        Billing(bills=("subscription/1", "subscription/2", "subscription/3"), fees=3, invoices=1, credit_micros=7),
        rows,
        periods=periods,
        balance_micros=30 * DOLLAR,
        billing_due_ms=MARCH,
    )
    assert turn.billing.bills == ("subscription/2", "subscription/3")
    assert bill(turn, "subscription/2") == (49 * DOLLAR, 49 * DOLLAR, 0)
    assert bill(turn, "subscription/3") == (5 * DOLLAR, 0, NOW + 9)
    assert turn.billing.carried_micros == -7
    # 14 + 20 - 4 = 30.
    assert (turn.billing.closing_micros, turn.periods[0].credited_micros) == (14 * DOLLAR, 20 * DOLLAR)

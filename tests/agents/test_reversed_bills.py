"""R8: money that came back of a payment for a fee, for overage or for an invoice. Money in dollars."""

import pytest
from msgspec.structs import replace

from agents.wallet.billing.answers import reverse_billed_payment
from agents.wallet.book import Book
from agents.wallet.turn import Turn
from schemas.account import Account, RefillSetting, Row
from schemas.billing import Bill, Billing
from schemas.invoices import InvoiceReversed
from schemas.payment_rows import Payment
from schemas.plan import load_catalogue
from schemas.rows import CLOCK_KEY, Clock, bill_key, billing_key, encode_row

JANUARY = 1_767_225_600_000
DOLLAR = 1_000_000
# Of the first invoice a fee, overage and its own payment; of the next one a fee and overage.
PAYMENTS = {
    "issued fee": Payment("subscription", "subscription/1", 49 * DOLLAR, "succeeded", invoice=1),
    "issued overage": Payment("overage", "overage/1", 11 * DOLLAR, "succeeded", invoice=1),
    "invoice": Payment("invoice", "invoice/1", 2 * DOLLAR, "succeeded"),
    "fee": Payment("subscription", "subscription/2", 49 * DOLLAR, "succeeded"),
    "overage": Payment("overage", "overage/2", 11 * DOLLAR, "succeeded", invoice=2),
}


def turn_after(*reversals: tuple[str, str, int]) -> Turn:
    """(payment, kind, dollars, below 0 for what is given back to us) in order; the first invoice is paid."""
    account = Account("USD", "UTC", "professional", JANUARY, RefillSetting(0), (), billed_from_ms=JANUARY)
    billing = Billing(bills=("subscription/2",), fees=2, invoices=1, open_from=2, version=1)
    fee = Bill("subscription", 0, at_ms=JANUARY, attempts=1)
    kept: dict[str, Row] = {"acme": account, billing_key("acme"): billing, CLOCK_KEY: Clock(JANUARY)}
    kept[bill_key("acme", "subscription/2")] = fee
    book = Book(load_catalogue(), {key: encode_row(key, row, None) for key, row in kept.items()})
    turn = Turn(book, "acme", account, "i1", JANUARY, JANUARY)
    for payment, kind, dollars in reversals:
        reverse_billed_payment(turn, f"acme/{payment}", PAYMENTS[payment], kind, dollars * DOLLAR)
    return turn


def marks(turn: Turn) -> list[tuple[str, int, int]]:
    """Kind, amount and sum so far of the facts, in dollars."""
    facts = [fact for fact in turn.facts if isinstance(fact, InvoiceReversed)]
    assert len(facts) == len(turn.facts)
    return [(fact.kind, fact.amount_micros // DOLLAR, fact.reversed_micros // DOLLAR) for fact in facts]


# The amount is always positive; the sum so far is that of the invoice, whichever payments it was.
@pytest.mark.parametrize("payment", ["issued fee", "issued overage", "invoice"])
def test_r08_an_issued_invoice_is_marked(payment: str) -> None:
    turn = turn_after((payment, "dispute", 2), ("invoice", "refund", 1), (payment, "dispute_won", -2))
    assert marks(turn) == [("dispute", 2, 2), ("refund", 1, 3), ("dispute_won", 2, 1)]
    assert {fact.invoice_id for fact in turn.facts if isinstance(fact, InvoiceReversed)} == {"acme/invoice/1"}
    row = turn.get(bill_key("acme", "invoice/1"), Bill)
    assert row is not None
    # Nothing is requested for it, and it is not open again.
    assert (row.amount_micros, row.asked_micros, row.reversed_micros) == (0, 0, DOLLAR)


# Before the invoice is issued there is no such fact; the invoice then has the sum.
@pytest.mark.parametrize(("payment", "bill"), [("fee", "subscription/2"), ("overage", "overage/0")])
def test_r08_before_the_invoice_the_sum_is_kept(payment: str, bill: str) -> None:
    turn = turn_after((payment, "dispute", 5), (payment, "dispute_won", -2))
    row = turn.get(bill_key("acme", bill), Bill)
    assert row is not None
    assert (marks(turn), row.reversed_micros) == ([], 3 * DOLLAR)
    assert replace(row, reversed_micros=0).open_micros == 0


# Nothing left to take: no fact.
def test_r08_nothing_is_no_mark() -> None:
    assert turn_after(("invoice", "dispute", 0)).facts == []

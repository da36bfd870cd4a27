"""A report of a few events: months, plans, open and carried sums, disputes, and what is missing."""

from typing import Any

import pytest

from backoffice.report.books import Books
from backoffice.report.closing import close_month
from backoffice.report.facts import ReportError, read_facts
from backoffice.report.missing import missing, notes
from backoffice.report.month import read_month
from backoffice.report.sums import Sums
from backoffice.report.writing import decimal
from tests.backoffice.report.months import DOLLAR, FEE, IN_FEBRUARY, IN_JANUARY, Ledger, complete, jsonl

ISSUED = "2026-02-01T00:00:00.250Z"
NAMES = {"Professional": "professional", "Dental": "dental"}


def books_of(*ledgers: Ledger, month: str = "2026-01", zone: str = "UTC") -> Books:
    books = Books(read_month(month, zone), NAMES)
    for ledger in ledgers:
        for at_ms, fact in read_facts(jsonl(ledger.events).splitlines()):
            books.add(at_ms, fact)
    return books


def sums_of(*ledgers: Ledger, month: str = "2026-01", zone: str = "UTC") -> Sums:
    books = books_of(*ledgers, month=month, zone=zone)
    assert list(missing(books)) == []
    return close_month(books)


def micros(sums: Sums, section: str, item: str, plan: str | None = None, currency: str = "USD") -> int:
    one = sums.of(currency, section, item, plan)
    return 0 if one is None else one.micros


@pytest.mark.parametrize(
    ("at", "zone", "month"),
    [
        ("2026-01-31T23:59:59.999Z", "UTC", "2026-01"),
        ("2026-02-01T00:00:00Z", "UTC", "2026-02"),
        ("2026-01-31T22:59:59.999Z", "Europe/Berlin", "2026-01"),
        ("2026-01-31T23:00:00Z", "Europe/Berlin", "2026-02"),
        ("2026-02-01T04:59:59Z", "America/New_York", "2026-01"),
        ("2025-12-31T23:59:59Z", "UTC", "2025-12"),
    ],
)
def test_an_event_belongs_to_the_month_of_its_time_in_the_zone(at: str, zone: str, month: str) -> None:
    ledger = Ledger().bought(at, 20 * DOLLAR)
    for name in ("2025-12", "2026-01", "2026-02"):
        expected = 20 * DOLLAR if name == month else 0
        assert micros(sums_of(ledger, month=name, zone=zone), "wallets", "purchase") == expected


@pytest.mark.parametrize("name", ["2026-1", "2026-13", "January", "2026-01-01", "1969-12", "3000-01", "2026-01\n"])
def test_a_month_is_a_year_and_a_month(name: str) -> None:
    with pytest.raises(ReportError, match="--month"):
        read_month(name, "UTC")


# The worked example of the product: top-up $20, calls $24, balance -$4.
def test_m11_a_wallet_in_debt_is_no_liability() -> None:
    debtor = Ledger().bought(IN_JANUARY, 20 * DOLLAR).charged(IN_JANUARY, "c1", 24 * DOLLAR)
    saver = Ledger("a2").bought(IN_JANUARY, 7 * DOLLAR)
    sums = sums_of(debtor, saver)
    assert micros(sums, "month_end", "liability") == 7 * DOLLAR
    assert micros(sums, "month_end", "debt") == -4 * DOLLAR
    assert micros(sums, "wallets", "charge") == -24 * DOLLAR


def test_entries_after_the_month_are_not_in_its_balances() -> None:
    ledger = Ledger().bought(IN_JANUARY, 20 * DOLLAR).charged(IN_FEBRUARY, "c1", 3 * DOLLAR)
    assert micros(sums_of(ledger), "month_end", "liability") == 20 * DOLLAR
    february = sums_of(ledger, month="2026-02")
    assert micros(february, "wallets", "opening") == 20 * DOLLAR
    assert micros(february, "month_end", "liability") == 17 * DOLLAR


def test_a_fee_and_a_proration_count_for_the_plan_that_they_name() -> None:
    lines = [
        ("subscription", "Professional, monthly fee", 49 * DOLLAR),
        ("proration", "Professional, unused part: 15 of 30 days", -24_500_000),
        ("proration", "Dental, rest of the term: 15 of 30 days", 49_500_000),
        ("tax", "Tax 10 %", 7_400_000),
    ]
    sums = sums_of(Ledger().invoiced(ISSUED, lines), month="2026-02")
    assert micros(sums, "invoiced", "subscription", "professional") == 49 * DOLLAR
    assert micros(sums, "invoiced", "proration", "professional") == -24_500_000
    assert micros(sums, "invoiced", "proration", "dental") == 49_500_000
    assert micros(sums, "invoiced", "tax", "dental") == 7_400_000
    total = sums.of("USD", "invoiced", "total")
    assert total is not None
    assert total == (81_400_000, 1)


def test_a_plan_that_the_catalogue_does_not_know_keeps_its_name() -> None:
    sums = sums_of(Ledger().invoiced(ISSUED, [("subscription", "Old, new, monthly fee", DOLLAR)]), month="2026-02")
    assert sums.plans("USD") == ["Old, new"]


def test_an_account_that_no_event_puts_on_a_plan_is_unknown() -> None:
    assert sums_of(Ledger().bought(IN_JANUARY, DOLLAR)).plans("USD") == ["unknown"]


def test_what_names_no_plan_counts_for_the_plan_last_seen() -> None:
    ledger = Ledger(plan="free").charged("2026-01-05T00:00:00Z", "c1", 0)
    ledger.add("account-snapshot", "snapshot", "2026-01-10T00:00:00Z", plan="dental", version=1)
    ledger.bought("2026-01-07T00:00:00Z", 5 * DOLLAR, "p1").bought(IN_JANUARY, 7 * DOLLAR, "p2")
    sums = sums_of(ledger)
    assert micros(sums, "wallets", "purchase", "free") == 5 * DOLLAR
    assert micros(sums, "wallets", "purchase", "dental") == 7 * DOLLAR


OPEN = {"open_micros": 30 * DOLLAR, "status": "open"}


def test_b03_an_invoice_is_open_until_it_is_paid_and_less_what_cards_paid_for_it() -> None:
    ledger = Ledger().invoiced("2026-01-15T00:00:00Z", FEE, **OPEN)
    assert micros(sums_of(ledger), "month_end", "open") == 30 * DOLLAR
    ledger.received(IN_JANUARY, "invoice", 12 * DOLLAR, "invoice/1/1", reference="a1/invoice/1")
    assert micros(sums_of(ledger), "month_end", "open") == 18 * DOLLAR
    ledger.add("invoice-paid", "invoice/1/paid", IN_FEBRUARY, invoice_id="a1/invoice/1")
    assert micros(sums_of(ledger), "month_end", "open") == 18 * DOLLAR
    assert micros(sums_of(ledger, month="2026-02"), "month_end", "open") == 0


def test_b06_what_the_newest_invoice_carried_and_was_not_paid_into_the_wallet() -> None:
    fee = [("phone_number", "Phone number", 250_000)]
    ledger = Ledger().invoiced("2026-01-02T00:00:00Z", fee, carried_micros=250_000)
    ledger.invoiced("2026-01-12T00:00:00Z", [("carried", "Carried", -2 * DOLLAR)], carried_micros=-2 * DOLLAR)
    assert micros(sums_of(ledger), "month_end", "carried") == -2 * DOLLAR
    ledger.posted(IN_JANUARY, "adjustment", 2 * DOLLAR, "a1/invoice/2")
    sums = sums_of(ledger)
    assert micros(sums, "month_end", "carried") == 0
    assert micros(sums, "wallets", "paid_out") == 2 * DOLLAR
    assert micros(sums, "wallets", "adjustment") == 0


def test_p07_what_was_paid_beyond_an_invoice_is_in_the_snapshot() -> None:
    def snapshot(ledger: Ledger, version: int, at: str, carried: int) -> Ledger:
        return ledger.add("account-snapshot", f"s{version}", at, plan="dental", version=version, carried_micros=carried)

    ledger = Ledger().invoiced("2026-01-15T00:00:00Z", FEE, carried_micros=DOLLAR)
    assert micros(sums_of(ledger), "month_end", "carried") == DOLLAR
    # One from before the invoice does not count.
    snapshot(ledger, 3, "2026-01-10T00:00:00Z", 7 * DOLLAR)
    assert micros(sums_of(ledger), "month_end", "carried") == DOLLAR
    snapshot(ledger, 5, IN_JANUARY, -4 * DOLLAR)
    snapshot(ledger, 4, "2026-01-15T00:00:00Z", DOLLAR)
    assert micros(sums_of(ledger), "month_end", "carried", "dental") == -4 * DOLLAR
    snapshot(ledger, 6, IN_FEBRUARY, 0)
    assert micros(sums_of(ledger), "month_end", "carried") == -4 * DOLLAR
    # An input of January that arrived in February: nobody knows January's end from it.
    snapshot(ledger, 7, IN_JANUARY, 9 * DOLLAR)
    assert micros(sums_of(ledger), "month_end", "carried") == DOLLAR


def disputed(ledger: Ledger, at: str, kind: str, amount: int, cause: str, *, alert: bool = True) -> Ledger:
    sign = 1 if kind in {"dispute_won", "refund_failed"} else -1
    ledger.posted(at, "reversal", sign * amount, "p", cause)
    reported: dict[str, Any] = {"payment_id": "a1/p", "kind": kind, "amount_micros": amount, "severity": "critical"}
    return ledger.add("payment-reversed", f"alert/{cause}", at, **reported, caused_by=cause) if alert else ledger


def test_r01_a_dispute_counts_until_it_is_won_and_a_refund_is_no_dispute() -> None:
    ledger = disputed(Ledger().bought(IN_JANUARY, 20 * DOLLAR), IN_JANUARY, "dispute", 8 * DOLLAR, "d1")
    disputed(ledger, IN_JANUARY, "refund", 3 * DOLLAR, "r1")
    disputed(ledger, IN_FEBRUARY, "dispute_won", 8 * DOLLAR, "w1")
    january, february = sums_of(ledger), sums_of(ledger, month="2026-02")
    assert micros(january, "month_end", "disputed") == 8 * DOLLAR
    assert micros(january, "month_end", "reversed") == 11 * DOLLAR
    assert micros(january, "wallets", "reversal") == -11 * DOLLAR
    assert micros(february, "month_end", "disputed") == 0
    assert micros(february, "month_end", "reversed") == 3 * DOLLAR


def test_r08_money_back_of_an_invoice_counts_from_its_issue() -> None:
    ledger = Ledger().invoiced("2026-01-15T00:00:00Z", FEE, reversed_micros=5 * DOLLAR)
    back = {"invoice_id": "a1/invoice/1", "payment_id": "p", "kind": "refund", "amount_micros": 4 * DOLLAR}
    ledger.add("invoice-reversed", "invoice/1/reversed", IN_JANUARY, **back, reversed_micros=9 * DOLLAR)
    books = books_of(ledger)
    sums = close_month(books)
    assert micros(sums, "invoiced", "reversed") == 4 * DOLLAR
    assert micros(sums, "month_end", "reversed") == 9 * DOLLAR
    assert any("alerts of 1 reversals are missing" in note for note in notes(books))


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("ledger/1", "the ledger of 1 account is not complete, first a1: entry 1 before it;"),
        ("ledger/2", "the ledger of 1 account is not complete, first a1: entry 2 before it;"),
        ("c1/call-charged", "charges and ledger of 1 account do not agree, first a1: calls took from its wallet $2.00"),
        ("c1/charge-adjusted", "charges and ledger of 1 account do not agree"),
        (
            "p/receipt",
            "receipts and ledger of 1 account do not agree, first a1: credits sold $20.00 by",
        ),
        ("invoice/1/issued", "invoices of 1 account are missing, first a1: number 1;"),
    ],
)
def test_a_missing_event_is_told(gone: str, said: str) -> None:
    ledger = complete()
    assert list(missing(books_of(ledger))) == []
    ledger.events = [event for event in ledger.events if event["id"] != f"a1/{gone}"]
    assert any(line.startswith(said) for line in missing(books_of(ledger)))


def test_a_changed_ledger_entry_is_told() -> None:
    ledger = complete()
    next(event for event in ledger.events if event["id"] == "a1/ledger/2")["amount_micros"] += 1
    [line, *_] = missing(books_of(ledger))
    assert "first a1: the balance after entry 2 is not the balance before it plus its amount" in line


def test_an_input_named_like_an_alert_is_passed_over() -> None:
    reversed_input = {"type": "payment-reversed", "id": "i", "account_id": "a1", "occurred_at": IN_JANUARY}
    ledger = complete()
    ledger.events.append({**reversed_input, "payment_id": "p", "amount_micros": DOLLAR, "kind": "dispute"})
    assert micros(sums_of(ledger), "month_end", "disputed") == 0


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (-5_990_000, "USD", "-5.99"),
        (1_234_567_000_000, "USD", "1234567.00"),
        (1_000_000_000, "JPY", "1000"),
        (1_500_000, "JPY", "1.5"),
        (12_340_000, "KWD", "12.340"),
        (1, "EUR", "0.000001"),
        (0, "EUR", "0.00"),
    ],
)
def test_g12_amounts_are_decimals_with_the_currencys_own_digits(amount: int, currency: str, text: str) -> None:
    assert decimal(amount, currency) == text

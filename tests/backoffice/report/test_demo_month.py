"""The report of the demo's months is what the ledger, the invoices and the snapshots say, to the micro."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from backoffice.report.books import Books
from backoffice.report.closing import close_month
from backoffice.report.facts import read_facts
from backoffice.report.missing import missing, notes
from backoffice.report.month import read_month
from backoffice.report.sums import SECTIONS, Sums
from backoffice.report.writing import decimal, write_receipts, write_sums
from demo.checks.evidence import Evidence
from tests.backoffice.report.months import demo_month

MONTHS = ("2025-12", "2026-01", "2026-02")
CURRENCIES = ("EUR", "USD")
Money = Counter[tuple[str, str]]  # Micros by currency and item.


def report(month: str, leave_out: str = "", *, backwards: bool = False) -> tuple[Books, Sums]:
    """The topics in one order or the other: the sums must not depend on it."""
    values, _ = demo_month()
    topics = sorted(values, reverse=backwards)
    books = Books(read_month(month, "UTC"), {})
    lines = [line for topic in topics if topic != leave_out for line in values[topic]]
    for at_ms, fact in read_facts(lines):
        books.add(at_ms, fact)
    return books, close_month(books)


def found(sums: Sums, section: str) -> Money:
    money = Money()
    for currency in CURRENCIES:
        for item in SECTIONS[section]:
            one = sums.of(currency, section, item)
            money[currency, item] += 0 if one is None else one.micros
    return money


def expected(rows: Iterator[tuple[str, str, int]]) -> Money:
    """From account, item and micros."""
    _, evidence = demo_month()
    money = Money()
    for account_id, item, micros in rows:
        money[evidence.snapshots[account_id].currency, item] += micros
    return money


def nonzero(money: Money) -> dict[tuple[str, str], int]:
    return {key: micros for key, micros in money.items() if micros}


def of_invoices(evidence: Evidence, month: str) -> Iterator[tuple[str, str, int]]:
    for row in evidence.invoices:
        if row.type == "invoice-issued" and row.occurred_at.startswith(month):
            yield row.account_id, "total", row.total_micros
            yield from ((row.account_id, line.kind, line.amount_micros) for line in row.lines)
        if row.type == "invoice-reversed" and row.occurred_at.startswith(month):
            sign = 1 if row.kind in {"dispute", "refund"} else -1
            yield row.account_id, "reversed", sign * row.amount_micros


def of_calls(evidence: Evidence, month: str) -> Iterator[tuple[str, str, int]]:
    for row in evidence.charges:
        if row.occurred_at.startswith(month):
            yield row.account_id, "charged" if row.type == "call-charged" else "adjusted", row.amount_micros
            yield row.account_id, "by_wallet", row.wallet_micros
            yield row.account_id, "by_card", row.card_micros


def of_cards(evidence: Evidence, month: str) -> Iterator[tuple[str, str, int]]:
    for row in evidence.invoices:
        if row.type == "receipt-issued" and row.occurred_at.startswith(month):
            yield row.account_id, row.purpose, row.amount_micros
            yield row.account_id, "total", row.amount_micros


def of_wallets(evidence: Evidence, month: str) -> Iterator[tuple[str, str, int]]:
    for row in evidence.entries:
        if row.occurred_at[:7] < month:
            yield row.account_id, "opening", row.amount_micros
        if row.occurred_at[:7] <= month:
            yield row.account_id, "closing", row.amount_micros
        if row.occurred_at.startswith(month):
            assert "/invoice/" not in row.reference
            yield row.account_id, row.kind, row.amount_micros


SECTION_ROWS = [("invoiced", of_invoices), ("calls", of_calls), ("cards", of_cards), ("wallets", of_wallets)]


@pytest.mark.parametrize("month", MONTHS)
@pytest.mark.parametrize(("section", "rows"), SECTION_ROWS, ids=[section for section, _ in SECTION_ROWS])
def test_each_section_is_the_sum_of_its_topics(
    month: str, section: str, rows: Callable[[Evidence, str], Iterator[tuple[str, str, int]]]
) -> None:
    _, evidence = demo_month()
    books, sums = report(month)
    assert list(missing(books)) == []
    assert nonzero(found(sums, section)) == nonzero(expected(rows(evidence, month)))


def test_the_sections_cover_months_with_everything_in_them() -> None:
    seen = {key[2:] for month in MONTHS for key, one in report(month)[1].by_key.items() if one.micros}
    every = {(section, item) for section, items in SECTIONS.items() for item in items}
    # Nobody's credit is paid into a wallet in this month.
    assert every - seen <= {("wallets", "paid_out"), ("month_end", "debt"), ("invoiced", "reversed")}


def test_the_last_month_ends_with_the_balances_and_carried_sums_of_the_snapshots() -> None:
    _, evidence = demo_month()
    books, sums = report(MONTHS[-1])
    at_end = found(sums, "month_end")
    balances = Money()
    for row in evidence.snapshots.values():
        balances[row.currency, "liability"] += max(0, row.balance_micros)
        balances[row.currency, "debt"] += min(0, row.balance_micros)
        balances[row.currency, "carried"] += row.carried_micros
    for key, micros in balances.items():
        assert at_end[key] == micros, key
    assert [note.partition(":")[0] for note in notes(books)] == ["the newest event is of 2026-02-04T00"]


@pytest.mark.parametrize("month", MONTHS)
def test_a_month_begins_with_what_the_last_one_ended_with_and_its_movements_lead_to_its_end(month: str) -> None:
    _, sums = report(month)
    wallets, at_end, invoiced = (found(sums, name) for name in ("wallets", "month_end", "invoiced"))
    for currency in CURRENCIES:
        moved = sum(wallets[currency, item] for item in SECTIONS["wallets"] if item != "closing")
        assert moved == wallets[currency, "closing"] == at_end[currency, "liability"] + at_end[currency, "debt"]
        lines = sum(invoiced[currency, item] for item in SECTIONS["invoiced"] if item not in {"total", "reversed"})
        assert lines == invoiced[currency, "total"]
    if month != MONTHS[0]:
        before = found(report(MONTHS[MONTHS.index(month) - 1])[1], "wallets")
        assert [wallets[c, "opening"] for c in CURRENCIES] == [before[c, "closing"] for c in CURRENCIES]


def test_the_order_of_topics_and_repeated_events_change_nothing() -> None:
    _, sums = report("2026-01")
    assert report("2026-01", backwards=True)[1].by_key == sums.by_key
    values, _ = demo_month()
    books = Books(read_month("2026-01", "UTC"), {})
    for topic in [*values, *values]:
        for at_ms, fact in read_facts(values[topic]):
            books.add(at_ms, fact)
    assert list(missing(books)) == []
    assert close_month(books).by_key == sums.by_key


def test_without_snapshots_only_the_split_by_plan_may_differ() -> None:
    with_them, without = report("2026-01")[1], report("2026-01", leave_out="account-snapshots")[1]
    for section in SECTIONS:
        assert found(with_them, section) == found(without, section)
    assert "unknown" not in with_them.plans("USD")


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("charges", "charges and ledger of "),
        ("ledger-entries", "charges and ledger of "),
        ("invoices", "receipts and ledger of "),
    ],
)
def test_a_missing_topic_is_told(topic: str, said: str) -> None:
    books, _ = report("2026-01", leave_out=topic)
    assert any(line.startswith(said) for line in missing(books))
    assert f"the file has no events of the topic {topic}: export it too" in list(notes(books))


def test_without_alerts_the_sum_in_dispute_is_left_out() -> None:
    books, sums = report("2026-02", leave_out="alerts")
    assert sums.of("USD", "month_end", "disputed") is sums.of("EUR", "month_end", "disputed") is None
    assert any("the sum in dispute is left out" in note for note in notes(books))
    assert list(missing(books)) == []


def test_csv_has_the_same_sums_as_decimals() -> None:
    books, sums = report("2026-01")
    file = io.StringIO()
    write_sums(file, sums, books.month)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert len(rows) == len(sums.by_key)
    for row in rows:
        one = sums.of(row["currency"], row["section"], row["item"], row["plan"])
        assert one is not None
        assert (row["amount"], row["number"]) == (decimal(one.micros, row["currency"]), str(one.amounts))
        assert len(row["amount"].partition(".")[2]) == 2


def test_receipts_have_the_providers_reference_and_make_the_card_payments() -> None:
    books, sums = report("2026-01")
    file = io.StringIO()
    write_receipts(file, [receipt for _, receipt in books.receipts.values()])
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert all(row["provider_reference"].startswith("ch-") for row in rows)
    cents = Counter[str]()
    for row in rows:
        cents[row["currency"]] += int(row["amount"].replace(".", ""))
    cards = found(sums, "cards")
    assert {currency: cards[currency, "total"] for currency in CURRENCIES} == {c: n * 10_000 for c, n in cents.items()}

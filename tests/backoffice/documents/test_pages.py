"""The content of invoices and receipts. Rules M11 and P12."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from backoffice.documents.compose import page_of
from backoffice.documents.facts import Invoice, Receipt
from backoffice.documents.issued import DocumentError, read_issued
from backoffice.documents.issuer import Issuer
from backoffice.documents.page import Amount, InvoicePage, ReceiptPage
from backoffice.documents.wording import AmountFormat, days, plain
from schemas.instant import parse_instant
from tests.backoffice.documents.samples import CENT, DOLLAR, LINES, invoice, jsonl, line, paid, receipt


def page(of: Invoice, *others: Any, issuer: Issuer | None = None) -> InvoicePage:
    issued = read_issued(jsonl(of, *others).splitlines(), pytest.fail)
    made = page_of(of, issued, issuer or Issuer(), None)
    assert isinstance(made, InvoicePage)
    return made


def receipt_page(of: Receipt) -> ReceiptPage:
    made = page_of(of, read_issued([msgspec.json.encode(of)], pytest.fail), Issuer(), None)
    assert isinstance(made, ReceiptPage)
    return made


def written(amount: Amount) -> str:
    return amount.figure + amount.unit


def totals(made: InvoicePage) -> list[tuple[str, str]]:
    return [(total.label, written(total.amount)) for total in made.totals]


def test_m11_an_invoice_shows_who_what_when_and_how_much() -> None:
    made = page(invoice())
    assert made.heading == "Invoice 3"
    assert made.customer == ("Account a1", "owner@example.com")
    assert made.details == (
        ("Invoice number", "3"),
        ("Date of issue", "1 May 2026"),
        ("Billing period", "1 \u2013 30 April 2026"),
        ("Plan", "Dental"),
        ("Currency", "USD"),
        ("Invoice ID", "a1/invoice/3"),
    )
    assert made.status.text == "OPEN \u00b7 $9.78"
    assert [(row.description, row.kind, written(row.amount)) for row in made.lines] == [
        ("Professional, monthly", "Subscription", "$49.00"),
        ("Professional, 16 to 30 April not used", "Change of plan", "\u2212$24.50"),
        ("Dental, 16 to 30 April", "Change of plan", "$49.50"),
        ("42 minutes beyond the included ones", "Usage, inbound calls", "$4.62"),
        ("7 minutes beyond the included ones", "Usage, web calls", "$0.56"),
        ("2 top-ups of the wallet", "Wallet top-up", "$50.00"),
        ("+1 415 555 0134", "Phone number", "$3.00"),
    ]
    assert totals(made) == [
        ("Subtotal", "$132.18"),
        ("Tax, 8.25 %", "$6.78"),
        ("Total", "$138.96"),
        ("Payments and credits", "\u2212$129.18"),
        ("Amount due", "$9.78"),
    ]


def test_m11_an_invoice_is_paid_once_the_facts_include_its_payment() -> None:
    made = page(invoice(), paid(invoice()), paid(invoice(4)))
    assert (made.status.paid, made.status.text) == (True, "PAID")
    assert totals(made)[-2:] == [("Payments and credits", "\u2212$138.96"), ("Amount due", "$0.00")]
    assert ("Paid on", "3 May 2026") in made.details
    other = page(invoice(), paid(invoice(account_id="a2", invoice_id="a1/invoice/3")))
    assert other.status.text == "OPEN \u00b7 $9.78"
    at_once = page(invoice(open_micros=0))
    assert at_once.status.paid
    assert "Paid on" not in dict(at_once.details)


# lines, open | the rows from the total on.
@pytest.mark.parametrize(
    ("lines", "open_micros", "expected"),
    [
        ([49 * DOLLAR], 49 * DOLLAR, ["$49.00", "Payments and credits $0.00", "Amount due $49.00"]),
        ([0], 0, ["$0.00", "Payments and credits $0.00", "Amount due $0.00"]),
        (
            [49 * DOLLAR, -69 * DOLLAR],
            0,
            ["\u2212$20.00", "Credited to the next invoice $20.00", "Amount due $0.00"],
        ),
        # The fee was requested; the credit of a plan change waits for the next invoice.
        (
            [99 * DOLLAR, -50 * DOLLAR],
            99 * DOLLAR,
            ["$49.00", "Credited to the next invoice $50.00", "Amount due $99.00"],
        ),
        (
            [49 * DOLLAR, -20 * DOLLAR],
            -20 * DOLLAR,
            ["$29.00", "Payments and credits \u2212$49.00", "Credited to the next invoice \u2212$20.00"],
        ),
    ],
)
def test_the_paid_and_the_open_amount(lines: list[int], open_micros: int, expected: list[str]) -> None:
    made = page(invoice(lines=tuple(line("proration", "x", micros) for micros in lines), open_micros=open_micros))
    total, *rest = totals(made)[-3:]
    assert [total[1], *(f"{label} {amount}" for label, amount in rest)] == expected
    assert made.status.paid == (open_micros <= 0)


def test_p12_taxes_are_separate_from_the_taxed_lines() -> None:
    assert totals(page(invoice(lines=LINES[:1], open_micros=0)))[:2] == [("Subtotal", "$49.00"), ("Tax", "$0.00")]
    two = (*LINES[:1], line("tax", "City tax", CENT), line("tax", "State tax", -2 * CENT))
    made = page(invoice(lines=two, open_micros=0))
    assert totals(made)[:4] == [
        ("Subtotal", "$49.00"),
        ("City tax", "$0.01"),
        ("State tax", "\u2212$0.02"),
        ("Total", "$48.99"),
    ]
    assert len(made.lines) == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"total_micros": 138_970_000}, "its lines sum to $138.96, its total is $138.97"),
        ({"tax_micros": 0}, "its tax lines sum to $6.78, its tax is $0.00"),
        ({"status": "paid"}, "its status is paid, but $9.78 is open"),
        ({"status": "open", "open_micros": 0}, "its status is open, but $0.00 is open"),
    ],
)
def test_an_invoice_that_does_not_add_up_is_refused(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(DocumentError, match="a1/invoice/3") as refused:
        page(replace(invoice(), **change))
    assert expected in str(refused.value)


# The account's days, half-open: the last day is the one before the period's end. Rule G3.
@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        ("UTC", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "1 \u2013 31 January 2026"),
        ("UTC", "2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z", "31 January \u2013 28 February 2024"),
        ("UTC", "2025-12-15T00:00:00Z", "2026-01-15T00:00:00Z", "15 December 2025 \u2013 14 January 2026"),
        ("Europe/Berlin", "2026-03-14T23:00:00Z", "2026-04-14T22:00:00Z", "15 March \u2013 14 April 2026"),
        ("America/New_York", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z", "1 \u2013 31 March 2026"),
        ("Pacific/Auckland", "2026-01-31T11:00:00Z", "2026-02-28T11:00:00Z", "1 \u2013 28 February 2026"),
        # Midnight of 6 September 2026 does not exist there: the day begins at one.
        ("America/Santiago", "2026-08-06T04:00:00Z", "2026-09-06T04:00:00Z", "6 August \u2013 5 September 2026"),
        ("UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "1 January 2026"),
    ],
)
def test_a_period_runs_from_its_first_to_its_last_day(zone: str, start: str, end: str, expected: str) -> None:
    assert days(start, end, zone) == expected
    assert parse_instant(start) < parse_instant(end)


# Amounts of one document, in micros | as written; `_` is space for a digit that another amount has.
@pytest.mark.parametrize(
    ("currency", "amounts", "expected"),
    [
        ("USD", [1_500_000, -5_990_000, 1_234_567_890_000], ["$1.50", "\u2212$5.99", "$1,234,567.89"]),
        ("USD", [12_345_000, 1_000_000], ["$12.345", "$1.00_"]),
        ("EUR", [12_345_000, -1_000_000], ["12.345 EUR", "\u22121.00_ EUR"]),
        ("JPY", [500_000_000], ["500 JPY"]),
    ],
)
def test_decimal_points_are_aligned(currency: str, amounts: list[int], expected: list[str]) -> None:
    purse = AmountFormat(currency, amounts)
    made = [purse.amount(micros) for micros in amounts]
    assert [m.figure + "_" * len(m.pad) + m.unit for m in made] == expected


# A description | as printed.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('#panic("x") *b* $x$ \\ <l> @r', '#panic("x") *b* $x$ \\ <l> @r'),
        ("two\nlines\r\n\tand\u2028more", "two lines and more"),
        ("  a \u0000\u0007\u001b[31mb ", "a [31mb"),
        ("pay \u202e00.1$\u202c now", "pay 00.1$ now"),
        (
            "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u041a\u0438\u0457\u0432",
            "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u041a\u0438\u0457\u0432",
        ),
    ],
    ids=range(5),
)
def test_text_is_printed_on_one_line(text: str, expected: str) -> None:
    assert plain(text) == expected
    assert page(invoice(lines=(line("top_up", text, 0),), open_micros=0)).lines[0].description == expected


def test_unknown_kinds_and_directions_are_humanized() -> None:
    made = page(
        invoice(
            lines=(line("late_fee", "x", 0), line("overage", "x", 0), line("overage", "x", 0, direction="video")),
            open_micros=0,
            plan="real_estate",
            billing_email=None,
        )
    )
    assert [row.kind for row in made.lines] == ["Late fee", "Usage", "Usage, video"]
    assert dict(made.details)["Plan"] == "Real estate"
    assert made.customer == ("Account a1",)


def test_the_issuer_is_on_the_page() -> None:
    issuer = Issuer(name="Acme", address=("1 High Street", " ", "London"), vat_id="GB 1", email="a@b.c", footer="Bye")
    sender = page(invoice(), issuer=issuer).issuer
    assert (sender.name, sender.lines) == ("Acme", ("1 High Street", "London", "VAT ID GB 1", "a@b.c"))
    assert sender.footer == "Bye"


def test_m11_a_receipt_shows_what_was_paid_when_and_with_which_card() -> None:
    made = receipt_page(receipt())
    assert (made.purpose, made.paid, written(made.amount)) == (
        "Credits added to the wallet",
        "Visa ending in 4242",
        "$25.00",
    )
    assert made.date == (2026, 6, 2)
    assert made.details == (
        ("Paid on", "2 June 2026, 00:30 (Europe/Berlin)"),
        ("Account", "a1"),
        ("E-mail", "owner@example.com"),
        ("Currency", "USD"),
        ("Receipt ID", "a1/receipt/p1"),
        ("Payment ID", "a1/purchase/p1"),
        ("Provider reference", "pi_3PXyZ"),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"brand": "american_express"}, "American Express ending in 4242"),
        ({"brand": ""}, "Card ending in 4242"),
        ({"last4": None}, "Visa"),
        ({"brand": "", "last4": ""}, "Paid by card"),
    ],
    ids=range(4),
)
def test_a_receipt_names_what_is_known_of_the_card(fields: dict[str, Any], expected: str) -> None:
    assert receipt_page(receipt(**fields)).paid == expected


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [
        ("refill", "Automatic top-up of the wallet"),
        ("overage", "Usage beyond the included minutes"),
        ("subscription", "Subscription fee"),
        ("invoice", "Open amount of an invoice"),
        ("setup_fee", "Setup fee"),
    ],
)
def test_a_receipt_shows_its_purpose(purpose: str, expected: str) -> None:
    made = receipt_page(receipt(purpose=purpose, billing_email=None, provider_reference=None))
    assert made.purpose == expected
    assert {"E-mail", "Provider reference"}.isdisjoint(dict(made.details))

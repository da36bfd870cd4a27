"""An invoice as an accountant reads it: what the card paid or owes, and the wallet's statement beside it. Rules M11, B1
to B9, R8 and G12.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backoffice.documents.compose import page_of
from backoffice.documents.facts import Buyer, Invoice, Line, Reversed, Wallet
from backoffice.documents.issued import DocumentError, read_issued
from backoffice.documents.issuer import Issuer
from backoffice.documents.page import Amount, InvoicePage, Total
from tests.backoffice.documents.pdf_text import pages_of
from tests.backoffice.documents.samples import CENT, DOLLAR, invoice, jsonl, line
from tests.backoffice.documents.test_render import rendered

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "schemas/wire/examples/events.jsonl"


def statement(opening: int, credited: int, used: int) -> Wallet:
    """A wallet's statement, in dollars."""
    return Wallet(
        opening_micros=opening * DOLLAR,
        credited_micros=credited * DOLLAR,
        used_micros=used * DOLLAR,
        closing_micros=(opening + credited - used) * DOLLAR,
    )


def bill(*lines: Line, **fields: Any) -> Invoice:
    """An invoice of today: with reference, statement and what is carried."""
    given = {"reference": "a1-0003", "plan": None, "carried_micros": 0, "wallet": statement(0, 0, 0), **fields}
    return invoice(lines=lines, **{"open_micros": 0, **given})


def page(of: Invoice, *others: Any) -> InvoicePage:
    made = page_of(of, read_issued(jsonl(of, *others).splitlines(), pytest.fail), Issuer(), None)
    assert isinstance(made, InvoicePage)
    return made


def written(amount: Amount) -> str:
    return amount.figure + amount.unit


def rows(totals: tuple[Total, ...]) -> list[str]:
    return [f"{total.label} {written(total.amount)}" for total in totals]


FEE = line("subscription", "Professional, monthly", 49 * DOLLAR, quantity=1, unit_amount_micros=49 * DOLLAR)
TOP_UP = line("top_up", "1 top-up", 20 * DOLLAR)
USAGE = line("overage", "Calls", 24 * DOLLAR, quantity=218.182, unit_amount_micros=11 * CENT, direction="inbound")


def credit(dollars: int) -> Line:
    return line("wallet_credit", "Paid from the wallet", -dollars * DOLLAR)


# The worked examples: lines, open and carried dollars, statement | totals, statement.
@pytest.mark.parametrize(
    ("made", "expected", "wallet"),
    [
        (
            bill(FEE, TOP_UP, USAGE, credit(20), open_micros=4 * DOLLAR, wallet=statement(0, 20, 20)),
            [
                "Subtotal $93.00",
                "Tax $0.00",
                "Paid from the wallet \u2212$20.00",
                "Total $73.00",
                "Paid by card \u2212$69.00",
                "Amount due $4.00",
            ],
            ["Opening balance $0.00", "Credited $20.00", "Used \u2212$20.00", "Closing balance $0.00"],
        ),
        (
            bill(TOP_UP, line("overage", "Calls", 24 * DOLLAR, quantity=8), credit(24), wallet=statement(0, 20, 24)),
            [
                "Subtotal $44.00",
                "Tax $0.00",
                "Paid from the wallet \u2212$24.00",
                "Total $20.00",
                "Paid by card \u2212$20.00",
                "Amount due $0.00",
            ],
            ["Opening balance $0.00", "Credited $20.00", "Used \u2212$24.00", "Closing balance \u2212$4.00"],
        ),
        (
            bill(line("phone_number", "+1", 25 * CENT), carried_micros=25 * CENT),
            [
                "Subtotal $0.25",
                "Tax $0.00",
                "Total $0.25",
                "Carried to the next invoice \u2212$0.25",
                "Paid by card $0.00",
                "Amount due $0.00",
            ],
            ["Opening balance $0.00", "Credited $0.00", "Used $0.00", "Closing balance $0.00"],
        ),
        (
            bill(
                line("phone_number", "+1", 25 * CENT),
                line("carried", "From the invoice before", 25 * CENT),
                open_micros=50 * CENT,
            ),
            [
                "Subtotal $0.25",
                "Tax $0.00",
                "From the invoice before $0.25",
                "Total $0.50",
                "Paid by card $0.00",
                "Amount due $0.50",
            ],
            ["Opening balance $0.00", "Credited $0.00", "Used $0.00", "Closing balance $0.00"],
        ),
    ],
    ids=["a card pays the rest", "the wallet goes into debt", "carried", "carried and due"],
)
def test_b2_the_total_less_what_is_carried_is_what_the_card_paid_or_owes(
    made: Invoice, expected: list[str], wallet: list[str]
) -> None:
    shown = page(made)
    assert rows(shown.totals) == expected
    assert rows(shown.wallet) == wallet


def test_b3_a_refund_of_a_top_up_was_given_back_by_card() -> None:
    shown = rows(page(bill(FEE, line("top_up", "Refund", -69 * DOLLAR))).totals)
    assert shown[-3:] == ["Total \u2212$20.00", "Given back to the card $20.00", "Amount due $0.00"]


@pytest.mark.parametrize(
    ("carried_micros", "expected"),
    [
        (25 * CENT, ("$0.25 is due with the next invoice.",)),
        (-3 * DOLLAR, ("$3.00 is credited on the next invoice.",)),
        (0, ()),
    ],
)
def test_b3_what_is_carried_is_said_in_words(carried_micros: int, expected: tuple[str, ...]) -> None:
    assert page(bill(line("phone_number", "+1", carried_micros), carried_micros=carried_micros)).remarks == expected


@pytest.mark.parametrize(
    ("quantity", "unit_micros", "expected"),
    [
        (1, 49 * DOLLAR, ("1", "$49.00")),
        (1_200, 11 * CENT, ("1,200", "$0.11")),
        (12.5, 85_000, ("12.5", "$0.085")),
        (1 / 3, 11 * CENT, ("0.333", "$0.11")),
        (-3.0, 11 * CENT, ("\u22123", "$0.11")),  # a correction
        (7, None, ("7", "")),
        (None, None, ("", "")),
    ],
)
def test_b8_a_line_shows_its_quantity_and_unit_price(
    quantity: float | None, unit_micros: int | None, expected: tuple[str, str]
) -> None:
    [shown] = page(bill(line("overage", "x", 0, quantity=quantity, unit_amount_micros=unit_micros))).lines
    assert (shown.quantity, shown.unit) == expected


def test_b9_the_reference_is_the_number_and_the_buyer_comes_first(tmp_path: Path) -> None:
    buyer = Buyer(name="Harbour Dental", address="14 Quay\nFloor 3\n\nBristol", country="GB", tax_id="GB 1")
    made = bill(FEE, buyer=buyer, reference="INV/a1/0003")
    shown = page(made)
    assert (shown.heading, shown.details[0]) == ("Invoice INV/a1/0003", ("Invoice number", "INV/a1/0003"))
    assert shown.customer == (
        *("Harbour Dental", "14 Quay", "Floor 3", "Bristol", "GB", "Tax ID GB 1"),
        *("Account a1", "owner@example.com"),
    )
    [text] = pages_of(rendered(tmp_path, made))
    assert {"Invoice INV/a1/0003", "Harbour Dental", "Floor 3", "Tax ID GB 1"} <= set(text.splitlines())


def test_b9_a_buyer_with_one_field_shows_one() -> None:
    assert page(bill(FEE, buyer=Buyer(tax_id="DE 9"))).customer[0] == "Tax ID DE 9"


def test_r8_the_newest_reversal_is_said_and_changes_no_figure() -> None:
    made = bill(FEE, reversed_micros=5 * DOLLAR)
    before = page(made)
    assert before.remarks == ("$5.00 of the payments was returned by a dispute or refund.",)
    newer = [
        Reversed(account_id="a1", occurred_at="2026-06-01T00:00:00Z", invoice_id="a1/invoice/3", reversed_micros=micros)
        for micros in (20 * DOLLAR, 12 * DOLLAR)
    ]
    after = page(made, *newer)
    assert after.remarks == ("$12.00 of the payments was returned by a dispute or refund.",)
    assert (after.totals, after.status) == (before.totals, before.status)


def test_b7_a_statement_that_does_not_add_up_is_refused() -> None:
    wrong = msgspec.structs.replace(statement(0, 20, 20), closing_micros=1)
    with pytest.raises(DocumentError, match="its wallet's movements give"):
        page(bill(FEE, wallet=wrong))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # A top-up is settled, and what is carried is not asked for: the rest may be open.
        ({"status": "open", "carried_micros": 4 * DOLLAR}, ["Paid by card \u2212$20.00", "Amount due $69.00"]),
        ({"status": "paid"}, ["Paid by card \u2212$93.00", "Amount due $0.00"]),
    ],
)
def test_b3_without_an_open_amount_the_status_decides(fields: dict[str, Any], expected: list[str]) -> None:
    made = page(bill(FEE, TOP_UP, USAGE, open_micros=None, **fields))
    assert rows(made.totals)[-2:] == expected


def test_quantity_price_and_statement_are_printed_and_only_where_there_are_any(tmp_path: Path) -> None:
    [text] = pages_of(rendered(tmp_path, bill(FEE, USAGE, wallet=statement(5, 20, 24))))
    expected = {"Quantity", "Unit price", "218.182", "$0.11", "Wallet in this period", "Closing balance", "$1.00"}
    assert expected <= set(text.splitlines())
    [old] = pages_of(rendered(tmp_path, invoice()))
    assert not {"Quantity", "Unit price", "Wallet in this period"} & set(old.splitlines())


def test_totals_and_statement_are_on_the_page_of_the_last_line(tmp_path: Path) -> None:
    for count in range(10, 22):
        made = bill(*(line("overage", f"item {n}", CENT, quantity=n) for n in range(count)))
        last = set(pages_of(rendered(tmp_path, made))[-1].splitlines())
        assert {f"item {count - 1}", "Closing balance", "Amount due"} <= last


def test_published_events_of_this_version_are_read_whole() -> None:
    """The structs of documents are their own, so that old events stay readable: this keeps them with the contract."""
    texts = [text.encode() for text in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    issued = read_issued(texts, pytest.fail)
    assert issued.invoices()
    assert issued.receipts()
    known = {field.encode_name for field in msgspec.structs.fields(Invoice)} | {"type", "id", "caused_by"}
    events = [json.loads(text) for text in texts]
    assert [set(event) - known for event in events if event["type"] == "invoice-issued" and set(event) - known] == []

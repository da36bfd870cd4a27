"""`invoice render` makes a PDF with the content of the facts, the same bytes at any time and place."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from backoffice.documents.command import app
from tests.backoffice.documents.pdf_text import fonts_of, metadata_of, pages_of
from tests.backoffice.documents.samples import CENT, LINES, invoice, jsonl, line, paid, receipt

ROOT = Path(__file__).resolve().parents[3]
TOTALS = ["Subtotal", "Tax", "Total", "Payments and credits", "Amount due"]


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, list(arguments), **options)


def rendered(tmp_path: Path, *facts: Any, wanted: str = "a1/invoice/3", options: tuple[str, ...] = ()) -> bytes:
    source, file = tmp_path / "EVENTS.jsonl", tmp_path / "made.pdf"
    source.write_bytes(jsonl(*facts))
    done = run("render", str(source), wanted, "-o", str(file), *options)
    assert done.exit_code == 0, done.output
    return file.read_bytes()


def test_m11_the_page_has_the_content_of_the_facts(tmp_path: Path) -> None:
    [text] = pages_of(rendered(tmp_path, invoice()))
    lines = text.splitlines()
    for expected in (
        "Invoice 3",
        "OPEN \u00b7 $9.78",
        "Account a1",
        "owner@example.com",
        "1 \u2013 30 April 2026",
        "1 of 1",
    ):
        assert expected in lines
    for each in LINES:
        assert each.description in lines
    for expected in ("Usage, inbound calls", "$4.62", "$132.18", "$6.78", "$138.96", "\u2212$129.18", "$9.78"):
        assert expected in lines


def test_m11_a_receipt_has_its_own_page(tmp_path: Path) -> None:
    pdf = rendered(tmp_path, invoice(), receipt(currency="EUR"), wanted="a1/receipt/p1")
    text = " ".join(pages_of(pdf)[0].split())
    for expected in ("Receipt", "PAID", "Credits added to the wallet", "Visa ending in 4242", "25.00 EUR", "pi_3PXyZ"):
        assert expected in text
    assert metadata_of(pdf)["Title"] == "Receipt a1/receipt/p1"


def test_an_invoice_paid_later_is_shown_as_paid(tmp_path: Path) -> None:
    [text] = pages_of(rendered(tmp_path, invoice(), paid(invoice())))
    assert {"PAID", "Paid on", "3 May 2026", "$0.00"} <= set(text.splitlines())


def test_the_same_bytes_at_any_place(tmp_path: Path) -> None:
    facts = (invoice(), paid(invoice()))
    here = rendered(tmp_path, *facts)
    assert rendered(tmp_path, *facts, receipt()) == here
    for number, elsewhere in enumerate(
        (
            {"TZ": "Pacific/Auckland", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "PYTHONHASHSEED": "1"},
            {"TZ": "America/Los_Angeles", "LC_ALL": "C", "PYTHONHASHSEED": "2", "SOURCE_DATE_EPOCH": "1"},
        )
    ):
        folder = tmp_path / f"elsewhere {number}"
        folder.mkdir()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), **elsewhere}
        command = [sys.executable, "-m", "stream", "invoice", "render", "-", "a1/invoice/3", "-o", "-"]
        done = subprocess.run(
            command, input=jsonl(*facts), cwd=folder, env=environment, capture_output=True, check=False
        )
        assert (done.returncode, done.stdout == here) == (0, True), done.stderr.decode()


def test_the_file_is_dated_by_the_fact_and_not_by_a_clock(tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.toml"
    issuer.write_text('name = "Acme Ltd"')
    assert metadata_of(rendered(tmp_path, invoice(), options=("--issuer", str(issuer)))) == {
        "Title": "Invoice 3, account a1",
        "Author": "Acme Ltd",
        "CreationDate": "D:20260501000000Z",
        "ModDate": "D:20260501000000Z",
    }


def test_every_font_is_the_typesetters_own_and_embedded(tmp_path: Path) -> None:
    pdf = rendered(tmp_path, invoice(lines=(line("top_up", "\u4e16 \u05d0 \u2603 x", 0),), open_micros=0))
    own = ("LibertinusSerif", "DejaVuSansMono", "NewCM", "NewComputerModern")
    assert fonts_of(pdf)
    assert [name for name in fonts_of(pdf) if not name.startswith(own)] == []


# Text that Typst would interpret as markup.
@pytest.mark.parametrize(
    "text",
    [
        '#panic("no")',
        "*bold* _slanted_ `raw` $x^2$",
        "= Heading",
        '#sys.inputs #include("letterhead.typ")',
        "<label> @reference \\ // no comment /* none */",
        "\"quotes\" 'single' -- --- ... ~ {b} [c] (d",
        "https://example.com/?a=b&c=d",
        "\\u{41} \\n %s {0}",
    ],
)
def test_what_looks_like_markup_is_text(text: str, tmp_path: Path) -> None:
    made = invoice(lines=(line("top_up", text, 0),), open_micros=0, account_id=text, invoice_id="i", billing_email=text)
    [page] = pages_of(rendered(tmp_path, made, wanted="i"))
    assert page.splitlines().count(text) == 2
    assert f"Account {text}" in page.replace("\n", "")


def test_greek_and_cyrillic_are_typeset(tmp_path: Path) -> None:
    texts = (
        "\u0395\u03c0\u03b1\u03b3\u03b3\u03b5\u03bb\u03bc\u03b1\u03c4\u03b9\u03ba\u03cc",
        "\u041f\u0440\u043e\u0444\u0435\u0441\u0441\u0438\u043e\u043d\u0430\u043b\u044c\u043d\u044b\u0439",
        "Za\u017c\u00f3\u0142\u0107 g\u0119\u015bl\u0105",
    )
    made = invoice(lines=tuple(line("top_up", text, 0) for text in texts), open_micros=0, currency="EUR")
    [page] = pages_of(rendered(tmp_path, made))
    assert set(texts) <= set(page.splitlines())


def test_characters_missing_from_every_font_are_named_and_rendering_continues(tmp_path: Path) -> None:
    source, file = tmp_path / "EVENTS.jsonl", tmp_path / "made.pdf"
    source.write_bytes(jsonl(invoice(lines=(line("top_up", "a \u65e5\u672c \U0001f600 b", 0),), open_micros=0)))
    done = run("render", str(source), "a1/invoice/3", "-o", str(file))
    assert done.exit_code == 0
    assert "a1/invoice/3: no font has \u65e5 \u672c \U0001f600: the document shows a box for each" in done.stderr
    [page] = pages_of(file.read_bytes())
    assert page.count("\ufffd") == 3


def test_m11_a_long_invoice_repeats_its_head_and_counts_its_pages(tmp_path: Path) -> None:
    lines = tuple(line("overage", f"item {n}", n * CENT, direction="inbound") for n in range(1, 301))
    pages = pages_of(rendered(tmp_path, invoice(lines=lines)))
    assert len(pages) > 5
    for number, page in enumerate(pages, start=1):
        shown = page.splitlines()
        assert [word for word in ("Description", "For", "Amount") if shown.count(word) != 1] == []
        assert f"{number} of {len(pages)}" in shown
    items = [shown for page in pages for shown in page.splitlines() if shown.startswith("item ")]
    assert items == [each.description for each in lines]
    assert [word for page in pages for word in page.splitlines() if word in TOTALS] == TOTALS


@pytest.mark.parametrize("count", range(14, 26))
def test_totals_are_on_the_page_of_the_last_line(count: int, tmp_path: Path) -> None:
    made = invoice(lines=tuple(line("overage", f"item {n}", CENT) for n in range(count)), open_micros=0)
    last = pages_of(rendered(tmp_path, made))[-1].splitlines()
    assert [word for word in last if word in TOTALS] == TOTALS
    assert f"item {count - 1}" in last


def test_words_longer_than_a_line_are_broken(tmp_path: Path) -> None:
    name = "".join(chr(ord("a") + n % 26) for n in range(128))
    made = invoice(account_id=name, invoice_id="i", lines=(line("top_up", name * 3, 0),), open_micros=0)
    [page] = pages_of(rendered(tmp_path, made, wanted="i"))
    assert max(map(len, page.splitlines())) < 100
    assert name * 3 in page.replace("\n", "")


def test_an_invoice_without_lines_is_still_a_page(tmp_path: Path) -> None:
    [page] = pages_of(rendered(tmp_path, invoice(lines=(), open_micros=0)))
    assert [word for word in page.splitlines() if word in TOTALS] == TOTALS

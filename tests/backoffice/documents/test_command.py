"""The commands `invoice list` and `invoice render`: documents, files, issuer and errors."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from backoffice.documents.command import app
from tests.backoffice.documents.pdf_text import metadata_of, pages_of
from tests.backoffice.documents.samples import DOLLAR, invoice, jsonl, line, paid, receipt

PNG = b"\x89PNG\r\n\x1a\n" + b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0\xff\0\0\0\0\xff")),
        (b"IEND", b""),
    )
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 10"><rect width="300" height="10" fill="#f00"/></svg>'


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, list(arguments), **options)


@pytest.fixture
def facts(tmp_path: Path) -> str:
    path = tmp_path / "EVENTS.jsonl"
    path.write_bytes(jsonl(invoice(1), paid(invoice(1)), invoice(3), receipt()))
    return str(path)


def test_standard_input_and_output(facts: str, tmp_path: Path) -> None:
    file = tmp_path / "made.pdf"
    assert run("render", facts, "a1/invoice/1", "-o", str(file)).exit_code == 0
    piped = run("render", "-", "a1/invoice/1", "-o", "-", input=Path(facts).read_bytes())
    assert piped.exit_code == 0
    assert piped.stdout_bytes == file.read_bytes()


@pytest.mark.parametrize("wanted", ["a1/invoice/2", "a1", ""])
def test_an_id_that_is_not_there(wanted: str, facts: str, tmp_path: Path) -> None:
    done = run("render", facts, wanted, "-o", str(tmp_path / "made.pdf"))
    assert done.exit_code == 1
    assert f"the file has no invoice or receipt {wanted};" in done.stderr
    assert "2 invoices and 1 receipts: `tollgate invoice list` lists them" in done.stderr
    assert not (tmp_path / "made.pdf").exists()


def test_an_id_of_several_accounts(tmp_path: Path) -> None:
    path, file = tmp_path / "EVENTS.jsonl", tmp_path / "made.pdf"
    path.write_bytes(jsonl(invoice(invoice_id="i"), invoice(invoice_id="i", account_id="a2")))
    done = run("render", str(path), "i", "-o", str(file))
    assert done.exit_code == 1
    assert "several accounts have i: choose one with --account (a1, a2)" in done.stderr
    assert run("render", str(path), "i", "-o", str(file), "--account", "a2").exit_code == 0
    assert metadata_of(file.read_bytes())["Title"] == "Invoice 3, account a2"
    assert (
        "no invoice or receipt i of account a3;" in run("render", str(path), "i", "-o", "-", "--account", "a3").stderr
    )


# A line that is not a fact of the contract | the warning.
@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (b'{"type":', "line 2 was skipped: Input data was truncated"),
        (b"[1]", "line 2 was skipped: Expected `object`, got `array`"),
        (b'{"type":"\xff"}', "line 2 was skipped: "),
        (b"[" * 100_000, "line 2 was skipped: "),
        (b'{"type":"invoice-issued"}', "line 2 was skipped: not a valid invoice-issued: Object missing"),
        (b'{"type":7}', "line 2 was skipped: Expected `str`, got `int` - at `$.type`"),
        (jsonl(invoice(9, time_zone="Mars/Base")).strip(), "`time_zone`: 'Mars/Base' is not in the IANA"),
        (jsonl(invoice(9, period_end="soon")).strip(), "`period_end`: expected an RFC 3339 time"),
        (jsonl(receipt("p9", occurred_at="")).strip(), "`occurred_at`: expected an RFC 3339 time"),
    ],
    ids=range(9),
)
def test_lines_that_are_not_facts_are_reported_and_skipped(bad: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "EVENTS.jsonl"
    path.write_bytes(b"\n".join([jsonl(invoice(1)).strip(), bad, b"", b'{"type":"call-charged"}', jsonl(invoice(3))]))
    done = run("render", str(path), "a1/invoice/3", "-o", "-")
    assert done.exit_code == 0
    assert expected in done.stderr
    assert done.stderr.count("skipped") == 1


def test_a_fact_may_be_repeated_but_not_with_other_content(tmp_path: Path) -> None:
    path = tmp_path / "EVENTS.jsonl"
    path.write_bytes(jsonl(invoice(3), invoice(3)))
    assert run("render", str(path), "a1/invoice/3", "-o", "-").exit_code == 0
    path.write_bytes(jsonl(invoice(3), invoice(3, plan="free")))
    done = run("list", str(path))
    assert done.exit_code == 1
    assert "a1/invoice/3 occurs twice with different content; the second is in line 2" in done.stderr


def test_everything_at_once(tmp_path: Path) -> None:
    path, folder = tmp_path / "EVENTS.jsonl", tmp_path / "new" / "out"
    facts = [invoice(1), receipt(), invoice(2, account_id=".."), invoice(3, account_id="a:b", invoice_id="../../up")]
    path.write_bytes(jsonl(*facts))
    done = run("render", str(path), "--all", str(folder))
    assert done.exit_code == 0, done.output
    assert f"4 documents written to {folder}" in done.stderr
    made = sorted(file.relative_to(tmp_path / "new").as_posix() for file in (tmp_path / "new").rglob("*.pdf"))
    assert made == [
        "out/%2E%2E/invoice-2.pdf",
        "out/a%3Ab/..-..-up.pdf",
        "out/a1/invoice-1.pdf",
        "out/a1/receipt-p1.pdf",
    ]
    one = run("render", str(path), "a1/invoice/1", "-o", "-")
    assert (folder / "a1/invoice-1.pdf").read_bytes() == one.stdout_bytes
    done = run("render", str(path), "--all", str(tmp_path / "mine"), "--account", "a1")
    assert f"2 documents written to {tmp_path / 'mine'}" in done.stderr


def test_documents_that_cannot_be_made_are_named_and_the_others_are_made(tmp_path: Path) -> None:
    path, folder = tmp_path / "EVENTS.jsonl", tmp_path / "out"
    path.write_bytes(jsonl(invoice(1, total_micros=1), invoice(2)))
    done = run("render", str(path), "--all", str(folder))
    assert done.exit_code == 1
    assert "a1/invoice/1 does not add up" in done.stderr
    assert f"1 documents written to {folder}, 1 failed" in done.stderr
    assert [file.name for file in folder.rglob("*.pdf")] == ["invoice-2.pdf"]


def test_two_documents_never_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "EVENTS.jsonl"
    path.write_bytes(jsonl(invoice(1, invoice_id="a1/x/y"), invoice(2, invoice_id="a1/x-y")))
    done = run("render", str(path), "--all", str(tmp_path / "out"))
    assert done.exit_code == 1
    assert "a1/x/y and a1/x-y would both be" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("i",),
        ("-o", "x.pdf"),
        ("i", "--all", "out"),
        ("-o", "x.pdf", "--all", "out"),
        ("i", "-o", "x", "--all", "o"),
    ],
)
def test_one_document_or_all_of_them(arguments: tuple[str, ...], facts: str) -> None:
    done = run("render", facts, *arguments)
    assert done.exit_code == 2
    assert "--all DIR" in done.stderr


def test_files_that_are_not_there(facts: str, tmp_path: Path) -> None:
    none = str(tmp_path / "none" / "file")
    for arguments in (("render", none, "i", "-o", "-"), ("render", facts, "a1/invoice/1", "-o", none), ("list", none)):
        done = run(*arguments)
        assert isinstance(done.exception, FileNotFoundError)


def test_m11_the_list_shows_every_document_and_its_status(tmp_path: Path) -> None:
    path = tmp_path / "EVENTS.jsonl"
    euro = invoice(2, account_id="a0", lines=(line("subscription", "x", DOLLAR),), open_micros=DOLLAR, currency="EUR")
    path.write_bytes(jsonl(invoice(10), invoice(1), paid(invoice(1)), receipt(), euro))
    done = run("list", str(path))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "INVOICE        NUMBER  PERIOD             TOTAL     OPEN      STATUS",
        "a0/invoice/2   2       1 \u2013 30 April 2026  1.00 EUR  1.00 EUR  open",
        "a1/invoice/1   1       1 \u2013 30 April 2026  $138.96   $0.00     paid",
        "a1/invoice/10  10      1 \u2013 30 April 2026  $138.96   $9.78     open",
        "",
        "RECEIPT        PAID ON      PURPOSE                      AMOUNT",
        "a1/receipt/p1  2 June 2026  Credits added to the wallet  $25.00",
    ]
    assert "a1/invoice" not in run("list", str(path), "--account", "a0").stdout


# The issuer file | the error, with the remedy.
@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("name = ", "issuer.toml: not TOML: "),
        (
            'nmae = "A"',
            "issuer.toml: nmae: unknown key; expected one of name, address, vat_id, email, footer, accent, logo",
        ),
        ("name = 7", 'issuer.toml: name: Expected `str`, got `int`; write `name = "\u2026"`'),
        ('name = ""', "issuer.toml: name: Expected `str` of length >= 1"),
        ('address = "1 High Street"', "issuer.toml: address: Expected `array`, got `str`; write `address = ["),
        ('address = ["a", 7]', "issuer.toml: address[1]: Expected `str`, got `int`; write `address = ["),
        (
            'accent = "red"',
            "issuer.toml: accent: Expected `str` matching regex '^#[0-9a-fA-F]{6}$'; write `accent = \"#",
        ),
        (f'footer = "{"x" * 301}"', "issuer.toml: footer: Expected `str` of length <= 300"),
        (f"address = {['x'] * 9}", "issuer.toml: address: Expected `array` of length <= 8"),
        ('logo = "none.png"', "none.png: cannot be read: No such file"),
        ('logo = "EVENTS.jsonl"', "EVENTS.jsonl is neither a PNG nor an SVG file; save it as one of them"),
        ('logo = "big.png"', "big.png has 1,000,009 bytes; at most 1,000,000 are allowed"),
    ],
    ids=range(12),
)
def test_an_issuer_file_that_cannot_be_used(toml: str, expected: str, facts: str, tmp_path: Path) -> None:
    (tmp_path / "big.png").write_bytes(PNG[:8] + b"\0" * 1_000_001)
    issuer = tmp_path / "issuer.toml"
    issuer.write_text(toml, encoding="utf-8")
    done = run("render", facts, "a1/invoice/1", "-o", "-", "--issuer", str(issuer))
    assert done.exit_code == 1
    assert expected in done.stderr
    assert done.stdout == ""


def test_an_issuer_file_that_is_not_there(facts: str, tmp_path: Path) -> None:
    done = run("render", facts, "a1/invoice/1", "-o", "-", "--issuer", str(tmp_path / "none.toml"))
    assert (done.exit_code, "none.toml: cannot be read: No such file" in done.stderr) == (1, True)


@pytest.mark.parametrize(("name", "content"), [("logo.png", PNG), ("logo.svg", SVG), ("any-name", SVG)])
def test_an_issuer_with_a_logo(name: str, content: bytes, facts: str, tmp_path: Path) -> None:
    folder = tmp_path / "company"
    folder.mkdir()
    (folder / name).write_bytes(content)
    issuer = folder / "issuer.toml"
    issuer.write_text(f'name = "Acme"\naddress = ["1 High Street"]\nlogo = "{name}"\naccent = "#804020"')
    for wanted in ("a1/invoice/1", "a1/receipt/p1"):
        done = run("render", facts, wanted, "-o", "-", env={"TOLLGATE_ISSUER": str(issuer)})
        assert (done.exit_code, done.stderr) == (0, "")
        assert {"Acme", "1 High Street"} <= set(pages_of(done.stdout_bytes)[0].splitlines())


def test_a_broken_logo_is_distinguished_from_a_broken_invoice(facts: str, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG[:40])
    issuer = tmp_path / "issuer.toml"
    issuer.write_text('logo = "logo.png"')
    done = run("render", facts, "a1/invoice/1", "-o", "-", "--issuer", str(issuer))
    assert done.exit_code == 1
    assert "check the logo file" in done.stderr


def test_without_an_issuer_file_the_sender_is_named(facts: str) -> None:
    done = run("render", facts, "a1/invoice/1", "-o", "-", env={"TOLLGATE_ISSUER": None})
    assert "no issuer file: the sender is Tollgate; set --issuer FILE.toml or TOLLGATE_ISSUER" in done.stderr
    assert pages_of(done.stdout_bytes)[0].startswith("Tollgate\n")


def test_other_commands_do_not_wait_for_the_typesetter() -> None:
    code = "import sys, tollgate; tollgate.load('explain'); sys.exit('typst' in sys.modules or 'faust' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[3])

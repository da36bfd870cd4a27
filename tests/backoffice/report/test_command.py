"""The command `report`: its table, its files, and its one line for a mistake."""

import csv
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.backoffice.report.months import DOLLAR, IN_JANUARY, Ledger, complete, jsonl
from tollgate import app


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(app, ["report", *arguments], **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(jsonl(complete().events) + b'\n{"type": "call-admitted", "odd": 1}\n')
    return path


def test_the_command_prints_a_table_and_writes_both_files(file: Path, tmp_path: Path) -> None:
    sums, receipts = tmp_path / "sums.csv", tmp_path / "receipts.csv"
    done = run(str(file), "--month", "2026-01", "--csv", str(sums), "--receipts", str(receipts))
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "2026-01 in USD (days in UTC)"
    assert ["balances", "at", "the", "end", "$18.00"] in [line.split()[:5] for line in done.stdout.splitlines()]
    rows = list(csv.DictReader(sums.open()))
    assert {row["amount"] for row in rows if row["item"] == "closing"} == {"18.00"}
    [receipt] = csv.DictReader(receipts.open())
    assert (receipt["account_id"], receipt["amount"], receipt["purpose"]) == ("a1", "20.00", "purchase")
    piped = run("-", "--month", "2026-01", "--format", "csv", input=file.read_bytes())
    assert piped.stdout == sums.read_text()


def test_a_reference_of_the_provider_is_no_formula(tmp_path: Path) -> None:
    facts, receipts = tmp_path / "facts.jsonl", tmp_path / "receipts.csv"
    ledger = Ledger().received(IN_JANUARY, "subscription", DOLLAR, provider_reference="=HYPERLINK(1)")
    facts.write_bytes(jsonl(ledger.events))
    assert run(str(facts), "--month", "2026-01", "--receipts", str(receipts)).exit_code == 0
    [receipt] = csv.DictReader(receipts.open())
    assert receipt["provider_reference"] == "'=HYPERLINK(1)"


def test_a_file_of_inputs_is_named_in_one_line() -> None:
    opened = b'{"type": "account-opened", "id": "i1", "account_id": "a1", "occurred_at": "2026-01-01T00:00:00Z"}\n'
    done = run("-", "--month", "2026-01", input=opened)
    (line,) = done.stderr.splitlines()
    assert line.startswith("report: the file has no events that a report adds up: `tollgate export` writes")


@pytest.mark.parametrize(
    ("content", "options", "status", "said"),
    [
        (b"{", ("--month", "2026-01"), 1, "report: line 1 cannot be read"),
        (b'{"type": "ledger-entry-posted"}', ("--month", "2026-01"), 1, "report: line 1 cannot be read"),
        (b"", ("--month", "2026"), 2, "report: --month '2026': expected a month"),
        (b"", ("--month", "2026-01", "--time-zone", "Mars"), 2, "report: --time-zone 'Mars'"),
        (b"", ("--month", "2026-01", "--plans", "none.toml"), 2, "report: none.toml"),
        (jsonl(complete().events[2:]), ("--month", "2026-01"), 1, "report: the ledger of 1 account is not complete"),
    ],
)
def test_without_all_events_there_are_no_sums(
    content: bytes, options: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(content)
    done = run(str(path), *options)
    assert done.exit_code == status, done.output
    assert done.stdout == ""
    assert done.stderr.startswith(said)

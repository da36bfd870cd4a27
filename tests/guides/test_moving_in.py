"""The example of docs/guides/moving-in.md, as its reader runs it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backoffice.replay import replay_lines, snapshot_lines
from tests.guides.pages import ROOT, text_of
from tests.wire.published import errors, is_published

EXAMPLE = ROOT / "examples" / "moving-in"
AT = "2026-03-20T09:00:00Z"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLE / script), *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def inputs() -> list[bytes]:
    moved = run("move_in.py", "--at", AT)
    assert moved.returncode == 0, moved.stderr
    return moved.stdout.encode().splitlines()


@pytest.fixture(scope="module")
def events(inputs: Sequence[bytes]) -> list[dict[str, Any]]:
    return list(replay_lines(inputs))


def compared(events: Sequence[dict[str, Any]], directory: Path) -> subprocess.CompletedProcess[str]:
    file = directory / "published.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return run("compare.py", str(file))


def test_the_inputs_fit_the_contract_and_all_are_accepted(
    inputs: Sequence[bytes], events: Sequence[dict[str, Any]]
) -> None:
    for line in inputs:
        assert is_published(json.loads(line)), errors(json.loads(line))
    assert [event for event in events if event["type"] == "dead-letter"] == []
    assert text_of("moving-in.md").count(AT) == 1


def test_the_comparison_finds_what_the_page_shows(events: Sequence[dict[str, Any]], tmp_path: Path) -> None:
    result = compared(events, tmp_path)
    assert result.returncode == 1
    assert f"```\n{result.stdout}```" in text_of("moving-in.md")


def test_the_comparison_is_content_when_nothing_differs(events: Sequence[dict[str, Any]], tmp_path: Path) -> None:
    same = [event | {"amount_micros": 80_000} if event.get("call_id") == "l-3" else event for event in events] + [
        {"type": "ledger-entry-posted", "account_id": "acct-lake", "balance_after_micros": 2_500_000}
    ]
    result = compared(same, tmp_path)
    assert (result.returncode, result.stdout) == (0, "Every call and every balance is the same.\n")


def test_the_comparison_names_a_call_without_a_charge_and_a_refusal(
    events: Sequence[dict[str, Any]], tmp_path: Path
) -> None:
    refused = {"type": "dead-letter", "code": "too_late", "message": "old", "line": 9}
    result = compared([event for event in events if event.get("call_id") != "h-1"] + [refused], tmp_path)
    assert "call h-1 of acct-hill: not charged, the old system 0.00\n" in result.stdout
    assert "line 9 was refused: too_late: old\n" in result.stdout


def test_moving_in_asks_no_card_and_the_next_period_is_billed(inputs: Sequence[bytes]) -> None:
    later = json.dumps(
        {"type": "clock-ticked", "id": "later", "account_id": "*", "occurred_at": "2026-04-12T00:00:00Z"}
    )
    asked = [event for event in replay_lines([*inputs, later.encode()]) if event["type"] == "payment-requested"]
    # The signup in Berlin was on 12 June, so its period begins at 22:00 UTC on the 11th.
    assert [(event["account_id"], event["purpose"], event["amount_micros"]) for event in asked] == [
        ("acct-lake", "subscription", 49_000_000)
    ]
    assert not any(event["type"] == "payment-requested" for event in replay_lines(inputs))


def test_periods_keep_their_anniversary_and_what_was_used(inputs: Sequence[bytes]) -> None:
    snapshots = {snapshot["account_id"]: snapshot for snapshot in snapshot_lines(inputs)}
    lake, hill = snapshots["acct-lake"]["usage"], snapshots["acct-hill"]["usage"]
    assert (lake["period_start"], lake["minutes_used"]) == ("2026-03-11T23:00:00Z", 109)
    assert (hill["period_start"], hill["calls_counted"]) == ("2026-02-28T05:00:00Z", 3)
    assert snapshots["acct-hill"]["balance_micros"] == 41_000_000


def test_sending_the_file_twice_changes_nothing(inputs: Sequence[bytes], events: Sequence[dict[str, Any]]) -> None:
    assert list(replay_lines([*inputs, *inputs])) == events


def test_a_call_in_the_file_and_from_telephony_is_charged_once(
    inputs: Sequence[bytes], events: Sequence[dict[str, Any]]
) -> None:
    (call,) = [json.loads(line) for line in inputs if b'"h-2"' in line]
    again = json.dumps(call | {"id": "h-2:end"}).encode()
    assert list(replay_lines([*inputs, again])) == events


def test_the_first_invoice_takes_off_the_moved_calls_and_taxes_them(inputs: Sequence[bytes]) -> None:
    def event(kind: str, at: str, account_id: str = "acct-lake", **fields: Any) -> bytes:
        head = {"type": kind, "id": f"{kind}:{at}", "account_id": account_id, "occurred_at": at}
        return json.dumps(head | fields).encode()

    later = [
        event("tax-rate-set", AT, rate_ppm=100_000),
        event("clock-ticked", "2026-04-11T23:00:00Z", "*"),
        event("payment-succeeded", "2026-04-11T23:00:03Z", payment_id="acct-lake/subscription/1/1"),
        event("clock-ticked", "2026-05-12T00:00:00Z", "*"),
    ]
    events = replay_lines([*inputs, *later])
    (invoice,) = [e for e in events if e["type"] == "invoice-issued" and e["account_id"] == "acct-lake"]
    assert [(line["kind"], line["amount_micros"]) for line in invoice["lines"]] == [
        ("subscription", 49_000_000),
        ("overage", 770_000),
        ("overage", 160_000),
        ("tax", 4_990_000),
        ("wallet_credit", -930_000),
    ]

"""An explanation checks itself: it names what does not add up, is missing or cannot be read. Rule G11."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from backoffice.explain.command import command, explain
from tests.backoffice.explain.histories import ALL, Facts, calls, opened, replay

MOVES = ("call-charged", "charge-adjusted")


def adjusted_history() -> Facts:
    history = opened(*ALL, dollars=40)
    calls(history, 26)
    history.end("c26", "a1", started_ms=history.now_ms, features=["live_agent"])
    return replay(history)


ADJUSTED = adjusted_history()


def test_the_untouched_facts_add_up() -> None:
    assert "DIFFERS" not in explain(ADJUSTED, "c26")


# Paths to numbers. An explanation must report a change to any of them.
@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize(
    "path",
    [
        ("amount_micros",),
        ("wallet_micros",),
        ("card_micros",),
        ("balance_before_micros",),
        ("balance_after_micros",),
        ("lines", 0, "amount_micros"),
        ("receipt", "amount_micros"),
        ("receipt", "lines", 0, "amount_micros"),
        ("receipt", "lines", 0, "unit_amount_micros"),
        ("receipt", "lines", 0, "quantity"),
    ],
    ids=str,
)
def test_a_changed_number_is_found(kind: str, path: tuple[Any, ...], tmp_path: Path) -> None:
    facts = deepcopy(ADJUSTED)
    node: Any = next(fact for fact in facts if fact["type"] == kind and fact["call_id"] == "c26")
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] += 20_000
    shown = run(tmp_path, facts, "c26")
    assert shown.exit_code == 1
    assert "DIFFERS" in shown.stdout


# Other faults in a file of facts: a wrong ordinal, a feature that was never on, missing or duplicate facts.
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda facts: of(facts, "call-charged").update(ordinal=25), "by what it records, it should bill nothing"),
        (
            lambda facts: of(facts, "charge-adjusted")["receipt"].update(features_active=["extra_calls"]),
            "it should bill",
        ),
        (lambda facts: of(facts, "charge-adjusted")["receipt"].update(cap_micros=3_000_000), "recomputed $3.00"),
        (lambda facts: facts.remove(entry(facts, "charge")), "the ledger has no entry of -$3.00"),
        (lambda facts: facts.remove(of(facts, "call-charged")), "is missing; the file has only its adjustments"),
        (lambda facts: facts.remove(of(facts, "charge-adjusted")), "belongs to no charge or adjustment"),
        (lambda facts: facts.append(of(facts, "call-charged") | {"id": "again"}), "the call was charged 2 times"),
        (lambda facts: of(facts, "charge-adjusted").update(adjusts="a1/c1/charged"), "is not the charge of this call"),
        (lambda facts: entry(facts, "adjustment").update(amount_micros=-1), "the ledger has no entry"),
    ],
    ids=range(9),
)
def test_what_does_not_add_up_is_named(change: Any, expected: str, tmp_path: Path) -> None:
    facts = deepcopy(ADJUSTED)
    change(facts)
    shown = run(tmp_path, facts, "c26")
    assert shown.exit_code == 1
    assert expected in shown.stdout


def of(facts: Facts, kind: str) -> dict[str, Any]:
    return next(fact for fact in facts if fact["type"] == kind and fact["call_id"] == "c26")


def entry(facts: Facts, kind: str) -> dict[str, Any]:
    return next(f for f in facts if f["type"] == "ledger-entry-posted" and (f["kind"], f["reference"]) == (kind, "c26"))


def test_facts_of_one_topic_are_enough_and_a_fact_may_be_repeated() -> None:
    charges = [fact for fact in ADJUSTED if fact["type"] in MOVES]
    text = explain([*charges, *charges], "c26")
    assert "no ledger entry of the account was read" in text
    assert "the file does not have the decision itself" in text
    assert "DIFFERS" not in text


app = typer.Typer()
app.command()(command)


def run(tmp_path: Path, facts: Facts, *arguments: str) -> Result:
    path = tmp_path / "EVENTS.jsonl"
    path.write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    return CliRunner().invoke(app, [str(path), *arguments])


def test_the_command_prints_the_explanation(tmp_path: Path) -> None:
    shown = run(tmp_path, ADJUSTED, "c26")
    assert (shown.exit_code, shown.stdout) == (0, explain(ADJUSTED, "c26") + "\n")
    piped = CliRunner().invoke(app, ["-", "c26"], input="".join(json.dumps(fact) + "\n" for fact in ADJUSTED))
    assert (piped.exit_code, piped.stdout) == (0, shown.stdout)


def test_a_call_that_is_not_there(tmp_path: Path) -> None:
    shown = run(tmp_path, ADJUSTED, "c99")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert f"none of the {len(ADJUSTED)} events in the file is about call c99: check the file" in shown.stderr
    assert "is about call c26 of account a2:" in run(tmp_path, ADJUSTED, "c26", "--account", "a2").stderr


def test_a_call_id_of_several_accounts(tmp_path: Path) -> None:
    facts = ADJUSTED + [json.loads(json.dumps(fact).replace('"a1', '"a2')) for fact in ADJUSTED if "id" in fact]
    shown = run(tmp_path, facts, "c26")
    assert shown.exit_code == 1
    assert "several accounts have call c26: choose one with --account (a1, a2)" in shown.stderr
    named = run(tmp_path, facts, "c26", "--account", "a2")
    assert named.exit_code == 0
    assert named.stdout.startswith("Call c26 of account a2 costs")


def test_lines_that_are_no_facts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "EVENTS.jsonl"
    path.write_text('{"type": \n[1]\n\n{"type":"dead-letter","line":3}\n' + "\n".join(map(json.dumps, ADJUSTED)))
    shown = CliRunner().invoke(app, [str(path), "c26"])
    assert shown.exit_code == 0
    assert "line 1 is not JSON and was skipped" in shown.stderr
    assert "line 2 is not a JSON object and was skipped" in shown.stderr
    path.write_text('\n{"type":"call-charged","id":"a1/c1/charged","account_id":"a1","call_id":"c1"}\n')
    shown = CliRunner().invoke(app, [str(path), "c1"])
    assert shown.exit_code == 1
    assert "event 2 is not a valid call-charged: Object missing required field" in shown.stderr

"""The end of a run: its stories, one account explained from its facts, and the audit's verdict."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from demo.accounts import CREDITS_PLAN
from demo.stories.story import Story
from demo.verify import Audit
from schemas.money import format_money
from schemas.plan import CreditsPlan, load_catalogue
from stream.explain import explain

# The JSON of unknown shape that facts are to somebody who only reads and shows them.
Fact = dict[str, Any]


def most_telling_call(facts: Iterable[Fact]) -> str | None:
    """The call whose receipt says most: corrected afterwards, dearest, with the most lines. None without charges."""
    charges = [fact for fact in facts if fact["type"] == "call-charged"]
    adjusted = {fact["call_id"] for fact in facts if fact["type"] == "charge-adjusted"}
    best = max(
        charges,
        key=lambda fact: (fact["amount_micros"], fact["call_id"] in adjusted, len(fact["lines"]), fact["call_id"]),
        default=None,
    )
    return None if best is None else str(best["call_id"])


def write_facts(facts: Iterable[Fact]) -> Path:
    """FACTS.jsonl, to be explained again by hand. The file stays."""
    path = Path(tempfile.mkdtemp(prefix="tollgate-demo-")) / "FACTS.jsonl"
    path.write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    return path


def print_stories(console: Console, stories: Iterable[Story]) -> None:
    for story in stories:
        console.print(f"\n[bold]{story.title}[/]: {escape(story.text)}", soft_wrap=True, highlight=False)
        for line in story.lines:
            console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def print_verdict(console: Console, audit: Audit, findings: list[str]) -> None:
    """Whether everything was counted exactly once, or what was not."""
    if findings:
        console.print("\nNOT exactly once:", style="bold red")
        for finding in findings:
            console.print(f"  {finding}", soft_wrap=True, highlight=False, markup=False)
        return
    evidence = audit.evidence
    invoices = sum(row.type == "invoice-issued" for row in evidence.invoices)
    said = (
        f"exactly once: {len(audit.accepted):,} accepted calls have one charge each",
        "  their lines sum to it, wallet and card pay it, and the minutes used are those of the calls",
        f"  {len(evidence.snapshots):,} balances are their ledger's sum; {len(evidence.ids):,} fact ids are unique",
        f"  {len(evidence.payments):,} payments were asked for once and answered once, with a receipt for each charge",
        f"  {invoices:,} invoices are numbered without gaps, sum up, and are paid or open for a reason",
        f"  {evidence.codes.total():,} dead letters are those expected",
    )
    console.print()
    for line in said:
        console.print(line, style="bold green", soft_wrap=True, highlight=False)


def print_explanation(console: Console, account_id: str, balance_micros: int, facts: list[Fact]) -> None:
    """The account that is furthest down, and the receipt of its most telling call."""
    console.print(
        f"\nlowest balance: {account_id} stands at {format_money(balance_micros)} after {_story(facts)}"
        f"{_past_bound(balance_micros)}",
        soft_wrap=True,
        highlight=False,
    )
    call_id = most_telling_call(facts)
    if call_id is None:
        return
    path = write_facts(facts)
    console.print(f"\n{explain(facts, call_id)}", soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"\nto explain another of its calls: python -m stream explain {path} CALL_ID",
        soft_wrap=True,
        highlight=False,
        style="dim",
    )


def _past_bound(balance_micros: int) -> str:
    """Calls gated and ended in time leave the balance above minus one cap (rule C9): one below it has its reason."""
    plan = load_catalogue().plans[CREDITS_PLAN]
    assert isinstance(plan, CreditsPlan)
    if balance_micros > -plan.cap_micros:
        return ""
    return (
        f"; only ends that come hours late and corrections go past -{format_money(plan.cap_micros)}, the cap of a call"
    )


def _story(facts: list[Fact]) -> str:
    charged = [fact for fact in facts if fact["type"] == "call-charged"]
    redirected = sum(fact["type"] == "call-redirected" for fact in facts)
    entries = [fact for fact in facts if fact["type"] == "ledger-entry-posted"]
    added_micros = sum(entry["amount_micros"] for entry in entries if entry["kind"] in {"purchase", "refill", "grant"})
    spent_micros = sum(fact["amount_micros"] for fact in facts if fact["type"] in {"call-charged", "charge-adjusted"})
    return (
        f"{len(charged)} calls, {redirected} of them redirected, "
        f"{format_money(added_micros)} added and {format_money(spent_micros)} spent"
    )

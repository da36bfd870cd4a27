"""The end of a run: examples from its topics, one account explained from its facts, and the result of the audit."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from agents.views.audit import Result
from backoffice.explain.command import explain
from demo.accounts import CREDITS_PLAN
from demo.checks.evidence import Evidence
from demo.checks.rows import SnapshotRow
from demo.examples.account_history import account_histories
from demo.examples.billing import carried, invoice, overage
from demo.examples.calls import by_legs, overlong
from demo.examples.example import Example, best_examples
from demo.examples.reversals import dispute, dispute_won
from demo.examples.subscription import cancellation, renewal, upgrade
from demo.plans import plan_of
from demo.verify import Audit
from schemas.money import format_money
from schemas.plan import CreditsPlan

EXAMPLE_MAKERS = (
    *(renewal, upgrade, cancellation, invoice, carried, overage),
    *(dispute, dispute_won, overlong, by_legs),
)

Fact = dict[str, Any]  # Decoded JSON: the demo only reads and shows it.


def call_to_explain(facts: Iterable[Fact]) -> str | None:
    """The most expensive call; of equals, an adjusted one, then one with more lines. None without charges."""
    charges = [fact for fact in facts if fact["type"] == "call-charged"]
    adjusted = {fact["call_id"] for fact in facts if fact["type"] == "charge-adjusted"}
    best = max(
        charges,
        key=lambda fact: (fact["amount_micros"], fact["call_id"] in adjusted, len(fact["lines"]), fact["call_id"]),
        default=None,
    )
    return None if best is None else str(best["call_id"])


def write_facts(facts: Iterable[Fact]) -> Path:
    """Write EVENTS.jsonl into a new directory, for `tollgate explain`. The file stays after the run."""
    path = Path(tempfile.mkdtemp(prefix="tollgate-demo-")) / "EVENTS.jsonl"
    path.write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    return path


def find_examples(evidence: Evidence) -> list[Example]:
    """The best example of each kind that the run has."""
    return list(best_examples(EXAMPLE_MAKERS, account_histories(evidence, evidence.accepted())))


def print_examples(console: Console, examples: Iterable[Example]) -> None:
    for example in examples:
        console.print(f"\n[bold]{example.title}[/]: {escape(example.text)}", soft_wrap=True, highlight=False)
        for line in example.lines:
            console.print(f"  {line}", soft_wrap=True, highlight=False, markup=False)


def print_audit(console: Console, audit: Audit, views: Result, findings: list[str]) -> None:
    """The result of the audit: every check that passed, or the findings."""
    if findings:
        console.print("\nNOT exactly once:", style="bold red")
        for finding in findings:
            console.print(f"  {finding}", soft_wrap=True, highlight=False, markup=False)
        return
    evidence = audit.evidence
    invoices = sum(row.type == "invoice-issued" for row in evidence.invoices)
    returned = sum(row.type == "payment-reversed" for row in evidence.alerts)
    passed = (
        f"exactly once: {len(audit.accepted):,} accepted calls have one charge each",
        "  each charge is the sum of its lines, and of its wallet and card parts; minutes used match the calls",
        "  no call is charged for more than the longest call of its plan, and one alert names each longer one",
        f"  {len(evidence.snapshots):,} balances match their ledger; {len(evidence.ids):,} event ids are unique",
        f"  {len(evidence.payments):,} payments have one request and one answer; each card charge has a receipt",
        f"  {returned:,} disputes and refunds took no more than their payment and gave back no more than they took",
        f"  {invoices:,} invoices are numbered without gaps, add up, and are paid or open for a known reason",
        "  each invoice, computed again from ledger, charges and payments, continues the one before; its total less",
        "  top-ups and what it carries to the next one is what cards paid or owe",
        f"  {evidence.codes.total():,} dead letters, among them every provoked one",
        f"  Redis agrees with the topics for all {views.accounts:,} accounts, and the gateway shows their balances",
    )
    console.print()
    for line in passed:
        console.print(line, style="bold green", soft_wrap=True, highlight=False)


def print_explanation(console: Console, account: SnapshotRow, facts: list[Fact]) -> None:
    """The account with the lowest balance, and the explanation of its most expensive call."""
    console.print(
        f"\nlowest balance: {account.account_id} has {format_money(account.balance_micros, account.currency)} after "
        f"{_activity(facts, account.currency)}{_past_bound(account)}",
        soft_wrap=True,
        highlight=False,
    )
    call_id = call_to_explain(facts)
    if call_id is None:
        return
    path = write_facts(facts)
    console.print(f"\n{explain(facts, call_id)}", soft_wrap=True, highlight=False, markup=False)
    console.print(
        f"\nto explain another of its calls: tollgate explain {path} CALL_ID",
        soft_wrap=True,
        highlight=False,
        style="dim",
    )


def _past_bound(account: SnapshotRow) -> str:
    """The reason for a balance below minus one cap, which calls whose ends arrive in time never cause (rule C9)."""
    plan = plan_of(CREDITS_PLAN, account.currency)
    assert isinstance(plan, CreditsPlan)
    if account.balance_micros > -plan.cap_micros:
        return ""
    bound = format_money(-plan.cap_micros, account.currency)
    return f"; only disputes, late ends and corrections can go below {bound}, the cap of a call"


def _activity(facts: list[Fact], currency: str) -> str:
    charged = [fact for fact in facts if fact["type"] == "call-charged"]
    redirected = sum(fact["type"] == "call-redirected" for fact in facts)
    entries = [fact for fact in facts if fact["type"] == "ledger-entry-posted"]
    added_micros = sum(entry["amount_micros"] for entry in entries if entry["kind"] in {"purchase", "refill", "grant"})
    reversed_micros = sum(entry["amount_micros"] for entry in entries if entry["kind"] == "reversal")
    spent_micros = sum(fact["amount_micros"] for fact in facts if fact["type"] in {"call-charged", "charge-adjusted"})
    return (
        f"{len(charged)} calls, {redirected} of them redirected, "
        f"{format_money(added_micros, currency)} added, {format_money(spent_micros, currency)} spent"
        f"{f' and {format_money(-reversed_micros, currency)} reversed' if reversed_micros else ''}"
    )

"""The figures of a whole run, one line each."""

from collections import Counter

from rich.console import Console

from demo.checks.evidence import Evidence
from demo.checks.invoices import PaymentAttempts, issued, paid_ids
from demo.checks.payments import answers
from demo.checks.rows import InputRow
from demo.progress import Progress
from demo.show import cards, money, overage, owners, summed
from demo.subscription_changes import SubscriptionChanges
from demo.verify import Audit
from schemas.money import format_money


def print_summary(console: Console, progress: Progress, audit: Audit) -> None:
    """The totals of the live view, and figures that need all topics."""
    totals, evidence = progress.totals, audit.evidence
    accepted = evidence.accepted()
    decisions, charges = totals.types("call-decisions"), totals.types("charges")
    admitted, redirected = decisions["call-admitted"], decisions["call-redirected"]
    rows = {
        "inputs": f"{evidence.input_count:,} in {progress.took_s():.0f} s, all decided",
        "calls": f"{totals.calls.total():,} ended ({summed(totals.calls)}), {admitted:,} admitted, "
        f"{redirected:,} redirected",
        "redirects": summed(totals.reasons),
        "charges": f"{charges['call-charged']:,}, and {charges['charge-adjusted']:,} adjustments",
        "money charged": f"{format_money(totals.charged_micros.total())}, net of adjustments: "
        f"{money(totals.charged_micros)}",
        "overage": f"minutes beyond those included: {overage(totals)}",
        "subscriptions": _subscriptions(evidence, accepted, totals.renewals),
        "invoices": _invoices(evidence, accepted),
        "card payments": f"{len(evidence.payments):,} requested, {len(answers(accepted)):,} answered; {cards(totals)}",
        "refills": summed(totals.types("refills")),
        "alerts": summed(totals.types("alerts")),
        "dead letters": summed(totals.dead_letters),
    }
    console.print()
    for name, text in rows.items():
        console.print(f"{name:<14} {text or 'none'}", soft_wrap=True, highlight=False)


def _subscriptions(evidence: Evidence, accepted: list[InputRow], renewals: int) -> str:
    changes = SubscriptionChanges()
    for row in accepted:
        changes.take(row)
    states = Counter(row.subscription.status for row in evidence.snapshots.values())
    return (
        f"{renewals:,} renewals; {summed(owners(changes)) or 'no changes'}; "
        f"at the end {states['active'] + states['cancelling']:,} active and {states['ended']:,} ended"
    )


def _invoices(evidence: Evidence, accepted: list[InputRow]) -> str:
    attempts, paid, rows = PaymentAttempts(evidence, accepted), paid_ids(evidence), issued(evidence)
    reasons = Counter(attempts.open_reason(row) or "no reason" for row in rows if row.invoice_id not in paid)
    total_micros = sum(row.total_micros for row in rows)
    still_open = f"; open: {summed(reasons)}" if reasons else ""
    return f"{len(rows):,} issued ({format_money(total_micros)}), {len(paid):,} paid{still_open}"

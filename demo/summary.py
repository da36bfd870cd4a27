"""The figures of a whole run, one line each."""

from collections import Counter

from rich.console import Console

from demo.checks.evidence import Evidence
from demo.checks.invoices import PaymentAttempts, issued, paid_ids
from demo.checks.payments import answers
from demo.checks.rows import InputRow
from demo.progress import Progress
from demo.show import amounts, cards, in_all, money, overage, owners, sum_by, summed
from demo.subscription_changes import SubscriptionChanges
from demo.verify import Audit


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
        "money charged": f"{in_all(totals.charged_micros)}, net of adjustments: {money(totals.charged_micros)}",
        "overage": f"minutes beyond those included: {overage(totals)}",
        "balances": amounts(sum_by((row.currency, row.balance_micros) for row in evidence.snapshots.values()))
        + f", in the wallets of {_accounts(evidence)}",
        "subscriptions": _subscriptions(evidence, accepted, totals.renewals),
        "invoices": _invoices(evidence, accepted),
        "card payments": f"{len(evidence.payments):,} requested, {len(answers(accepted)):,} answered; {cards(totals)}",
        "money back": _reversed(evidence, accepted),
        "refills": summed(totals.types("refills")),
        "alerts": summed(totals.types("alerts")),
        "dead letters": summed(totals.dead_letters),
    }
    console.print()
    for name, text in rows.items():
        console.print(f"{name:<14} {text or 'none'}", soft_wrap=True, highlight=False)


def _accounts(evidence: Evidence) -> str:
    counts = Counter(row.currency for row in evidence.snapshots.values())
    return " and ".join(f"{count:,} accounts in {currency}" for currency, count in counts.most_common())


def _reversed(evidence: Evidence, accepted: list[InputRow]) -> str:
    """What banks and the provider reported after a payment, and what it did to the wallets."""
    kinds = Counter(row.kind.replace("_", " ") for row in accepted if row.type == "payment-reversed")
    currencies = {account: row.currency for account, row in evidence.snapshots.items()}
    moved = [(currencies[row.account_id], row.amount_micros) for row in evidence.entries if row.kind == "reversal"]
    taken = amounts(sum_by((currency, -amount) for currency, amount in moved if amount < 0))
    given = amounts(sum_by((currency, amount) for currency, amount in moved if amount > 0))
    return f"{summed(kinds)}; {taken} left the wallets, {given} came back to them" if kinds else ""


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
    total = amounts(sum_by((row.currency, row.total_micros) for row in rows))
    carried = amounts(sum_by((row.currency, row.carried_micros) for row in rows if row.carried_micros))
    still_open = f"; open: {summed(reasons)}" if reasons else ""
    return f"{len(rows):,} issued ({total}), {len(paid):,} paid{still_open}; carried to the next one: {carried}"

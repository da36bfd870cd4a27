"""Examples of a renewal, an upgrade and a cancellation."""

from demo.examples.account_history import (
    SUCCEEDED,
    AccountHistory,
    caused_by_tick,
    is_between,
    on,
)
from demo.examples.example import Example
from demo.subscription_changes import display_name


def renewal(history: AccountHistory) -> Example | None:
    """A fee that a tick requested; the best is one that was declined first and paid in the end."""
    if history.inputs_of("plan-change-requested"):
        return None
    for first in history.payments:
        if first.purpose != "subscription" or not caused_by_tick(first) or not first.payment_id.endswith("/1"):
            continue
        bill = first.payment_id.rpartition("/")[0]
        attempts = [payment for payment in history.payments if payment.payment_id.rpartition("/")[0] == bill]
        described = "; ".join(f"{on(attempt.occurred_at)} {history.describe_payment(attempt)}" for attempt in attempts)
        paid = history.result(attempts[-1]) == SUCCEEDED
        receipt = history.receipts.get(attempts[-1].payment_id)
        mailed = f"; the receipt goes to {receipt.billing_email}" if receipt is not None else ""
        plan = display_name(history.snapshot.plan)
        return Example(
            score=(paid, len(attempts)),
            title="a renewal",
            text=f"{history.account_id} renewed {plan}. {described}{mailed}.",
        )
    return None


def upgrade(history: AccountHistory) -> Example | None:
    """A change to a more expensive plan, requested at once and prorated by days on the next invoice."""
    opened = history.inputs_of("account-opened")
    for change in history.inputs_of("plan-change-requested"):
        payment = next((payment for payment in history.payments if payment.caused_by == change.id), None)
        at = change.occurred_at
        invoice = next((row for row in history.invoices if is_between(at, row.period_start, row.period_end)), None)
        if payment is None or invoice is None or not opened:
            continue
        lines = [line for line in invoice.lines if line.kind == "proration"]
        prorated = " and ".join(f"{history.money(line.amount_micros)} ({line.description})" for line in lines)
        return Example(
            score=(len(lines), history.result(payment) == SUCCEEDED),
            title="an upgrade",
            text=(
                f"{history.account_id} went from {display_name(opened[0].plan)} to {display_name(change.plan)} on "
                f"{on(at)}, in force from the next call. {prorated}: {history.describe_payment(payment)}; "
                f"the lines are on invoice {invoice.number}."
            ),
        )
    return None


def cancellation(history: AccountHistory) -> Example | None:
    """A cancelled subscription that ran to the end of its period, and received calls after that."""
    cancelled = history.inputs_of("subscription-cancel-requested")
    redirected = [row for row in history.decisions if row.reason == "subscription_ended"]
    if not cancelled or not redirected or history.snapshot.subscription.status != "ended":
        return None
    at = cancelled[-1].occurred_at
    end = next((row.period_end for row in history.invoices if is_between(at, row.period_start, row.period_end)), None)
    if end is None:
        return None
    usable = [row for row in history.decisions if row.type == "call-admitted" and is_between(row.occurred_at, at, end)]
    later = [
        payment
        for payment in history.payments
        if payment.purpose == "subscription" and not is_between(payment.occurred_at, payment.occurred_at, end)
    ]
    fees = "no fee was requested after that" if not later else f"{len(later)} attempts to collect older fees after that"
    return Example(
        score=(not later, min(len(usable), len(redirected))),
        title="a cancellation",
        text=(
            f"{history.account_id} cancelled {display_name(history.snapshot.plan)} on {on(at)} "
            f"(“{cancelled[-1].reason}”). "
            f"It ran to {on(end)}: {_calls(len(usable))} still connected, then {_calls(len(redirected))} redirected "
            f"(subscription_ended); {fees}. Its wallet keeps {history.money(history.snapshot.balance_micros)}."
        ),
    )


def _calls(count: int) -> str:
    return f"{count} call" if count == 1 else f"{count} calls"

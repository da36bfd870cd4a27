"""A renewal, an upgrade and a cancellation, each told from what the topics say of one account."""

from demo.changes import display_name
from demo.stories.account_file import (
    SUCCEEDED,
    AccountFile,
    caused_by_tick,
    is_between,
    on,
)
from demo.stories.story import Story
from schemas.money import format_money


def renewal(file: AccountFile) -> Story | None:
    """A fee that a tick asked for; one that was declined at first and paid in the end says most."""
    if file.said("plan-change-requested"):
        return None
    for first in file.payments:
        if first.purpose != "subscription" or not caused_by_tick(first) or not first.payment_id.endswith("/1"):
            continue
        bill = first.payment_id.rpartition("/")[0]
        attempts = [payment for payment in file.payments if payment.payment_id.rpartition("/")[0] == bill]
        told = "; ".join(f"{on(attempt.occurred_at)} {file.asked(attempt)}" for attempt in attempts)
        paid = file.verdict(attempts[-1]) == SUCCEEDED
        receipt = file.receipts.get(attempts[-1].payment_id)
        mailed = f"; the receipt goes to {receipt.billing_email}" if receipt is not None else ""
        plan = display_name(file.snapshot.plan)
        return Story(
            score=(paid, len(attempts)),
            title="a renewal",
            text=f"{file.account_id} renewed {plan}. {told}{mailed}.",
        )
    return None


def upgrade(file: AccountFile) -> Story | None:
    """A change to a dearer plan, prorated by days on the next invoice and asked for at once."""
    opened = file.said("account-opened")
    for change in file.said("plan-change-requested"):
        payment = next((payment for payment in file.payments if payment.caused_by == change.id), None)
        at = change.occurred_at
        invoice = next((row for row in file.invoices if is_between(at, row.period_start, row.period_end)), None)
        if payment is None or invoice is None or not opened:
            continue
        lines = [line for line in invoice.lines if line.kind == "proration"]
        said = " and ".join(f"{format_money(line.amount_micros)} ({line.description})" for line in lines)
        return Story(
            score=(len(lines), file.verdict(payment) == SUCCEEDED),
            title="an upgrade",
            text=(
                f"{file.account_id} went from {display_name(opened[0].plan)} to {display_name(change.plan)} on "
                f"{on(at)}, in force from the next call. {said}: {file.asked(payment)}; "
                f"the lines are on invoice {invoice.number}."
            ),
        )
    return None


def cancellation(file: AccountFile) -> Story | None:
    """A subscription that ran to the end of its period after it was cancelled, and was called after that."""
    cancelled = file.said("subscription-cancel-requested")
    refused = [row for row in file.decisions if row.reason == "subscription_ended"]
    if not cancelled or not refused or file.snapshot.subscription.status != "ended":
        return None
    at = cancelled[-1].occurred_at
    end = next((row.period_end for row in file.invoices if is_between(at, row.period_start, row.period_end)), None)
    if end is None:
        return None
    usable = [row for row in file.decisions if row.type == "call-admitted" and is_between(row.occurred_at, at, end)]
    later = [
        payment
        for payment in file.payments
        if payment.purpose == "subscription" and not is_between(payment.occurred_at, payment.occurred_at, end)
    ]
    fees = "no fee was asked for after it" if not later else f"{len(later)} attempts to collect older fees after it"
    return Story(
        score=(not later, min(len(usable), len(refused))),
        title="a cancellation",
        text=(
            f"{file.account_id} cancelled {display_name(file.snapshot.plan)} on {on(at)} (“{cancelled[-1].reason}”). "
            f"It ran to {on(end)}: {_calls(len(usable))} still connected, then {_calls(len(refused))} redirected "
            f"(subscription_ended); {fees}. Its wallet keeps {format_money(file.snapshot.balance_micros)}."
        ),
    )


def _calls(count: int) -> str:
    return f"{count} call" if count == 1 else f"{count} calls"

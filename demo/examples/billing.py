"""Examples of an invoice with its lines, and of overage that a card has paid."""

from collections.abc import Sequence

from backoffice.explain.wording import minutes_of
from demo.checks.rows import ChargeRow, InvoiceRow, PaymentRow
from demo.examples.account_history import AccountHistory, caused_by_tick, on
from demo.examples.example import Example
from schemas.money import format_money
from schemas.plan import MinutesPlan, load_catalogue


def invoice(history: AccountHistory) -> Example | None:
    """The invoice with the most kinds of lines."""
    rows = [row for row in history.invoices if any(line.kind == "subscription" for line in row.lines)]
    if not rows:
        return None
    row = max(rows, key=_kinds)
    table = [*((line.description, line.amount_micros) for line in row.lines), ("total", row.total_micros)]
    width = max(len(what) for what, _ in table)
    return Example(
        score=(_kinds(row), len(row.lines), row.invoice_id in history.paid),
        title="an invoice",
        text=(
            f"number {row.number} of {history.account_id}, for "
            f"{on(row.period_start)} to {on(row.period_end)}, issued {on(row.occurred_at)}: {_status(history, row)}."
        ),
        lines=tuple(f"{what:<{width}} {format_money(micros):>12}" for what, micros in table),
    )


def _kinds(row: InvoiceRow) -> int:
    return len({line.kind for line in row.lines})


def _status(history: AccountHistory, row: InvoiceRow) -> str:
    if row.status == "paid":
        return "it was already paid"
    opened = f"{format_money(row.open_micros)} of it was open"
    paid = history.paid.get(row.invoice_id)
    return f"{opened} and paid on {on(paid.occurred_at)}" if paid is not None else f"{opened} and still is"


def overage(history: AccountHistory) -> Example | None:
    """Minutes beyond the pool that the wallet could not pay, collected by card once enough was due."""
    requested = [
        payment for payment in history.payments if payment.purpose == "overage" and not caused_by_tick(payment)
    ]
    for payment in requested:
        crossing = next((row for row in history.charges if row.caused_by == payment.caused_by), None)
        if crossing is None or crossing.receipt.minutes is None or payment.payment_id not in history.receipts:
            continue
        charges = [row for row in history.charges if row.period_start == crossing.period_start]
        wallet_micros = sum(row.wallet_micros for row in charges)
        split = next((row for row in charges if row.wallet_micros > 0 and row.card_micros > 0), None)
        return Example(
            score=(split is not None and wallet_micros > 0, len(requested)),
            title="overage on the card",
            text=f"{_used(history, crossing, charges)}{_split(split)}{_crossed(history, payment, crossing)}",
        )
    return None


def _used(history: AccountHistory, crossing: ChargeRow, charges: Sequence[ChargeRow]) -> str:
    assert crossing.receipt.minutes is not None
    pool = minutes_of(crossing.receipt.minutes.pool_ms)
    wallet_micros = sum(row.wallet_micros for row in charges)
    card_micros = sum(row.card_micros for row in charges)
    wallet = f"{format_money(wallet_micros)} from its wallet until that was empty, " if wallet_micros > 0 else ""
    return (
        f"{history.account_id} has {pool} included from {on(crossing.period_start)} and used more: {wallet}"
        f"{format_money(card_micros)} on the card. "
    )


def _split(split: ChargeRow | None) -> str:
    if split is None:
        return ""
    return (
        f"One call was paid by both: {format_money(split.amount_micros)}, {format_money(split.wallet_micros)} from the "
        f"wallet and {format_money(split.card_micros)} by card. "
    )


def _crossed(history: AccountHistory, payment: PaymentRow, crossing: ChargeRow) -> str:
    """The call with which the due amount reached the threshold."""
    plan = load_catalogue().plans[crossing.plan]
    assert isinstance(plan, MinutesPlan)
    threshold = format_money(plan.card_overage_threshold_micros)
    return (
        f"The call of {on(crossing.occurred_at)} ({format_money(crossing.amount_micros)}) brought what is due to "
        f"{threshold} or more: {history.describe_payment(payment)}."
    )

"""Examples of an invoice, of a small sum that waited for the next one, and of overage that a card has paid."""

from collections.abc import Sequence
from itertools import pairwise

from backoffice.explain.wording import minutes_of
from demo.checks.rows import ChargeRow, InvoiceRow, PaymentRow
from demo.examples.account_history import SUCCEEDED, AccountHistory, caused_by_tick, on
from demo.examples.example import Example
from demo.plans import plan_of
from schemas.currencies import load_currencies
from schemas.plan import MinutesPlan


def invoice(history: AccountHistory) -> Example | None:
    """The invoice with the most kinds of lines."""
    rows = [row for row in history.invoices if any(line.kind == "subscription" for line in row.lines)]
    if not rows:
        return None
    row = max(rows, key=_kinds)
    return Example(
        score=(_kinds(row), len(row.lines), row.invoice_id in history.paid),
        title="an invoice",
        text=(
            f"number {row.number} of {history.account_id}, for "
            f"{on(row.period_start)} to {on(row.period_end)}, issued {on(row.occurred_at)}: {_status(history, row)}."
        ),
        lines=_table(history, row),
    )


def _table(history: AccountHistory, row: InvoiceRow) -> tuple[str, ...]:
    table = [*((line.description, line.amount_micros) for line in row.lines), ("total", row.total_micros)]
    width = max(len(what) for what, _ in table)
    return tuple(f"{what:<{width}} {history.money(micros):>12}" for what, micros in table)


def carried(history: AccountHistory) -> Example | None:
    """An invoice for less than a card can be charged, and the next one, which requests both amounts."""
    least_micros = load_currencies()[history.snapshot.currency].least_micros
    for first, second in pairwise(history.invoices):
        if not 0 < first.carried_micros < least_micros or second.carried_micros:
            continue
        payments = [p for p in history.payments if p.payment_id.rpartition("/")[0] == second.invoice_id]
        if not payments:
            continue
        paid = history.result(payments[-1]) == SUCCEEDED
        tried = "; ".join(f"{on(payment.occurred_at)} {history.describe_payment(payment)}" for payment in payments)
        return Example(
            score=(paid, -len(payments)),
            title="a small sum that waited for the next invoice",
            text=(
                f"invoice {first.number} of {history.account_id}, issued {on(first.occurred_at)}, has a total of "
                f"{history.money(first.total_micros)}. No card is charged less than {history.money(least_micros)}, so "
                f"{history.money(first.carried_micros)} went on to invoice {second.number} of "
                f"{on(second.occurred_at)}: {tried}."
            ),
            lines=_table(history, second),
        )
    return None


def _kinds(row: InvoiceRow) -> int:
    return len({line.kind for line in row.lines})


def _status(history: AccountHistory, row: InvoiceRow) -> str:
    if row.status == "paid":
        return "it was already paid"
    opened = f"{history.money(row.open_micros)} of it was open"
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
            text=f"{_used(history, crossing, charges)}{_split(history, split)}{_crossed(history, payment, crossing)}",
        )
    return None


def _used(history: AccountHistory, crossing: ChargeRow, charges: Sequence[ChargeRow]) -> str:
    assert crossing.receipt.minutes is not None
    pool = minutes_of(crossing.receipt.minutes.pool_ms)
    wallet_micros = sum(row.wallet_micros for row in charges)
    card_micros = sum(row.card_micros for row in charges)
    wallet = f"{history.money(wallet_micros)} from its wallet until that was empty, " if wallet_micros > 0 else ""
    return (
        f"{history.account_id} has {pool} included from {on(crossing.period_start)} and used more: {wallet}"
        f"{history.money(card_micros)} on the card. "
    )


def _split(history: AccountHistory, split: ChargeRow | None) -> str:
    if split is None:
        return ""
    return (
        f"One call was paid by both: {history.money(split.amount_micros)}, {history.money(split.wallet_micros)} from "
        f"the wallet and {history.money(split.card_micros)} by card. "
    )


def _crossed(history: AccountHistory, payment: PaymentRow, crossing: ChargeRow) -> str:
    """The call with which the due amount reached the threshold."""
    plan = plan_of(crossing.plan, history.snapshot.currency)
    assert isinstance(plan, MinutesPlan)
    threshold = history.money(plan.card_overage_threshold_micros)
    return (
        f"The call of {on(crossing.occurred_at)} ({history.money(crossing.amount_micros)}) brought what is due to "
        f"{threshold} or more: {history.describe_payment(payment)}."
    )

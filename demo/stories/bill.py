"""An invoice with its lines, and overage that a card has paid, each told from what the topics say of one account."""

from collections.abc import Sequence

from demo.accounts import CREDITS_PLAN
from demo.changes import display_name
from demo.checks.rows import ChargeRow, InvoiceRow, PaymentRow
from demo.stories.account_file import AccountFile, caused_by_tick, on
from demo.stories.story import Story
from schemas.money import format_money
from schemas.plan import MinutesPlan, load_catalogue
from stream.call_words import minutes_of


def invoice(file: AccountFile) -> Story | None:
    """The invoice with the most kinds of lines."""
    rows = [row for row in file.invoices if row.plan != CREDITS_PLAN]
    if not rows:
        return None
    row = max(rows, key=_kinds)
    table = [*((line.description, line.amount_micros) for line in row.lines), ("total", row.total_micros)]
    width = max(len(what) for what, _ in table)
    return Story(
        score=(_kinds(row), len(row.lines), row.invoice_id in file.paid),
        title="an invoice",
        text=(
            f"number {row.number} of {file.account_id}, {display_name(row.plan)}, for "
            f"{on(row.period_start)} to {on(row.period_end)}, issued {on(row.occurred_at)}: {_status(file, row)}."
        ),
        lines=tuple(f"{what:<{width}} {format_money(micros):>12}" for what, micros in table),
    )


def _kinds(row: InvoiceRow) -> int:
    return len({line.kind for line in row.lines})


def _status(file: AccountFile, row: InvoiceRow) -> str:
    if row.status == "paid":
        return "all of it was paid before"
    opened = f"{format_money(row.open_micros)} of it was open"
    paid = file.paid.get(row.invoice_id)
    return f"{opened} and paid on {on(paid.occurred_at)}" if paid is not None else f"{opened} and still is"


def overage(file: AccountFile) -> Story | None:
    """Minutes beyond the pool that the wallet could not pay: the card was asked as soon as enough was due."""
    asked = [payment for payment in file.payments if payment.purpose == "overage" and not caused_by_tick(payment)]
    for payment in asked:
        crossing = next((row for row in file.charges if row.caused_by == payment.caused_by), None)
        if crossing is None or crossing.receipt.minutes is None or payment.payment_id not in file.receipts:
            continue
        charges = [row for row in file.charges if row.period_start == crossing.period_start]
        wallet_micros = sum(row.wallet_micros for row in charges)
        split = next((row for row in charges if row.wallet_micros > 0 and row.card_micros > 0), None)
        return Story(
            score=(split is not None and wallet_micros > 0, len(asked)),
            title="overage on the card",
            text=f"{_used(file, crossing, charges)}{_split(split)}{_crossed(file, payment, crossing)}",
        )
    return None


def _used(file: AccountFile, crossing: ChargeRow, charges: Sequence[ChargeRow]) -> str:
    assert crossing.receipt.minutes is not None
    pool = minutes_of(crossing.receipt.minutes.pool_ms)
    wallet_micros = sum(row.wallet_micros for row in charges)
    card_micros = sum(row.card_micros for row in charges)
    wallet = f"{format_money(wallet_micros)} from its wallet until that was empty, " if wallet_micros > 0 else ""
    return (
        f"{file.account_id} has {pool} included from {on(crossing.period_start)} and used more: {wallet}"
        f"{format_money(card_micros)} on the card. "
    )


def _split(split: ChargeRow | None) -> str:
    if split is None:
        return ""
    return (
        f"One call was paid by both: {format_money(split.amount_micros)}, {format_money(split.wallet_micros)} from the "
        f"wallet and {format_money(split.card_micros)} by card. "
    )


def _crossed(file: AccountFile, payment: PaymentRow, crossing: ChargeRow) -> str:
    """The call with which enough was due."""
    plan = load_catalogue().plans[crossing.plan]
    assert isinstance(plan, MinutesPlan)
    threshold = format_money(plan.card_overage_threshold_micros)
    return (
        f"The call of {on(crossing.occurred_at)} ({format_money(crossing.amount_micros)}) brought what is due to "
        f"{threshold} or more: {file.asked(payment)}."
    )

"""When an invoice is paid: once its bills are, and the overage that it carries is settled. Rule P12."""

from msgspec.structs import replace

from agents.wallet.turn import Turn
from schemas.invoices import InvoicePaid
from schemas.rows import Invoice, invoice_key


def settle_invoices(turn: Turn) -> None:
    """Say of each invoice that is now paid that it is, in order of number."""
    billing = turn.billing
    still_open = []
    for number in range(billing.open_from, billing.invoices + 1):
        key = invoice_key(turn.account_id, number)
        invoice = turn.get(key, Invoice)
        if invoice is None:
            continue
        if invoice.bills_micros or invoice.card_mark_micros > billing.card_settled_micros:
            still_open.append(number)
            continue
        turn.rows[key] = None
        _say_paid(turn, number)
    open_from = min(still_open, default=billing.invoices + 1)
    if open_from != billing.open_from:
        turn.billing = replace(billing, open_from=open_from)


def invoice_id(account_id: str, number: int) -> str:
    return f"{account_id}/invoice/{number}"


def _say_paid(turn: Turn, number: int) -> None:
    name = invoice_id(turn.account_id, number)
    turn.say(
        InvoicePaid(
            id=f"{name}/paid",
            account_id=turn.account_id,
            occurred_at=turn.at,
            caused_by=turn.cause,
            invoice_id=name,
            number=number,
        )
    )

"""Facts of the `invoices` topic, as the engine writes them."""

from typing import Any

from msgspec.structs import replace

from schemas.facts import encode_fact
from schemas.invoices import InvoiceIssued, InvoiceLine, InvoicePaid, ReceiptIssued

DOLLAR = 1_000_000
CENT = 10_000


def line(kind: str, description: str, amount_micros: int, **fields: Any) -> InvoiceLine:
    return InvoiceLine(kind=kind, description=description, amount_micros=amount_micros, **fields)


LINES = (
    line("subscription", "Professional, monthly", 49 * DOLLAR),
    line("proration", "Professional, 16 to 30 April not used", -24_500_000),
    line("proration", "Dental, 16 to 30 April", 49_500_000),
    line("overage", "42 minutes beyond the included ones", 4_620_000, direction="inbound"),
    line("overage", "7 minutes beyond the included ones", 560_000, direction="web"),
    line("top_up", "2 top-ups of the wallet", 50 * DOLLAR),
    line("phone_number", "+1 415 555 0134", 3 * DOLLAR),
    line("tax", "Tax, 8.25 %", 6_780_000),
)


def invoice(number: int = 3, lines: tuple[InvoiceLine, ...] = LINES, **fields: Any) -> InvoiceIssued:
    """An invoice of account a1 for April 2026 in Berlin, which adds up."""
    account_id = fields.get("account_id", "a1")
    open_micros = fields.setdefault("open_micros", 9_780_000)
    made = InvoiceIssued(
        id=f"{account_id}/invoice/{number}/issued",
        account_id=account_id,
        occurred_at="2026-04-30T22:00:01Z",
        caused_by="tick-1",
        invoice_id=f"{account_id}/invoice/{number}",
        number=number,
        period_start="2026-03-31T22:00:00Z",
        period_end="2026-04-30T22:00:00Z",
        time_zone="Europe/Berlin",
        plan="dental",
        currency="USD",
        lines=lines,
        total_micros=sum(each.amount_micros for each in lines),
        tax_micros=sum(each.amount_micros for each in lines if each.kind == "tax"),
        open_micros=open_micros,
        status="open" if open_micros > 0 else "paid",
        billing_email="owner@example.com",
    )
    return replace(made, **fields)


def paid(of: InvoiceIssued, occurred_at: str = "2026-05-03T08:15:00Z") -> InvoicePaid:
    return InvoicePaid(
        id=f"{of.invoice_id}/paid",
        account_id=of.account_id,
        occurred_at=occurred_at,
        caused_by="answer-1",
        invoice_id=of.invoice_id,
        number=of.number,
    )


def receipt(name: str = "p1", **fields: Any) -> ReceiptIssued:
    """The receipt of a card payment of account a1, on a summer evening in Berlin."""
    made = ReceiptIssued(
        id=f"a1/purchase/{name}/receipt",
        account_id="a1",
        occurred_at="2026-06-01T22:30:00Z",
        caused_by="answer-2",
        receipt_id=f"a1/receipt/{name}",
        payment_id=f"a1/purchase/{name}",
        purpose="purchase",
        amount_micros=25 * DOLLAR,
        currency="USD",
        billing_email="owner@example.com",
        time_zone="Europe/Berlin",
        brand="visa",
        last4="4242",
        provider_reference="pi_3PXyZ",
    )
    return replace(made, **fields)


def jsonl(*facts: Any) -> bytes:
    return b"".join(encode_fact(fact) + b"\n" for fact in facts)

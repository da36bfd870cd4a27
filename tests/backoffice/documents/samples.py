"""Facts of the `invoices` topic, with the fields that documents read."""

from typing import Any

import msgspec
from msgspec.structs import replace

from backoffice.documents.facts import Invoice, Line, Paid, Receipt

DOLLAR = 1_000_000
CENT = 10_000


def line(kind: str, description: str, amount_micros: int, **fields: Any) -> Line:
    return Line(kind=kind, description=description, amount_micros=amount_micros, **fields)


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


def invoice(number: int = 3, lines: tuple[Line, ...] = LINES, **fields: Any) -> Invoice:
    """An invoice of account a1 for April 2026 in Berlin, which adds up."""
    account_id = fields.get("account_id", "a1")
    open_micros = fields.setdefault("open_micros", 9_780_000)
    made = Invoice(
        account_id=account_id,
        occurred_at="2026-04-30T22:00:01Z",
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
        status="open" if open_micros and open_micros > 0 else "paid",
        billing_email="owner@example.com",
    )
    return replace(made, **fields)


def paid(of: Invoice, occurred_at: str = "2026-05-03T08:15:00Z") -> Paid:
    return Paid(
        account_id=of.account_id,
        occurred_at=occurred_at,
        invoice_id=of.invoice_id,
    )


def receipt(name: str = "p1", **fields: Any) -> Receipt:
    """The receipt of a card payment of account a1, on a summer evening in Berlin."""
    made = Receipt(
        account_id="a1",
        occurred_at="2026-06-01T22:30:00Z",
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
    return b"".join(msgspec.json.encode(fact) + b"\n" for fact in facts)

"""The fields of invoices and receipts that documents read, of events of every version: a field that an event does not
have is None. Rules M11 and B1 to B9.
"""

import msgspec


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an invoice. Quantity times unit need not be the amount, because each call is rounded by itself."""

    kind: str
    description: str
    amount_micros: int
    quantity: int | float | None = None
    unit_amount_micros: int | None = None
    direction: str | None = None


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """The wallet's statement of a period. Rule B7."""

    opening_micros: int
    credited_micros: int
    used_micros: int
    closing_micros: int


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """Who an invoice is for; `address` has lines. Rule B9."""

    name: str | None = None
    address: str | None = None
    country: str | None = None
    tax_id: str | None = None


class Invoice(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="invoice-issued"):
    """`open_micros` is what was unpaid at the issue. `carried_micros` goes on to the next invoice, with its sign."""

    account_id: str
    occurred_at: str
    invoice_id: str
    number: int
    period_start: str
    period_end: str
    time_zone: str
    currency: str
    lines: tuple[Line, ...]
    total_micros: int
    tax_micros: int
    open_micros: int | None = None
    status: str
    billing_email: str | None = None
    plan: str | None = None
    reference: str | None = None
    buyer: Buyer | None = None
    wallet: Wallet | None = None
    carried_micros: int | None = None
    reversed_micros: int | None = None

    @property
    def shown_number(self) -> str:
        return self.reference or str(self.number)

    @property
    def unpaid_micros(self) -> int:
        """What was unpaid at the issue. Without `open_micros`, which the contract does not promise, the most that
        can be open. Rule B3.
        """
        if self.open_micros is not None:
            return self.open_micros
        if self.status != "open":
            return 0
        return self.total_micros - (self.carried_micros or 0) - self.sum_of("top_up")

    def sum_of(self, kind: str) -> int:
        return sum(line.amount_micros for line in self.lines if line.kind == kind)


class Paid(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="invoice-paid"):
    account_id: str
    occurred_at: str
    invoice_id: str


class Reversed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="invoice-reversed"):
    """`reversed_micros` is what has come back of the invoice's payments so far. Rule R8."""

    account_id: str
    occurred_at: str
    invoice_id: str
    reversed_micros: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="receipt-issued"):
    """The receipt of a card payment. Card, e-mail and references are None where they are not known."""

    account_id: str
    occurred_at: str
    receipt_id: str
    payment_id: str
    purpose: str
    amount_micros: int
    currency: str
    time_zone: str
    billing_email: str | None = None
    brand: str | None = None
    last4: str | None = None
    provider_reference: str | None = None
    reference: str | None = None


Document = Invoice | Receipt
Fact = Invoice | Paid | Reversed | Receipt
FACT_TYPES = frozenset({"invoice-issued", "invoice-paid", "invoice-reversed", "receipt-issued"})

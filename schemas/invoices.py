"""Invoices and receipts, as published. Rules B1 to B9, M11 and R8."""

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from schemas.facts import Buyer, Fact


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an invoice. Rules B2 and B8. `quantity` is in months, calls, minutes or numbers; only overage has a
    `direction`. Calls are rounded one by one, so that quantity times unit need not be the amount.
    """

    kind: str
    description: str
    amount_micros: int
    quantity: int | float | UnsetType = UNSET
    unit_amount_micros: int | UnsetType = UNSET
    direction: str | UnsetType = UNSET


class WalletStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What moved the wallet in a billing period: the closing balance is opening plus credited less used. Rule B7."""

    opening_micros: int
    credited_micros: int
    used_micros: int
    closing_micros: int


class InvoiceIssued(Fact, frozen=True, kw_only=True, tag="invoice-issued"):
    """The invoice of a billing period. Rules B1 to B9 and M11. `number` counts the account's invoices from 1, without
    gaps; `reference` is the number as its reader sees it.

    The total less `carried_micros`, which goes on to the next invoice, is what the customer paid or owes by card. The
    status is `paid` when nothing but that is left; `open_micros` is what is unpaid at the issue. `reversed_micros` is
    what came back of payments for it so far.
    """

    topics: ClassVar[tuple[str, ...]] = ("invoices",)
    invoice_id: str
    number: int
    reference: str
    buyer: Buyer | UnsetType = UNSET
    period_start: str
    period_end: str
    time_zone: str
    currency: str
    lines: tuple[InvoiceLine, ...]
    wallet: WalletStatement
    carried_micros: int
    reversed_micros: int | UnsetType = UNSET
    total_micros: int
    tax_micros: int
    open_micros: int
    status: str
    billing_email: str | UnsetType = UNSET


class InvoicePaid(Fact, frozen=True, kw_only=True, tag="invoice-paid"):
    """Nothing of an invoice is left to pay. Rule B3."""

    topics: ClassVar[tuple[str, ...]] = ("invoices",)
    invoice_id: str


class InvoiceReversed(Fact, frozen=True, kw_only=True, tag="invoice-reversed"):
    """Money of a payment for an issued invoice came back, or was given back to us. Rule R8. `reversed_micros` is what
    is back of the invoice so far, `amount_micros` the change, always positive; `kind` gives its direction.
    """

    topics: ClassVar[tuple[str, ...]] = ("invoices",)
    invoice_id: str
    payment_id: str
    kind: str
    amount_micros: int
    currency: str
    reversed_micros: int


class ReceiptIssued(Fact, frozen=True, kw_only=True, tag="receipt-issued"):
    """The receipt of a successful card payment. Rule M11. `brand` and `last4` are those of the card that paid, whatever
    has become of it; `reference` is the purchase, refill or invoice that was paid.
    """

    topics: ClassVar[tuple[str, ...]] = ("invoices",)
    receipt_id: str
    payment_id: str
    purpose: str
    amount_micros: int
    currency: str
    brand: str
    last4: str
    time_zone: str
    provider_reference: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    billing_email: str | UnsetType = UNSET

"""Invoices and receipts, as published. Rules M11 and P12."""

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from schemas.facts import Fact


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an invoice. Only overage has a `direction`. Rule M11."""

    kind: str
    description: str
    amount_micros: int
    direction: str | UnsetType = UNSET


class InvoiceIssued(Fact, frozen=True, kw_only=True, tag="invoice-issued"):
    """The invoice of a billing period. Rules M11 and P12. `number` counts the account's invoices from 1, without gaps.

    `open_micros` is what was unpaid when the invoice was issued; the status is `paid` when that is 0.
    """

    topics: ClassVar[tuple[str, ...]] = ("invoices",)
    invoice_id: str
    number: int
    period_start: str
    period_end: str
    time_zone: str
    plan: str
    currency: str
    lines: tuple[InvoiceLine, ...]
    total_micros: int
    tax_micros: int
    open_micros: int
    status: str
    billing_email: str | None


class InvoicePaid(Fact, frozen=True, kw_only=True, tag="invoice-paid"):
    topics: ClassVar[tuple[str, ...]] = ("invoices",)
    invoice_id: str
    number: int


class ReceiptIssued(Fact, frozen=True, kw_only=True, tag="receipt-issued"):
    """The receipt of a successful card payment. Rule M11. `billing_email` is null while the account has none; `brand`
    and `last4` are left out when the account no longer has the card.
    """

    topics: ClassVar[tuple[str, ...]] = ("invoices",)
    receipt_id: str
    payment_id: str
    purpose: str
    amount_micros: int
    currency: str
    billing_email: str | None
    time_zone: str
    brand: str | UnsetType = UNSET
    last4: str | UnsetType = UNSET
    provider_reference: str | UnsetType = UNSET

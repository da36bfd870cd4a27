"""The fields of inputs and facts that the audit and the examples use: few, because a run keeps all rows in memory.

Names are the contract's; money is micros, times are RFC 3339 text.
"""

import msgspec

from schemas.plan_prices import DEFAULT_CURRENCY


class Row(msgspec.Struct):
    """The fields of every input and fact. Only facts have `caused_by`."""

    type: str
    id: str
    account_id: str
    occurred_at: str = ""
    caused_by: str = ""


class InputRow(Row):
    """An input of any type; fields that its type does not have keep their defaults."""

    call_id: str = ""
    answered_at: str | None = None
    outcome: str = ""
    real: bool | None = None
    leg_id: str = ""
    payment_id: str = ""
    amount_micros: int = 0
    kind: str = ""
    reason: str = ""
    plan: str = ""


class DecisionRow(Row):
    call_id: str = ""
    reason: str = ""


class LineRow(msgspec.Struct):
    """A line of a charge or of an invoice."""

    kind: str
    amount_micros: int
    description: str = ""


class RatedRow(msgspec.Struct):
    increment_first_s: int
    increment_next_s: int
    pool_ms: int = 0


class ReceiptRow(msgspec.Struct):
    """From a call's receipt: the gate's decision and, on a minutes plan, the terms of rating."""

    gate: str = ""
    minutes: RatedRow | None = None


class AlertRow(Row):
    call_id: str = ""
    payment_id: str = ""
    invoice_id: str = ""
    amount_micros: int = 0
    kind: str = ""
    reason: str = ""


class ChargeRow(Row):
    """A charge, or an adjustment of one."""

    call_id: str = ""
    amount_micros: int = 0
    wallet_micros: int = 0
    card_micros: int = 0
    currency: str = DEFAULT_CURRENCY
    lines: tuple[LineRow, ...] = ()
    billable_ms: int = 0
    reported_ms: int = 0
    reason: str = ""
    plan: str = ""
    period_start: str = ""
    receipt: ReceiptRow = msgspec.field(default_factory=ReceiptRow)


class PaymentRow(Row):
    payment_id: str = ""
    purpose: str = ""
    amount_micros: int = 0
    currency: str = DEFAULT_CURRENCY
    refund_of: str = ""


class EntryRow(Row):
    kind: str = ""
    amount_micros: int = 0
    balance_after_micros: int = 0
    reference: str = ""


class WalletRow(msgspec.Struct):
    """The wallet statement of an invoice."""

    opening_micros: int = 0
    credited_micros: int = 0
    used_micros: int = 0
    closing_micros: int = 0


class InvoiceRow(Row):
    """A fact of the topic `invoices`: `invoice-issued`, `invoice-paid`, `invoice-reversed` or `receipt-issued`."""

    invoice_id: str = ""
    number: int = 0
    period_start: str = ""
    period_end: str = ""
    lines: tuple[LineRow, ...] = ()
    wallet: WalletRow = msgspec.field(default_factory=WalletRow)
    total_micros: int = 0
    tax_micros: int = 0
    open_micros: int = 0
    carried_micros: int = 0
    reversed_micros: int = 0
    currency: str = DEFAULT_CURRENCY
    status: str = ""
    kind: str = ""
    payment_id: str = ""
    purpose: str = ""
    amount_micros: int = 0
    billing_email: str | None = None
    brand: str = ""
    last4: str = ""


class UsageRow(msgspec.Struct):
    period_start: str = ""
    minutes_used: int | float = 0


class StatusRow(msgspec.Struct):
    status: str = "none"


class CardRow(msgspec.Struct):
    payment_method_id: str = ""
    brand: str = ""
    last4: str = ""
    default: bool = False
    blocked: bool = False


class RefillRow(msgspec.Struct):
    enabled: bool = False
    paused_reason: str | None = None


class SnapshotRow(Row):
    version: int = 0
    plan: str = ""
    balance_micros: int = 0
    card_due_micros: int = 0
    carried_micros: int = 0
    currency: str = DEFAULT_CURRENCY
    payment_methods: tuple[CardRow, ...] = ()
    auto_refill: RefillRow = msgspec.field(default_factory=RefillRow)
    subscription: StatusRow = msgspec.field(default_factory=StatusRow)
    usage: UsageRow = msgspec.field(default_factory=UsageRow)

"""Everything that the topics hold about one account, as the source of examples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from backoffice.explain.wording import day
from demo.checks.evidence import Evidence
from demo.checks.payments import ANSWERS
from demo.checks.rows import (
    AlertRow,
    ChargeRow,
    DecisionRow,
    EntryRow,
    InputRow,
    InvoiceRow,
    PaymentRow,
    Row,
    SnapshotRow,
)
from demo.ticks import TICK_PREFIX
from schemas.instant import parse_instant
from schemas.money import format_money

SUCCEEDED, DECLINED = ANSWERS


@dataclass(slots=True)
class AccountHistory:
    """Each list is in the order of the log; `answers` and `receipts` are by payment id, `paid` by invoice id, and
    `legs` by call id: the ends of calls that were reported by legs.
    """

    account_id: str
    snapshot: SnapshotRow
    inputs: list[InputRow] = field(default_factory=list)
    legs: dict[str, list[InputRow]] = field(default_factory=dict)
    answers: dict[str, InputRow] = field(default_factory=dict)
    decisions: list[DecisionRow] = field(default_factory=list)
    charges: list[ChargeRow] = field(default_factory=list)
    entries: list[EntryRow] = field(default_factory=list)
    alerts: list[AlertRow] = field(default_factory=list)
    payments: list[PaymentRow] = field(default_factory=list)
    invoices: list[InvoiceRow] = field(default_factory=list)
    paid: dict[str, InvoiceRow] = field(default_factory=dict)
    receipts: dict[str, InvoiceRow] = field(default_factory=dict)

    def money(self, micros: int) -> str:
        return format_money(micros, self.snapshot.currency)

    def inputs_of(self, kind: str) -> list[InputRow]:
        """The account's inputs of one type, without call ends."""
        return [row for row in self.inputs if row.type == kind]

    def result(self, payment: PaymentRow) -> str | None:
        answer = self.answers.get(payment.payment_id)
        return None if answer is None else answer.type

    def describe_payment(self, payment: PaymentRow) -> str:
        """`$49.00 requested from the Visa ending in 4242, paid`, or why it was not paid."""
        amount, answer = self.money(payment.amount_micros), self.answers.get(payment.payment_id)
        receipt = self.receipts.get(payment.payment_id)
        if receipt is not None:
            return f"{amount} requested from the {card_name(receipt)}, paid"
        return f"{amount} requested from the card, {'no answer' if answer is None else f'declined ({answer.reason})'}"


def card_name(receipt: InvoiceRow) -> str:
    """`Visa ending in 4242`; `card` when the receipt does not name it."""
    return f"{receipt.brand.replace('_', ' ').title()} ending in {receipt.last4}" if receipt.brand else "card"


def caused_by_tick(payment: PaymentRow) -> bool:
    return payment.caused_by.startswith(TICK_PREFIX)


def is_between(at: str, start: str, end: str) -> bool:
    """Whether `start` <= `at` < `end`."""
    return parse_instant(start) <= parse_instant(at) < parse_instant(end)


def on(text: str) -> str:
    """The day of a moment: `9 Jan 2026`."""
    return day(f"{text[:10]}T00:00:00Z")


def account_histories(evidence: Evidence, accepted: Sequence[InputRow]) -> list[AccountHistory]:
    """The history of each account that has a snapshot, by account id. The checks report accounts without one."""
    histories = {account: AccountHistory(account, row) for account, row in sorted(evidence.snapshots.items())}
    sources = (
        *(accepted, evidence.decisions, evidence.charges, evidence.payments),
        *(evidence.invoices, evidence.entries, evidence.alerts),
    )
    for row in chain.from_iterable(sources):
        history = histories.get(row.account_id)
        if history is not None:
            _add(history, row)
    return list(histories.values())


def _add(history: AccountHistory, row: Row) -> None:
    match row:
        case DecisionRow():
            history.decisions.append(row)
        case ChargeRow():
            history.charges.append(row)
        case EntryRow():
            history.entries.append(row)
        case AlertRow():
            history.alerts.append(row)
        case PaymentRow():
            history.payments.append(row)
        case InvoiceRow():
            _add_invoice(history, row)
        case InputRow():
            _add_input(history, row)


def _add_input(history: AccountHistory, row: InputRow) -> None:
    if row.type == "call-ended":
        if row.leg_id:  # Of other calls the charge has everything that examples need.
            history.legs.setdefault(row.call_id, []).append(row)
        return
    if row.type in ANSWERS:
        history.answers.setdefault(row.payment_id, row)
    else:
        history.inputs.append(row)


def _add_invoice(history: AccountHistory, row: InvoiceRow) -> None:
    if row.type == "invoice-issued":
        history.invoices.append(row)
    elif row.type == "invoice-paid":
        history.paid[row.invoice_id] = row
    elif row.type == "receipt-issued":
        history.receipts[row.payment_id] = row

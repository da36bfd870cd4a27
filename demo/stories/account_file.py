"""All that the topics say of one account, for the stories that are told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

from demo.checks.evidence import Evidence
from demo.checks.payments import ANSWERS
from demo.checks.rows import (
    ChargeRow,
    DecisionRow,
    InputRow,
    InvoiceRow,
    PaymentRow,
    Row,
    SnapshotRow,
)
from demo.ticks import TICK_PREFIX
from schemas.instant import parse_instant
from schemas.money import format_money
from stream.call_words import day

SUCCEEDED, DECLINED = ANSWERS


@dataclass(slots=True)
class AccountFile:
    """Each list in the order of the log. `answers` and `receipts` by payment id."""

    account_id: str
    snapshot: SnapshotRow
    inputs: list[InputRow] = field(default_factory=list)
    answers: dict[str, InputRow] = field(default_factory=dict)
    decisions: list[DecisionRow] = field(default_factory=list)
    charges: list[ChargeRow] = field(default_factory=list)
    payments: list[PaymentRow] = field(default_factory=list)
    invoices: list[InvoiceRow] = field(default_factory=list)
    paid: dict[str, InvoiceRow] = field(default_factory=dict)
    receipts: dict[str, InvoiceRow] = field(default_factory=dict)

    def said(self, kind: str) -> list[InputRow]:
        """Its inputs of one type, calls' ends left out."""
        return [row for row in self.inputs if row.type == kind]

    def verdict(self, payment: PaymentRow) -> str | None:
        answer = self.answers.get(payment.payment_id)
        return None if answer is None else answer.type

    def asked(self, payment: PaymentRow) -> str:
        """`$49.00 asked of the Visa ending in 4242, paid`, or why it was not."""
        amount, answer = format_money(payment.amount_micros), self.answers.get(payment.payment_id)
        receipt = self.receipts.get(payment.payment_id)
        if receipt is not None:
            return f"{amount} asked of the {card_name(receipt)}, paid"
        return f"{amount} asked of the card, {'no answer' if answer is None else f'declined ({answer.reason})'}"


def card_name(receipt: InvoiceRow) -> str:
    """`Visa ending in 4242`; a card that is no longer known has no name."""
    return f"{receipt.brand.replace('_', ' ').title()} ending in {receipt.last4}" if receipt.brand else "card"


def caused_by_tick(payment: PaymentRow) -> bool:
    return payment.caused_by.startswith(TICK_PREFIX)


def is_between(at: str, start: str, end: str) -> bool:
    """Whether `start` <= `at` < `end`."""
    return parse_instant(start) <= parse_instant(at) < parse_instant(end)


def on(text: str) -> str:
    """The day of a moment: `9 Jan 2026`."""
    return day(f"{text[:10]}T00:00:00Z")


def account_files(evidence: Evidence, accepted: Sequence[InputRow]) -> list[AccountFile]:
    """One for each account that has a snapshot, by name. Of others, which there must not be, the checks tell."""
    files = {account: AccountFile(account, row) for account, row in sorted(evidence.snapshots.items())}
    said = (accepted, evidence.decisions, evidence.charges, evidence.payments, evidence.invoices)
    for row in chain.from_iterable(said):
        file = files.get(row.account_id)
        if file is not None:
            _put(file, row)
    return list(files.values())


def _put(file: AccountFile, row: Row) -> None:
    match row:
        case DecisionRow():
            file.decisions.append(row)
        case ChargeRow():
            file.charges.append(row)
        case PaymentRow():
            file.payments.append(row)
        case InvoiceRow():
            _file_invoice(file, row)
        case InputRow():
            _file_input(file, row)


def _file_input(file: AccountFile, row: InputRow) -> None:
    if row.type == "call-ended":
        return  # Its charge says all that a story needs.
    if row.type in ANSWERS:
        file.answers.setdefault(row.payment_id, row)
    else:
        file.inputs.append(row)


def _file_invoice(file: AccountFile, row: InvoiceRow) -> None:
    if row.type == "invoice-issued":
        file.invoices.append(row)
    elif row.type == "invoice-paid":
        file.paid[row.invoice_id] = row
    else:
        file.receipts[row.payment_id] = row

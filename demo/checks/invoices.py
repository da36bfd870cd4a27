"""Invoices are numbered without gaps, add up, and are paid, or open for a known reason."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from demo.checks.evidence import Evidence, finding
from demo.checks.payments import PaymentKey, answers
from demo.checks.rows import InputRow, InvoiceRow, PaymentRow


def issued(evidence: Evidence) -> list[InvoiceRow]:
    return [row for row in evidence.invoices if row.type == "invoice-issued"]


def paid_ids(evidence: Evidence) -> set[str]:
    """Ids of the invoices that are fully paid."""
    paid_later = {row.invoice_id for row in evidence.invoices if row.type == "invoice-paid"}
    return paid_later | {row.invoice_id for row in issued(evidence) if row.status == "paid"}


def check_invoices(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    rows = issued(evidence)
    yield from finding("accounts whose invoices are not numbered from 1 without gaps", _gaps(rows))
    yield from finding("invoices that differ from the sum of their lines", _wrong_sums(rows))
    yield from finding("invoice-paid events for invoices that were not open", _paid_without_open(evidence))
    attempts = PaymentAttempts(evidence, accepted)
    paid = paid_ids(evidence)
    yield from finding(
        "invoices open without a reason",
        (
            f"{row.account_id} {row.invoice_id}"
            for row in rows
            if row.invoice_id not in paid and not attempts.open_reason(row)
        ),
    )
    yield from finding(
        "invoices marked as paid whose payment failed",
        (f"{row.account_id} {row.invoice_id}" for row in rows if row.invoice_id in paid and attempts.failure(row)),
    )


def _gaps(rows: list[InvoiceRow]) -> Iterator[str]:
    numbers = defaultdict[str, list[int]](list)
    for row in rows:
        numbers[row.account_id].append(row.number)
    for account, found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"{account} has {sorted(found)}"


def _wrong_sums(rows: list[InvoiceRow]) -> Iterator[str]:
    for row in rows:
        total_micros = sum(line.amount_micros for line in row.lines)
        tax_micros = sum(line.amount_micros for line in row.lines if line.kind == "tax")
        if (total_micros, tax_micros) != (row.total_micros, row.tax_micros):
            yield (
                f"{row.account_id} {row.invoice_id}: total {row.total_micros}, tax {row.tax_micros}; "
                f"lines {total_micros}, tax {tax_micros}"
            )


def _paid_without_open(evidence: Evidence) -> Iterator[str]:
    was_open = {row.invoice_id for row in issued(evidence) if row.status == "open" and row.open_micros > 0}
    for row in evidence.invoices:
        if row.type == "invoice-paid" and row.invoice_id not in was_open:
            yield f"{row.account_id} {row.invoice_id}"


class PaymentAttempts:
    """The last attempt to collect each fee and each invoice by card, and how it ended."""

    def __init__(self, evidence: Evidence, accepted: Sequence[InputRow]) -> None:
        self._answers = answers(accepted)
        self._last: dict[PaymentKey, PaymentRow] = {}
        self._due = {account for account, row in evidence.snapshots.items() if row.card_due_micros}
        self._blocked = {row.account_id for row in evidence.alerts if row.reason == "dispute" and row.invoice_id}
        self._carded = {row.account_id for row in accepted if row.type == "payment-method-added"}
        for row in evidence.payments:
            if row.purpose in {"subscription", "invoice"}:
                self._last[row.account_id, row.payment_id.rpartition("/")[0]] = row

    def open_reason(self, invoice: InvoiceRow) -> str | None:
        """Why an invoice is open; None when the topics give no reason."""
        account = invoice.account_id
        if account not in self._carded:
            return "no card"
        reason = self.failure(invoice) or self._fee_failure(invoice)
        if reason is None and account in self._due:
            return "card overage is due again"
        if reason is None and account in self._blocked:
            return "card blocked by a dispute"
        return reason

    def failure(self, invoice: InvoiceRow) -> str | None:
        """Why the last attempt to collect this invoice failed; None when it succeeded or there was none."""
        return self._failure_of(self._last.get((invoice.account_id, invoice.invoice_id)))

    def _fee_failure(self, invoice: InvoiceRow) -> str | None:
        """Why a subscription fee of the account is still unpaid, which keeps the invoices with that fee open."""
        fees = (
            payment
            for (account, _), payment in self._last.items()
            if account == invoice.account_id and payment.purpose == "subscription"
        )
        return next((reason for fee in fees if (reason := self._failure_of(fee)) is not None), None)

    def _failure_of(self, payment: PaymentRow | None) -> str | None:
        if payment is None:
            return None
        answer = self._answers.get((payment.account_id, payment.payment_id))
        if answer is None:
            return "no answer yet"
        return f"declined ({answer.reason})" if answer.type == "payment-declined" else None

"""Invoices are numbered without gaps, sum up, and are paid, or open for a reason that can be named."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from demo.checks.evidence import Evidence
from demo.checks.finding import finding
from demo.checks.payments import PaymentKey, answers
from demo.checks.rows import InputRow, InvoiceRow, PaymentRow


def issued(evidence: Evidence) -> list[InvoiceRow]:
    return [row for row in evidence.invoices if row.type == "invoice-issued"]


def paid_ids(evidence: Evidence) -> set[str]:
    """Ids of the invoices of which nothing is open any more."""
    said = {row.invoice_id for row in evidence.invoices if row.type == "invoice-paid"}
    return said | {row.invoice_id for row in issued(evidence) if row.status == "paid"}


def check_invoices(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    rows = issued(evidence)
    yield from finding("accounts whose invoices are not numbered from 1 without gaps", _gaps(rows))
    yield from finding("invoices that their lines do not sum to", _wrong_sums(rows))
    yield from finding("words that an invoice is paid, without it being open", _paid_for_nothing(evidence))
    bills = Bills(evidence, accepted)
    paid = paid_ids(evidence)
    yield from finding(
        "invoices open without a reason",
        (f"{row.account_id} {row.invoice_id}" for row in rows if row.invoice_id not in paid and not bills.why(row)),
    )
    yield from finding(
        "invoices called paid with a payment that never came",
        (f"{row.account_id} {row.invoice_id}" for row in rows if row.invoice_id in paid and bills.unpaid(row)),
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
                f"{row.account_id} {row.invoice_id} of {row.total_micros}, tax {row.tax_micros}: "
                f"its lines {total_micros}, tax {tax_micros}"
            )


def _paid_for_nothing(evidence: Evidence) -> Iterator[str]:
    was_open = {row.invoice_id for row in issued(evidence) if row.status == "open" and row.open_micros > 0}
    for row in evidence.invoices:
        if row.type == "invoice-paid" and row.invoice_id not in was_open:
            yield f"{row.account_id} {row.invoice_id}"


class Bills:
    """What was asked of cards for fees, invoices and overage, by account, and how the last attempt of each ended."""

    def __init__(self, evidence: Evidence, accepted: Sequence[InputRow]) -> None:
        self._answers = answers(accepted)
        self._last: dict[PaymentKey, PaymentRow] = {}
        self._declined_overage = set[str]()
        self._due = {account for account, row in evidence.snapshots.items() if row.card_due_micros}
        self._carded = {row.account_id for row in accepted if row.type == "payment-method-added"}
        for row in evidence.payments:
            if row.purpose in {"subscription", "invoice"}:
                self._last[row.account_id, row.payment_id.rpartition("/")[0]] = row

    def why(self, invoice: InvoiceRow) -> str | None:
        """Why an invoice is open, None for no reason that the topics give."""
        account = invoice.account_id
        if account not in self._carded:
            return "no card"
        reason = self.unpaid(invoice) or self._unpaid_fee(invoice)
        if reason is None and account in self._due:
            return "card overage is due again"
        return reason

    def unpaid(self, invoice: InvoiceRow) -> str | None:
        """How the last attempt to be paid for this very invoice ended; None when it was paid or never asked for."""
        return self._refusal(self._last.get((invoice.account_id, invoice.invoice_id)))

    def _unpaid_fee(self, invoice: InvoiceRow) -> str | None:
        """A fee asked for before the invoice, which it carries, and not paid since."""
        fees = (
            payment
            for (account, _), payment in self._last.items()
            if account == invoice.account_id and payment.purpose == "subscription"
        )
        return next((reason for fee in fees if (reason := self._refusal(fee)) is not None), None)

    def _refusal(self, payment: PaymentRow | None) -> str | None:
        if payment is None:
            return None
        answer = self._answers.get((payment.account_id, payment.payment_id))
        if answer is None:
            return "no answer yet"
        return f"declined ({answer.reason})" if answer.type == "payment-declined" else None

"""Each invoice, computed again from the ledger, the charges and the payments of its period. Rules B2, B3 and B7.

What belongs to an invoice is what was in the log before the tick that issued it and no earlier invoice has.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from demo.checks.evidence import Evidence, finding
from demo.checks.payments import succeeded
from demo.checks.reversals import Reversals
from demo.checks.rows import ChargeRow, EntryRow, InputRow, InvoiceRow, PaymentRow
from demo.checks.wallets import is_of_calls
from schemas.instant import parse_instant

AnyRow = TypeVar("AnyRow")

TOPPED_UP = ("purchase", "refill", "refund", "reversal")
SEPARATE = ("subscription", "overage")  # Payments before the invoice is issued.


class ReversalRow(NamedTuple):
    """What a reversal took of a payment for an invoice that was not issued yet; negative when it gave back."""

    taken_micros: int


@dataclass(slots=True)
class Books:
    """What one account's invoices are made of, each with its place in the log, and not yet on an invoice."""

    invoices: list[InvoiceRow] = field(default_factory=list)
    entries: list[tuple[int, EntryRow]] = field(default_factory=list)
    charges: list[tuple[int, ChargeRow]] = field(default_factory=list)
    payments: list[tuple[int, PaymentRow]] = field(default_factory=list)
    reversals: list[tuple[int, ReversalRow]] = field(default_factory=list)
    by_invoice: Counter[str] = field(default_factory=Counter)  # Paid for an invoice that was issued, micros.


@dataclass(frozen=True, slots=True)
class Computed:
    """What an invoice must show, in micros; `separate` is what the payments before its issue have paid in the end, and
    `reversed` what of them came back before it.
    """

    credited: int
    used: int
    overage: int
    top_up: int
    separate: int
    reversed: int


def check_statements(evidence: Evidence, accepted: Sequence[InputRow]) -> Iterator[str]:
    wrong_lines, wrong_wallets, broken, unpaid = list[str](), list[str](), list[str](), list[str]()
    paid = {row.invoice_id for row in evidence.invoices if row.type == "invoice-paid"}
    for books in _books(evidence, accepted).values():
        before: InvoiceRow | None = None
        for row in books.invoices:
            computed = _computed(books, row, evidence.place_of(row))
            wrong_lines.extend(_lines(row, computed))
            wrong_wallets.extend(_wallet(row, computed))
            broken.extend(_chain(before, row))
            in_full = row.status == "paid" or row.invoice_id in paid
            unpaid.extend(_payments(row, computed, books.by_invoice[row.invoice_id], in_full=in_full))
            before = row
    yield from finding("invoices with other calls, top-ups or reversals than their period", wrong_lines)
    yield from finding("invoices whose wallet statement does not add up", wrong_wallets)
    yield from finding("invoices that do not continue the one before", broken)
    yield from finding("invoices whose total less what is carried is not what cards paid or owe", unpaid)


def _books(evidence: Evidence, accepted: Sequence[InputRow]) -> dict[str, Books]:
    books = defaultdict[str, Books](Books)
    for row in evidence.invoices:
        if row.type == "invoice-issued":
            books[row.account_id].invoices.append(row)
    for entry in evidence.entries:
        books[entry.account_id].entries.append((evidence.place_of(entry), entry))
    for charge in evidence.charges:
        books[charge.account_id].charges.append((evidence.place_of(charge), charge))
    for payment in succeeded(evidence, accepted):
        if payment.purpose in SEPARATE:
            books[payment.account_id].payments.append((_place_of(evidence, payment), payment))
        elif payment.purpose == "invoice":
            books[payment.account_id].by_invoice[payment.payment_id.rpartition("/")[0]] += payment.amount_micros
    # An invoice that was issued before has an `invoice-reversed` instead.
    issued = {(row.account_id, row.caused_by) for row in evidence.invoices if row.type == "invoice-reversed"}
    for (account, cause), micros in Reversals(evidence, accepted).billed.items():
        if (account, cause) not in issued:
            books[account].reversals.append((evidence.places[account, cause], ReversalRow(-micros)))
    return books


def _place_of(evidence: Evidence, payment: PaymentRow) -> int:
    """A renewal's fee is requested after the invoice that the same tick issues, all other payments before it."""
    renews = payment.purpose == "subscription" and payment.payment_id.endswith("/1")
    return 2 * evidence.place_of(payment) + (1 if renews else -1)


def _computed(books: Books, row: InvoiceRow, place: int) -> Computed:
    """Takes what belongs to the invoice out of the books. A later call or entry waits for the next invoice, although it
    arrived before the tick.
    """
    end_ms, start_ms = parse_instant(row.period_end), parse_instant(row.period_start)
    entries = _take(books.entries, lambda at, entry: at < place and parse_instant(entry.occurred_at) < end_ms)
    charges = _take(books.charges, lambda at, charge: at < place and parse_instant(charge.period_start) <= start_ms)
    payments = _take(books.payments, lambda at, _: at < 2 * place)
    reversals = _take(books.reversals, lambda at, _: at < place)
    return Computed(
        credited=sum(entry.amount_micros for entry in entries if not is_of_calls(entry)),
        used=sum(charge.wallet_micros for charge in charges),
        overage=sum(charge.amount_micros for charge in charges),
        top_up=sum(entry.amount_micros for entry in entries if entry.kind in TOPPED_UP),
        separate=sum(payment.amount_micros for payment in payments),
        reversed=sum(reversal.taken_micros for reversal in reversals),
    )


def _take(waiting: list[tuple[int, AnyRow]], belongs: Callable[[int, AnyRow], bool]) -> list[AnyRow]:
    """Remove and return what belongs to the invoice."""
    taken = [row for at, row in waiting if belongs(at, row)]
    waiting[:] = [(at, row) for at, row in waiting if not belongs(at, row)]
    return taken


def line_micros(row: InvoiceRow, kind: str) -> int:
    return sum(line.amount_micros for line in row.lines if line.kind == kind)


def _lines(row: InvoiceRow, computed: Computed) -> Iterator[str]:
    found = line_micros(row, "overage"), line_micros(row, "top_up"), line_micros(row, "wallet_credit")
    expected = computed.overage, computed.top_up, -computed.used
    if row.reversed_micros != computed.reversed:
        yield f"{row.account_id} {row.invoice_id}: {row.reversed_micros} reversed, from the topics {computed.reversed}"
    if found != expected:
        yield f"{row.account_id} {row.invoice_id}: calls, top-ups and wallet {found}, from the topics {expected}"


def _wallet(row: InvoiceRow, computed: Computed) -> Iterator[str]:
    wallet = row.wallet
    closing_micros = wallet.opening_micros + computed.credited - computed.used
    expected = computed.credited, computed.used, closing_micros
    found = wallet.credited_micros, wallet.used_micros, wallet.closing_micros
    if found != expected:
        yield f"{row.account_id} {row.invoice_id}: credited, used and closing {expected} expected, {found} found"


def _chain(before: InvoiceRow | None, row: InvoiceRow) -> Iterator[str]:
    """The wallet opens with the former closing, and what was carried is a line. A negative sum may have been paid into
    the wallet instead (rule B6).
    """
    closing_micros = 0 if before is None else before.wallet.closing_micros
    adjacent = before is None or before.period_end == row.period_start
    if adjacent and row.wallet.opening_micros != closing_micros:
        yield f"{row.account_id} {row.invoice_id}: opens with {row.wallet.opening_micros}, closed with {closing_micros}"
    carried_micros = 0 if before is None else before.carried_micros
    line = line_micros(row, "carried")
    if line != carried_micros and carried_micros >= 0:
        yield f"{row.account_id} {row.invoice_id}: {carried_micros} was carried, the line has {line}"


def _payments(row: InvoiceRow, computed: Computed, by_invoice_micros: int, *, in_full: bool) -> Iterator[str]:
    """Top-ups are paid by payments of their own."""
    owed_micros = row.total_micros - row.carried_micros - computed.top_up
    paid_micros = computed.separate + by_invoice_micros
    if paid_micros > owed_micros or (in_full and paid_micros < owed_micros):
        yield f"{row.account_id} {row.invoice_id}: {owed_micros} to pay, {paid_micros} paid"

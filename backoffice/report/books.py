"""Collects what a report adds up from events, in any order of topics."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from backoffice.documents.facts import Invoice, Paid, Receipt
from backoffice.report.facts import (
    Adjustment,
    Charge,
    Entry,
    Fact,
    InvoiceReversed,
    ReportError,
    ReversalAlert,
    Snapshot,
    type_of,
)
from backoffice.report.ledger import Ledgers
from backoffice.report.month import Month
from backoffice.report.plans import PlansSeen
from backoffice.report.snapshots import Snapshots
from backoffice.report.sums import Key, Sums

ById = tuple[str, str]  # Account id, and the id of an invoice, a receipt or an event.


@dataclass(slots=True)
class AccountInvoices:
    """`numbers` are those of all invoices; `issued` are those issued before the month's end, with their times."""

    numbers: set[int] = field(default_factory=set)
    issued: list[tuple[int, Invoice]] = field(default_factory=list)


@dataclass(slots=True)
class Reversals:
    """Payments that were reversed before the month's end: what marked an invoice, and what alerts reported.
    `causes` are the inputs that moved a wallet or marked an invoice.
    """

    marked: dict[ById, tuple[int, InvoiceReversed]] = field(default_factory=dict)
    reported: dict[ById, ReversalAlert] = field(default_factory=dict)
    causes: set[ById] = field(default_factory=set)
    wallet_micros: Counter[str] = field(default_factory=Counter)  # By account, signed as in the ledger.


class Books:
    """Adds events, each once. `sums` has the month's calls, which name their plan; what needs the plan of its account
    is summed once all events are read (`backoffice.report.closing`).
    """

    def __init__(self, month: Month, plan_names: Mapping[str, str]) -> None:
        self.month = month
        self.sums = Sums()
        self.plans = PlansSeen(plan_names)
        self.ledgers = Ledgers(month)
        self.snapshots = Snapshots(month)
        self.invoices: dict[str, AccountInvoices] = defaultdict(AccountInvoices)
        self.reversals = Reversals()
        self.paid: set[ById] = set()
        self.receipts: dict[ById, tuple[int, Receipt]] = {}
        self.collected = Counter[ById]()  # What card payments for an invoice itself brought before the month's end.
        self.paid_out = Counter[ById]()  # What an invoice carried and the wallet got before the month's end. Rule B6.
        self.wallet_micros = Counter[str]()  # What the month's calls took from each account's wallet.
        self.types = Counter[str]()
        self.newest_ms = -1
        self._charges: set[ById] = set()
        self._bills: set[ById] = set()

    def add(self, at_ms: int, fact: Fact) -> None:
        """Raises ReportError when an invoice does not add up."""
        self.types[type_of(fact)] += 1
        self.newest_ms = max(self.newest_ms, at_ms)
        self.plans.add(at_ms, fact)
        if isinstance(fact, Entry):
            self._add_entry(at_ms, fact)
        elif isinstance(fact, Invoice):
            self._add_invoice(at_ms, fact)
        elif isinstance(fact, Snapshot):
            self.snapshots.add(at_ms, fact)
        elif at_ms < self.month.end_ms:
            self._add_earlier(at_ms, fact)

    def _add_earlier(self, at_ms: int, fact: Fact) -> None:
        match fact:
            case Charge() if self.month.holds(at_ms):
                self._add_charge(fact)
            case Paid():
                self.paid.add((fact.account_id, fact.invoice_id))
            case Receipt():
                self._add_receipt(at_ms, fact)
            case InvoiceReversed():
                self.reversals.marked[fact.account_id, fact.id] = at_ms, fact
                self.reversals.causes.add((fact.account_id, fact.caused_by))
            case ReversalAlert():
                self.reversals.reported[fact.account_id, fact.id] = fact
            case _:
                pass

    def _add_entry(self, at_ms: int, entry: Entry) -> None:
        if not self.ledgers.add(at_ms, entry) or at_ms >= self.month.end_ms:
            return
        if entry.kind == "reversal":
            self.reversals.causes.add((entry.account_id, entry.caused_by))
            self.reversals.wallet_micros[entry.account_id] += entry.amount_micros
        elif entry.pays_out_carried:
            self.paid_out[entry.account_id, entry.reference] += entry.amount_micros

    def _add_charge(self, charge: Charge) -> None:
        key = charge.account_id, charge.id
        if key in self._charges:
            return
        self._charges.add(key)
        self.wallet_micros[charge.account_id] += charge.wallet_micros
        item = "adjusted" if isinstance(charge, Adjustment) else "charged"
        total = Key(charge.currency, charge.plan, "calls", item)
        self.sums.add(total, charge.amount_micros)
        for payer, micros in (("by_wallet", charge.wallet_micros), ("by_card", charge.card_micros)):
            if micros:
                self.sums.add(total._replace(item=payer), micros)

    def _add_invoice(self, at_ms: int, invoice: Invoice) -> None:
        account = self.invoices[invoice.account_id]
        if invoice.number in account.numbers:
            return
        if sum(line.amount_micros for line in invoice.lines) != invoice.total_micros:
            raise ReportError(f"{invoice.invoice_id} does not add up: its lines do not make its total")
        account.numbers.add(invoice.number)
        if at_ms < self.month.end_ms:
            account.issued.append((at_ms, invoice))

    def _add_receipt(self, at_ms: int, receipt: Receipt) -> None:
        key = receipt.account_id, receipt.receipt_id
        if receipt.purpose == "invoice" and receipt.reference is not None and key not in self._bills:
            self._bills.add(key)
            self.collected[receipt.account_id, receipt.reference] += receipt.amount_micros
        if self.month.holds(at_ms):
            self.receipts[key] = at_ms, receipt

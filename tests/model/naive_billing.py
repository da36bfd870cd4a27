"""What the naive model keeps of what an account is billed for: lists of what happened, and what became of each."""

from dataclasses import dataclass, field
from typing import Literal

DIRECTIONS = ("inbound", "outbound", "web")


@dataclass
class NaiveSubscription:
    """A term from the billing period `first_period` on, up to the start of `end_period`. Rules M1, M8."""

    first_period: int
    end_period: int
    status: Literal["active", "cancelling", "ended"] = "active"
    next_plan: str | None = None


@dataclass
class NaiveFee:
    """A line for the invoice of the billing period `period`, or of the next one when that was issued."""

    kind: Literal["subscription", "proration"]
    period: int
    amount: int
    is_invoiced: bool = False


@dataclass
class NaiveBill:
    """What the card is asked for until it pays. A negative one is never asked for: it goes into an invoice's rest."""

    purpose: Literal["subscription", "invoice"]
    amount: int
    period: int
    invoice: int | None = None
    state: Literal["waiting", "asked", "retrying", "exhausted", "paid", "carried"] = "waiting"
    declines: int = 0
    retry_due_ms: int = 0


@dataclass
class Cost:
    """A call that came to cost `amount` more. Negative when it costs less, in this period or in this direction."""

    period: int
    direction: str
    amount: int
    is_invoiced: bool = False


@dataclass
class CardEntry:
    """What was put on the card for a call, or given back to it: negative then. It lies on an invoice, as its cost."""

    period: int
    amount: int
    invoice: int | None = None


@dataclass
class NaiveNumber:
    number: str
    fee: int
    added_ms: int
    removed_ms: int | None = None


@dataclass
class NaiveInvoice:
    number: int
    is_paid: bool = False


@dataclass
class NaiveBilling:
    subscription: NaiveSubscription | None = None
    fees: list[NaiveFee] = field(default_factory=list)
    bills: list[NaiveBill] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    card_entries: list[CardEntry] = field(default_factory=list)
    card_asked: int = 0
    card_paid: int = 0
    is_overage_wanted: bool = False
    numbers: list[NaiveNumber] = field(default_factory=list)
    tax_ppm: int = 0
    billing_email: str | None = None
    invoices: list[NaiveInvoice] = field(default_factory=list)
    invoiced_top_ups: set[str] = field(default_factory=set)
    credit: int = 0
    next_period: int = 0

    @property
    def is_subscribed(self) -> bool:
        return self.subscription is not None and self.subscription.status != "ended"

    @property
    def card_due(self) -> int:
        """Overage that the card has yet to be asked for. `card_asked` is what it was asked for and has not declined."""
        return sum(entry.amount for entry in self.card_entries) - self.card_asked

    def left_up_to(self, invoice: int) -> int:
        """What is open of the overage on the card up to an invoice. What is given back later is not owed any more."""
        numbers = range(invoice, len(self.invoices) + 1)
        owed = [sum(e.amount for e in self.card_entries if e.invoice is not None and e.invoice <= n) for n in numbers]
        owed.append(sum(entry.amount for entry in self.card_entries))
        return max(0, min(owed) - self.card_paid)

    def open_of(self, invoice: int) -> int:
        """What is not paid of an invoice. The card settles overage in the order in which it came."""
        bills = [bill for bill in self.bills if bill.invoice == invoice and bill.state != "paid"]
        return sum(bill.amount for bill in bills) + self.left_up_to(invoice) - self.left_up_to(invoice - 1)

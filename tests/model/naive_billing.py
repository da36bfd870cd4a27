"""What the naive model keeps of what an account is billed for: lists of what happened, and what became of each."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from tests.model.naive_wire import Wire

DIRECTIONS = ("inbound", "outbound", "web")
Purpose = Literal["purchase", "refill", "refund", "overage", "subscription", "invoice"]
CARD_TAKES = {"dispute": "dispute_won", "refund": "refund_failed"}  # What takes, and what gives that back. Rule R1.


@dataclass(frozen=True)
class Reversal:
    """One accepted `payment-reversed`: `counted` is what of it moved anything."""

    kind: str
    counted: int
    reference: str | None


@dataclass
class NaivePayment:
    """One request to the payment provider. `name` stands for the id, which the real rules choose.

    `about` is the purchase or refill. `fee` is what a subscription payment pays, `invoice` the one that it counts for.
    `answers` are in order of arrival; a success stands whatever else was said. `beyond` is what of it nothing was owed
    for, which is carried to the next invoice (P7).
    """

    name: str
    cause: str
    purpose: Purpose
    amount: int
    about: str
    requested_ms: int
    period: int
    card: Wire
    fee: "NaiveFee | None" = None
    invoice: "NaiveInvoice | None" = None
    refund_of: "NaivePayment | None" = None
    answers: list[str] = field(default_factory=list)
    answered_ms: int = 0
    succeeded_ms: int = 0
    beyond: int = 0
    is_unresolved: bool = False
    is_contradicted: bool = False
    reversals: list[Reversal] = field(default_factory=list)

    @property
    def answer(self) -> str | None:
        if "succeeded" in self.answers:
            return "succeeded"
        return "declined" if self.answers else None

    def net(self, takes: str) -> int:
        """What reversals of a kind took and its counterpart has not given back."""
        gives = CARD_TAKES[takes]
        return sum(r.counted * ((r.kind == takes) - (r.kind == gives)) for r in self.reversals)

    @property
    def reversed(self) -> int:
        return self.net("dispute") + self.net("refund")

    @property
    def given_back(self) -> int:
        """Of a refund of ours: what was reported of it as failed. Rule R2."""
        return sum(r.counted for r in self.reversals if r.kind == "refund_failed")


def paid_by(payments: list[NaivePayment]) -> int:
    """What succeeded, less what nothing was owed for."""
    return sum(payment.amount - payment.beyond for payment in payments if payment.answer == "succeeded")


def asked_by(payments: list[NaivePayment]) -> int:
    """What payments without an answer ask for."""
    return sum(payment.amount for payment in payments if payment.answer is None)


def counted_of(payments: list[NaivePayment], owed: int) -> int:
    """What has been paid, and what is being asked for as far as it is still owed. Rules B3, P7."""
    return min(paid_by(payments) + asked_by(payments), owed)


@dataclass
class NaiveSubscription:
    """A term from the billing period `first_period` on, up to the start of `end_period`. Rules M1, M8.

    `first_period` is None while the first billed period is still to come (G3). `fee` is the whole term's.
    """

    first_period: int | None
    end_period: int
    fee: int
    status: Literal["active", "cancelling", "ended"] = "active"
    next_plan: str | None = None


@dataclass
class Retries:
    """Declines so far, when the wait that runs ends, and what the owner was told that no card could be asked for."""

    declines: int = 0
    due_ms: int | None = None
    told: set[str] = field(default_factory=set)


@dataclass
class NaiveFee:
    """A fee or a proration, which the card is asked for until an invoice takes it over.

    `parts` are the invoice lines: the amount, the quantity and the unit price. Its payments are asked for by itself
    until `invoice` is set.
    """

    kind: Literal["subscription", "proration"]
    period: int
    parts: list[tuple[int, int | None, int | None]]
    payments: list[NaivePayment] = field(default_factory=list)
    retries: Retries = field(default_factory=Retries)
    invoice: "NaiveInvoice | None" = None

    @property
    def amount(self) -> int:
        return sum(amount for amount, _, _ in self.parts)

    @property
    def open(self) -> int:
        return max(0, self.amount - paid_by(self.payments) - asked_by(self.payments))


@dataclass
class Cost:
    """A call that came to cost `amount` more, of which the card has `card`. Negative when it costs less, there.

    `beyond` are the minutes charged beyond the included ones, at `rate`, or `calls` how many calls came to cost
    something, on a credits plan; None on the other kind of plan. Rules B2, B8.
    """

    period: int
    direction: str
    amount: int
    card: int = 0
    beyond: Fraction | None = None
    rate: int | None = None
    calls: int | None = None
    is_invoiced: bool = False


@dataclass
class NaiveNumber:
    """A number that is or was held. `fees` are those set, with the instant each counts from."""

    number: str
    fees: list[tuple[int, int]]
    added_ms: int
    removed_ms: int | None = None

    @property
    def fee(self) -> int:
        return self.fees[-1][1]


@dataclass
class NaiveInvoice:
    """`due` is what payments are to settle of it: the total less top-ups and less what was carried on. Rules B3, B4."""

    number: int
    name: str
    due: int = 0
    payments: list[NaivePayment] = field(default_factory=list)
    retries: Retries = field(default_factory=Retries)
    is_paid: bool = False

    @property
    def open(self) -> int:
        """What nobody has paid yet."""
        return max(0, self.due - paid_by(self.payments))

    @property
    def bill(self) -> int:
        """What nobody has paid or is being asked for."""
        return max(0, self.due - paid_by(self.payments) - asked_by(self.payments))

    @property
    def reversed(self) -> int:
        return sum(payment.reversed for payment in self.payments)


@dataclass
class Entry:
    """A ledger entry that no call led to. `period` is that of its `occurred_at`. Rules B2, B7."""

    kind: str
    amount: int
    period: int
    is_stated: bool = False
    is_topped_up: bool = False


@dataclass
class NaiveBilling:
    """Lists in order of arrival. `next_period` is the first one whose end has not been worked on.

    `carried_entries` sum to what the next invoice begins with. `ahead` is what payments that count for an issued
    invoice covered of calls whose period has none yet (P14). `closing` is that of the latest wallet statement.
    """

    first_period: int = 0
    next_period: int = 0
    subscription: NaiveSubscription | None = None
    fees: list[NaiveFee] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    overage_payments: list[NaivePayment] = field(default_factory=list)
    overage: Retries = field(default_factory=Retries)
    ahead: int = 0
    carried_entries: list[int] = field(default_factory=list)
    closing: int = 0
    numbers: list[NaiveNumber] = field(default_factory=list)
    tax_ppm: int = 0
    billing_email: str | None = None
    details: dict[str, str] = field(default_factory=dict)
    invoices: list[NaiveInvoice] = field(default_factory=list)

    @property
    def is_subscribed(self) -> bool:
        return self.subscription is not None and self.subscription.status != "ended"

    @property
    def carried(self) -> int:
        return sum(self.carried_entries)

    @property
    def waiting_overage_payments(self) -> list[NaivePayment]:
        """Those that count for the next invoice. Rule P14."""
        return [payment for payment in self.overage_payments if payment.invoice is None]

    def costs_up_to(self, period: int | None = None) -> list[Cost]:
        """What no invoice has taken: of a period and those before it, or of all."""
        waiting = [cost for cost in self.costs if not cost.is_invoiced]
        return [cost for cost in waiting if period is None or cost.period <= period]

    @property
    def overage_owed(self) -> int:
        """What the card owes of overage that no invoice has, paid or not."""
        return sum(cost.card for cost in self.costs_up_to()) - self.ahead

    @property
    def card_due(self) -> int:
        """Rule P14: what neither a request nor an invoice has taken over."""
        payments = self.waiting_overage_payments
        return max(0, self.overage_owed - paid_by(payments) - asked_by(payments))

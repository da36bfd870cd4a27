"""What the naive model keeps of one account: lists of what happened, in the order it happened."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.model.naive_billing import NaiveBill, NaiveBilling
from tests.model.naive_money import Lot, Movement, Price, lots_after
from tests.model.naive_plans import AnyPlan, NaivePlan
from tests.model.naive_time import instant, period_number
from tests.model.naive_wire import Wire

DEFAULT_THRESHOLD = 10_000_000


@dataclass
class NaiveCall:
    """One call. `features`, `redirected` and `plan` are of its admission (the first end's, for an end alone).

    On a minutes plan: `before_ms` is what its period had used when it was rated, `used_ms` what it uses of it itself.
    `cost` says where its cost lies: the period, the direction and the amount.
    """

    call_id: str
    start: Wire | None = None
    ends: list[Wire] = field(default_factory=list)
    reclassified: list[Wire] = field(default_factory=list)
    features: frozenset[str] = frozenset()
    redirected: bool = False
    hold: int = 0
    held_extra: int = 0
    is_open: bool = False
    charged: int = 0
    price: Price = field(default_factory=Price)
    plan: AnyPlan | None = None
    rated_period: int | None = None
    was_counted: bool = False
    before_ms: int = 0
    used_ms: int = 0
    on_card: int = 0
    cost: tuple[int, str, int] | None = None

    @property
    def started_ms(self) -> int:
        """The end's word beats the start's. Rule P5."""
        if self.ends:
            return instant(self.ends[-1]["started_at"])
        assert self.start is not None
        return instant(self.start["occurred_at"])

    @property
    def last_heard_ms(self) -> int:
        """What the correction horizon is counted from: the end; without one the start, or else the first correction."""
        wire = self.ends[-1] if self.ends else self.start or self.reclassified[0]
        return instant(wire["occurred_at"])

    @property
    def is_real(self) -> bool:
        """The reclassification of the greatest (occurred_at, id) beats the end's own word. Rule P5."""
        if self.reclassified:
            stands = max(self.reclassified, key=lambda wire: (instant(wire["occurred_at"]), wire["id"]))
            return bool(stands["real"])
        real = self.ends[-1].get("real")
        return True if real is None else bool(real)

    @property
    def is_counted(self) -> bool:
        """Rules G7, C2, P4, P5."""
        if not self.ends or self.redirected:
            return False
        end = self.ends[-1]
        return end["answered_at"] is not None and end["outcome"] != "redirected" and self.is_real


@dataclass
class NaivePayment:
    """One request to the payment provider. `name` stands for the id, which the real rules choose."""

    name: str
    cause: str
    purpose: Literal["purchase", "refill", "refund", "overage", "subscription", "invoice"]
    amount: int
    about: str
    requested_ms: int
    period: int
    card: Wire
    answer: str | None = None
    answered_ms: int = 0
    is_unresolved: bool = False
    bill: NaiveBill | None = None


@dataclass
class NaiveRefill:
    name: str
    amount: int
    declines: int = 0
    retry_due_ms: int | None = None


@dataclass
class NaiveAccount:
    account_id: str
    opened: Wire
    plan: AnyPlan
    billing: NaiveBilling = field(default_factory=NaiveBilling)
    plans: list[tuple[int, AnyPlan]] = field(default_factory=list)
    accepted: list[Wire] = field(default_factory=list)
    calls: dict[str, NaiveCall] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    switches: set[str] = field(default_factory=set)
    redirect_to: str | None = None
    cards: list[Wire] = field(default_factory=list)
    default_card: str | None = None
    auto_refill: dict[str, Any] = field(default_factory=lambda: {"enabled": False})
    is_armed: bool = True
    in_flight: NaiveRefill | None = None
    limit_told: set[int] = field(default_factory=set)
    payments: list[NaivePayment] = field(default_factory=list)
    succeeded_ms: dict[str, int] = field(default_factory=dict)
    thresholds: list[int] = field(default_factory=lambda: [DEFAULT_THRESHOLD, 0])
    armed_thresholds: set[int] = field(default_factory=set)
    redirected_calls: int = 0
    extra_periods_ever: set[int] = field(default_factory=set)
    hinted_periods: set[int] = field(default_factory=set)

    @property
    def lots(self) -> list[Lot]:
        return lots_after(self.movements)[0]

    @property
    def balance(self) -> int:
        lots, debt = lots_after(self.movements)
        assert debt == 0 or all(lot.left == 0 for lot in lots)
        signs = {"credit": 1, "back": 1, "unrefund": 1, "use": -1, "refund": -1}
        balance = sum(signs[movement.kind] * movement.amount for movement in self.movements)
        assert balance == sum(lot.left for lot in lots) - debt
        return balance

    included_calls: int = 0

    @property
    def held(self) -> int:
        """Rule C9: the holds of open calls, and the reserve of ended ones that these may yet make extra calls."""
        periods = {self.period_of(call.started_ms) for call in self.credits_calls() if call.ends}
        return sum(call.hold for call in self.calls.values() if call.is_open) + sum(map(self.reserve, periods))

    def reserve(self, period: int) -> int:
        """What calls that held the price of an extra call, and rank among the included for now, may come to cost."""
        counted, still_open = self.calls_of(period), self.open_calls_of(period)
        waiting = [call.held_extra for call in counted if call.held_extra and "extra_call" not in call.price.lines]
        free_places = max(0, self.included_calls - len(counted))
        without_a_hold = len(still_open) - free_places - sum(call.held_extra > 0 for call in still_open)
        return sum(waiting[: max(0, without_a_hold)])

    @property
    def available(self) -> int:
        return self.balance - self.held

    @property
    def currency(self) -> str:
        return self.opened.get("currency") or "USD"

    def period_of(self, at_ms: int) -> int:
        return period_number(self.signup_ms, self.time_zone, at_ms)

    def take_plan(self, plan: AnyPlan, period: int) -> None:
        """Another plan, which the period is the first one to have at its end."""
        self.plan = plan
        self.plans.append((period, plan))

    def plan_in(self, period: int) -> AnyPlan:
        """The plan that the account had when the period ended."""
        opened_on = self.plans[0][1]
        return next((plan for first, plan in reversed(self.plans) if first <= period), opened_on)

    @property
    def signup_ms(self) -> int:
        return instant(self.opened["occurred_at"])

    @property
    def time_zone(self) -> str:
        return self.opened.get("time_zone") or "UTC"

    def calls_of(self, period: int) -> list[NaiveCall]:
        """The counted calls of a period on credits plans, ranked. Rule P2, decision 0017."""
        counted = [
            call for call in self.credits_calls() if call.is_counted and self.period_of(call.started_ms) == period
        ]
        return sorted(counted, key=lambda call: (call.started_ms, call.call_id))

    def open_calls_of(self, period: int) -> list[NaiveCall]:
        return [call for call in self.credits_calls() if call.is_open and self.period_of(call.started_ms) == period]

    def credits_calls(self) -> list[NaiveCall]:
        return [call for call in self.calls.values() if isinstance(call.plan, NaivePlan)]

    def card(self, payment_method_id: str | None) -> Wire | None:
        return next((card for card in self.cards if card["payment_method_id"] == payment_method_id), None)

    @property
    def refill_threshold(self) -> int:
        return int(self.auto_refill.get("threshold_micros", DEFAULT_THRESHOLD))

    def refill_card(self) -> Wire | None:
        """The chosen card while it is known, else the default one."""
        return self.card(self.auto_refill.get("payment_method_id")) or self.card(self.default_card)

    def refilled_in(self, period: int) -> int:
        """What the monthly limit counts: refills requested in the period and not declined. Rule P8."""
        return sum(
            payment.amount
            for payment in self.payments
            if payment.purpose == "refill" and payment.period == period and payment.answer != "declined"
        )

    def refundable(self) -> dict[str, int]:
        """The unused part of each purchase and refill that succeeded."""
        return {lot.lot: lot.left for lot in self.lots if lot.lot in self.succeeded_ms}

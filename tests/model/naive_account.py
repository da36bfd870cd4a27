"""What the naive model keeps of one account: lists of what happened, in the order it happened."""

from dataclasses import dataclass, field
from typing import Any

from tests.model.naive_billing import Cost, NaiveBilling, NaivePayment
from tests.model.naive_currency import CURRENCIES, NaiveCurrency
from tests.model.naive_legs import Whole, whole_of
from tests.model.naive_lots import Movement, Wallet
from tests.model.naive_money import Price
from tests.model.naive_plans import AnyPlan, NaivePlan
from tests.model.naive_time import instant, period_number
from tests.model.naive_wire import Wire


@dataclass
class NaiveCall:
    """One call. `features`, `redirected` and `plan` are of its admission (the first end's, for an end alone).

    On a minutes plan: `before_ms` is what its period had used when it was rated, `used_ms` what it uses of it itself.
    `cost` says where its cost lies. `beyond_ms` is what of `used_ms` is charged.
    """

    call_id: str
    start: Wire | None = None
    other_starts: list[Wire] = field(default_factory=list)
    ends: list[Wire] = field(default_factory=list)
    reclassified: list[Wire] = field(default_factory=list)
    features: frozenset[str] = frozenset()
    redirected: bool = False
    hold: int = 0
    held_extra: int = 0
    is_open: bool = False
    running: list[str | None] = field(default_factory=list)
    is_overlong_told: bool = False
    is_after_subscription: bool = False
    charged: int = 0
    price: Price = field(default_factory=Price)
    plan: AnyPlan | None = None
    rated_period: int | None = None
    rated_start_ms: int = 0
    was_counted: bool = False
    before_ms: int = 0
    used_ms: int = 0
    on_card: int = 0
    beyond_ms: int = 0
    cost: Cost | None = None

    @property
    def started_ms(self) -> int:
        """The end's word beats the start's. Rule P5."""
        if self.ends:
            return self.whole.started_ms
        assert self.start is not None
        return instant(self.start["occurred_at"])

    @property
    def last_heard_ms(self) -> int:
        """What the correction horizon is counted from: the end; without one the start, or else the first correction."""
        if self.ends:
            return self.whole.ended_ms
        wire = self.start or self.reclassified[0]
        return instant(wire["occurred_at"])

    @property
    def whole(self) -> Whole:
        return whole_of(self.ends)

    @property
    def starts(self) -> list[Wire]:
        return self.other_starts if self.start is None else [self.start, *self.other_starts]

    @property
    def billable_ms(self) -> int:
        """Rule G7."""
        assert self.plan is not None
        return min(self.whole.talked_ms, self.plan.longest_call_ms)

    @property
    def is_overlong(self) -> bool:
        """Rule G7."""
        return self.is_counted and self.whole.talked_ms > self.billable_ms

    @property
    def is_real(self) -> bool:
        """The reclassification of the greatest (occurred_at, id) beats the end's own word. Rule P5."""
        if self.reclassified:
            stands = max(self.reclassified, key=lambda wire: (instant(wire["occurred_at"]), wire["id"]))
            return bool(stands["real"])
        return self.whole.is_real

    @property
    def is_counted(self) -> bool:
        """Rules G7, C2, P4, P5."""
        return bool(self.ends) and not self.redirected and self.whole.counts and self.is_real


@dataclass
class NaiveRefill:
    """A refill that is asked for, or waits for a retry. `payment` is what was asked for last."""

    name: str
    amount: int
    payment: NaivePayment
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
    blocked_cards: dict[str, dict[str, int]] = field(default_factory=dict)
    paused: str | None = None
    in_flight: NaiveRefill | None = None
    limit_told: set[int] = field(default_factory=set)
    payments: list[NaivePayment] = field(default_factory=list)
    thresholds: list[int] = field(default_factory=list)
    armed_thresholds: set[int] = field(default_factory=set)
    redirected_calls: int = 0
    extra_periods: set[int] = field(default_factory=set)
    hinted_periods: set[int] = field(default_factory=set)

    known_wallet: tuple[int, Wallet] = field(default_factory=lambda: (0, Wallet([])))

    @property
    def wallet(self) -> Wallet:
        """Worked out from nothing whenever there is another movement."""
        if self.known_wallet[0] != len(self.movements):
            self.known_wallet = (len(self.movements), Wallet(self.movements))
        return self.known_wallet[1]

    @property
    def balance(self) -> int:
        wallet = self.wallet
        assert wallet.debt == 0 or all(lot.left == 0 for lot in wallet.lots)
        balance = sum(movement.sign * movement.amount for movement in self.movements)
        assert balance == sum(lot.left for lot in wallet.lots) - wallet.debt
        return balance

    @property
    def held(self) -> int:
        """Rule C9: the holds of open calls, and the reserve of ended ones that these may yet make extra calls."""
        periods = {self.period_of(call.started_ms) for call in self.credits_calls() if call.ends}
        return sum(call.hold for call in self.calls.values() if call.is_open) + sum(map(self.reserve, periods))

    def reserve(self, period: int) -> int:
        """What calls that held the price of an extra call, and rank among the included for now, may come to cost. Each
        by the plan that it started under (rule P0). A call with a leg that runs has the rest of its hold instead.
        """
        plans = {call.plan for call in self.credits_calls() if call.held_extra}
        return sum(self.reserve_of(period, plan) for plan in plans if isinstance(plan, NaivePlan))

    def reserve_of(self, period: int, plan: NaivePlan) -> int:
        counted, still_open = self.calls_of(period), self.open_calls_of(period)
        held = [call for call in counted if call.plan == plan and call.held_extra and not call.is_open]
        waiting = [call for call in held if "extra_call" not in call.price.lines and call.charged < plan.cap_micros]
        free_places = max(0, plan.included_calls - len(counted))
        with_a_hold = sum(call.held_extra > 0 for call in still_open if call.plan == plan)
        beyond = max(0, len(still_open) - free_places - with_a_hold)
        return sum(min(call.held_extra, plan.cap_micros) for call in waiting[:beyond])

    @property
    def available(self) -> int:
        return self.balance - self.held

    @property
    def currency(self) -> str:
        return self.opened.get("currency") or self.plans[0][1].currency

    @property
    def money(self) -> NaiveCurrency:
        return CURRENCIES[self.currency]

    def period_of(self, at_ms: int) -> int:
        return period_number(self.signup_ms, self.time_zone, at_ms)

    def take_plan(self, plan: AnyPlan, period: int) -> None:
        """Another plan, which the period is the first one to have at its end."""
        self.plan = plan
        self.plans.append((period, plan))

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
        """The admitted calls that are open and do not count yet: a call counts once. Rules P1, L5."""
        still_open = [call for call in self.credits_calls() if call.is_open and not call.is_counted]
        return [call for call in still_open if self.period_of(call.started_ms) == period]

    def credits_calls(self) -> list[NaiveCall]:
        return [call for call in self.calls.values() if isinstance(call.plan, NaivePlan)]

    def card(self, payment_method_id: str | None) -> Wire | None:
        return next((card for card in self.cards if card["payment_method_id"] == payment_method_id), None)

    def usable_card(self, payment_method_id: str | None) -> Wire | None:
        """A card that is known and that no dispute keeps from being used. Rule R7."""
        return None if payment_method_id in self.blocked_cards else self.card(payment_method_id)

    @property
    def refill_threshold(self) -> int:
        default = self.plans[0][1].refill_threshold
        default = self.money.low_balance if default is None else default
        return int(self.auto_refill.get("threshold_micros", default))

    def refill_card(self) -> Wire | None:
        """The chosen card while it is known and not blocked, else the default one. Rules P8, R7."""
        chosen = self.usable_card(self.auto_refill.get("payment_method_id"))
        return chosen or self.usable_card(self.default_card)

    def refilled_in(self, period: int) -> int:
        """What the monthly limit counts: refills requested in the period and not declined. Rule P8."""
        return sum(
            payment.amount
            for payment in self.payments
            if payment.purpose == "refill" and payment.period == period and payment.answer != "declined"
        )

    def credited_by(self, name: str) -> list[NaivePayment]:
        """The payments that credited a purchase or refill, the older lot first."""
        payments = {payment.name: payment for payment in self.payments}
        credited = [payments[lot.lot] for lot in self.wallet.lots if lot.lot in payments]
        return [payment for payment in credited if payment.about == name]

    def refunded_of(self, payment: NaivePayment) -> int:
        """What refunds of a payment took and did not give back, later reports of failed ones included. R1, R2."""
        refunds = [refund for refund in self.payments if refund.refund_of is payment and refund.answer != "declined"]
        return sum(refund.amount - refund.given_back for refund in refunds)

    def unused_of(self, payment: NaivePayment) -> int:
        """What may be refunded of a payment, what open calls hold aside. Rules P13, R5."""
        left = self.wallet.lot(payment.name).left
        return min(left, payment.amount - payment.reversed - self.refunded_of(payment))

"""The published state of an account: for the gate, for support and for the owner's page. Rule M12."""

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from schemas.facts import Buyer, Fact


class Subscription(msgspec.Struct, frozen=True):
    """`renews_at` is null when the subscription does not renew, `term_start` and `fee_micros` where no term runs.
    `fee_micros` is the whole term's fee, which a proration would start from (rule M7). `ends_at` is present on a
    cancelled subscription that still runs.
    """

    status: str
    renews_at: str | None
    term_start: str | None
    fee_micros: int | None
    ends_at: str | UnsetType = UNSET


class PlanChange(msgspec.Struct, frozen=True):
    """A plan change that waits for the end of the term. Rules M7 and M8."""

    plan: str
    at: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of the period that holds the later of the clock and the newest accepted `occurred_at`, costs net of
    adjustments. Rules M12 and P18. Minutes are numbers. Projections are null early in the period; `projected_minutes`
    is for minutes plans, `projected_calls` for credits plans.
    """

    period_start: str
    period_end: str
    calls_counted: int
    calls_included: int
    minutes_used: int | float
    minutes_included: int | float
    minutes_remaining: int | float
    projected_minutes: int | float | None
    projected_calls: int | None
    cost_by_call_type_micros: dict[str, int]


class AutoRefillView(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool
    amount_micros: int | None
    threshold_micros: int
    payment_method_id: str | None
    monthly_limit_micros: int | None
    spent_this_period_micros: int
    paused: bool
    paused_reason: str | None
    in_flight: bool
    next_attempt_at: str | None


class PaymentMethodView(msgspec.Struct, frozen=True, kw_only=True):
    """A card as the owner may see it, without its token. The engine does not use a blocked one by itself. Rule R7."""

    payment_method_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    default: bool
    blocked: bool


class PhoneNumberView(msgspec.Struct, frozen=True):
    """A number that the account holds. Rule M13."""

    number: str
    monthly_fee_micros: int


class Refundable(msgspec.Struct, frozen=True):
    """Credits that can be refunded `until` then: of a purchase, or of a refill under its `refill_id`. Rule P13."""

    purchase_id: str
    amount_micros: int
    until: str


class PendingPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment without an answer yet. `reference` is what it is for: of a purchase its `purchase_id`."""

    payment_id: str
    purpose: str
    amount_micros: int
    reference: str
    requested_at: str


class AccountSnapshot(Fact, frozen=True, kw_only=True, tag="account-snapshot"):
    """The state of the account after a change. `version` counts the changes. In place of the values of
    `payment_methods` and `phone_numbers` the engine puts their JSON (msgspec.Raw).
    """

    topics: ClassVar[tuple[str, ...]] = ("account-snapshots",)
    version: int
    plan: str
    plan_version: int
    currency: str
    subscription: Subscription
    balance_micros: int
    held_micros: int
    available_micros: int
    features: dict[str, bool]
    auto_refill: AutoRefillView
    usage: Usage
    card_due_micros: int
    carried_micros: int
    open_calls: int
    time_zone: str
    alert_thresholds_micros: tuple[int, ...]
    payment_methods: tuple[PaymentMethodView, ...]
    phone_numbers: tuple[PhoneNumberView, ...]
    refundable: tuple[Refundable, ...]
    pending_payments: tuple[PendingPayment, ...]
    billing_email: str | UnsetType = UNSET
    redirect_to: str | UnsetType = UNSET
    plan_change: PlanChange | UnsetType = UNSET
    billing_details: Buyer | UnsetType = UNSET

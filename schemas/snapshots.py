"""The published state of an account: for the gate, for support and for the owner's page. Rule M12."""

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from schemas.facts import Fact


class Subscription(msgspec.Struct, frozen=True):
    """`renews_at` is null when the subscription does not renew. `ends_at` is present on a cancelled subscription that
    still runs, `next_plan` when the next renewal changes the plan.
    """

    status: str
    renews_at: str | None
    ends_at: str | UnsetType = UNSET
    next_plan: str | UnsetType = UNSET


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Rule M12. Minutes are numbers; `projected_minutes` is null early in the period."""

    period_start: str
    period_end: str
    calls_counted: int
    calls_included: int
    minutes_used: int | float
    minutes_included: int | float
    minutes_remaining: int | float
    projected_minutes: int | float | None
    cost_by_call_type_micros: dict[str, int]


class AutoRefillView(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool
    amount_micros: int | None
    threshold_micros: int
    payment_method_id: str | None
    monthly_limit_micros: int | None
    paused: bool
    in_flight: bool


class AccountSnapshot(Fact, frozen=True, kw_only=True, tag="account-snapshot"):
    """The state of the account after a change. `version` counts the changes."""

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
    open_calls: int

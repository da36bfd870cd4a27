"""Facts: the events that the engine publishes, with the contract's names, and the topics of each.

Times are RFC 3339 text; money is micros with `currency` beside it. UNSET fields are left out; None is null. An `id` is
derived from the account and the subject of the fact, never from a clock or a random number, so the same log always
gives the same bytes.
"""

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line of a receipt. `quantity` counts calls or minutes; the amounts of all lines sum to the charge."""

    kind: str
    quantity: int | float
    unit_amount_micros: int
    amount_micros: int


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    topics: ClassVar[tuple[str, ...]]
    id: str
    account_id: str
    occurred_at: str
    caused_by: str


class Buyer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who an invoice is for, as `billing-details-set` gave it. A field that was not given is left out. Rule B9."""

    name: str | UnsetType = UNSET
    address: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    tax_id: str | UnsetType = UNSET


class CallAdmitted(Fact, frozen=True, kw_only=True, tag="call-admitted"):
    """Rule C8: the call may connect with `features_enabled`, and `hold_micros` is held for it (rule C9)."""

    topics: ClassVar[tuple[str, ...]] = ("call-decisions",)
    call_id: str
    reason: str
    features_enabled: tuple[str, ...]
    hold_micros: int
    currency: str
    direction: str
    from_: str | UnsetType = msgspec.field(name="from", default=UNSET)
    to: str | UnsetType = UNSET


REFUSED = "refused"


class CallRedirected(Fact, frozen=True, kw_only=True, tag="call-redirected"):
    """The call does not connect. Of a start that was refused (`REFUSED`), fields that are missing or not valid are null
    or left out (rule X2).
    """

    topics: ClassVar[tuple[str, ...]] = ("call-decisions",)
    occurred_at: str | None  # type: ignore[assignment]  # null in this fact alone
    caused_by: str | None  # type: ignore[assignment]  # null in this fact alone
    call_id: str
    reason: str
    redirect_to: str | UnsetType = UNSET
    direction: str | UnsetType = UNSET
    from_: str | UnsetType = msgspec.field(name="from", default=UNSET)
    to: str | UnsetType = UNSET


class MinutesReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a call was rated on a minutes plan, in exact units: milliseconds, and micros per minute. Rules M2 to M4.

    `used_before_ms` is what the period had used before the call, `rated_ms` the billable time in whole increments, and
    `from_pool_ms` the included part of it.
    """

    pool_ms: int
    used_before_ms: int
    rated_ms: int
    from_pool_ms: int
    rate_micros: int
    increment_first_s: int
    increment_next_s: int


class LegReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The end in force of one leg of a call. `leg_id` is left out for the leg of the ends without one. Rule L1."""

    leg_id: str | UnsetType = UNSET
    direction: str
    started_at: str
    answered_at: str | None
    ended_at: str
    outcome: str
    real: bool
    features_used: tuple[str, ...]


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a charge was computed from (rule G11). Computing it again gives the same amount, without the plan catalogue.

    `lines` and `amount_micros` are the call's whole charge as it now stands, even in an adjustment. `cap_micros` and
    `calls_included` exist on credits plans, `minutes` on minutes plans. `unrounded_micros` is the sum of the lines
    before rounding, after the cap; where minutes cost a fraction of a micro, it is rounded down. `legs` are the legs
    that have ended, in the order of rule L2, of a call that was reported by legs: the times, the outcome and the
    features are then those of the whole call. `longest_call_ms` is there when the billable time was cut to it (rule
    G7).
    """

    lines: tuple[Line, ...]
    unrounded_micros: int
    amount_micros: int
    cap_micros: int | UnsetType = UNSET
    charge_quantum_micros: int
    calls_included: int | UnsetType = UNSET
    started_at: str
    answered_at: str | None
    ended_at: str
    outcome: str
    real: bool
    gate: str
    features_active: tuple[str, ...]
    features_used: tuple[str, ...]
    input_ids: tuple[str, ...]
    minutes: MinutesReceipt | UnsetType = UNSET
    legs: tuple[LegReceipt, ...] | UnsetType = UNSET
    longest_call_ms: int | UnsetType = UNSET


class Charge(Fact, frozen=True, kw_only=True):
    """What a call costs. Rules G11 and P4. `billable_ms` is the time from answer to end, at most the longest call of
    the plan. `reported_ms` is the whole time of a call that counts and was longer (rule G7).

    `ordinal` is the call's place in its period on a credits plan. `minutes_before` and `minutes_after` are what the
    period had used on a minutes plan, without this call and with it.
    """

    topics: ClassVar[tuple[str, ...]] = ("charges",)
    call_id: str
    amount_micros: int
    currency: str
    lines: tuple[Line, ...]
    wallet_micros: int
    card_micros: int
    balance_before_micros: int
    balance_after_micros: int
    plan: str
    plan_version: int
    direction: str
    period_start: str
    billable_ms: int
    receipt: Receipt
    ordinal: int | UnsetType = UNSET
    minutes_before: int | float | UnsetType = UNSET
    minutes_after: int | float | UnsetType = UNSET
    reported_ms: int | UnsetType = UNSET


class CallCharged(Charge, frozen=True, kw_only=True, tag="call-charged"):
    pass


class ChargeAdjusted(Charge, frozen=True, kw_only=True, tag="charge-adjusted"):
    """The difference to an earlier charge, positive when the call now costs more. Rules G6 and C18."""

    adjusts: str
    reason: str


class RefillRequested(Fact, frozen=True, kw_only=True, tag="refill-requested"):
    topics: ClassVar[tuple[str, ...]] = ("refills",)
    refill_id: str
    payment_id: str
    amount_micros: int
    currency: str
    payment_method_id: str


class RefillSucceeded(Fact, frozen=True, kw_only=True, tag="refill-succeeded"):
    topics: ClassVar[tuple[str, ...]] = ("refills",)
    refill_id: str
    payment_id: str
    amount_micros: int
    currency: str


class PaymentRequested(Fact, frozen=True, kw_only=True, tag="payment-requested"):
    """`payment_id` is the idempotency key. `refund_of` of a refund is the payment that it refunds."""

    topics: ClassVar[tuple[str, ...]] = ("payment-requests",)
    payment_id: str
    purpose: str
    amount_micros: int
    currency: str
    payment_method_id: str
    token: str
    refund_of: str | UnsetType = UNSET


class LedgerEntryPosted(Fact, frozen=True, kw_only=True, tag="ledger-entry-posted"):
    """One movement of a balance. `reference` is the call, purchase, refill or grant that caused it."""

    topics: ClassVar[tuple[str, ...]] = ("ledger-entries",)
    entry_id: str
    kind: str
    amount_micros: int
    currency: str
    balance_after_micros: int
    reference: str


def fact_type(kind: type[Fact]) -> str:
    """The contract's name of a type of fact."""
    return str(kind.__struct_config__.tag)


def call_in_id(call_id: str) -> str:
    """The call as fact ids and references name it, with `%` and `/` written `%25` and `%2F`. Such an id has parts
    between slashes, and two calls never have the same one.
    """
    if "%" not in call_id and "/" not in call_id:
        return call_id
    return call_id.replace("%", "%25").replace("/", "%2F")


_encoder = msgspec.json.Encoder()

# The flat JSON of the contract, always the same bytes for the same fact.
encode_fact = _encoder.encode

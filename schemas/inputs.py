"""Inputs: everything that can happen to an account, as values checked field by field.

Names and types are the contract's; attributes ending in `_ms` hold a time of the wire in milliseconds. Unknown fields
are ignored, and null in an optional field means left out. A wrong field raises `msgspec.ValidationError` that names it.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import field

from schemas.instant import Instant
from schemas.money import AMOUNT_LIMIT_MICROS
from schemas.zones import is_zone

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:+@-]{1,128}\Z")]
# What SIP's Call-ID may hold: printable ASCII without space. Legs are named alike.
CallId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,128}\Z")]
# A purchase, or the `refill_id` of a refill: ids that the rules make have their parts between slashes.
PurchaseOrRefillId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:+@/-]{1,512}\Z")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
# Text that a fact repeats or that changes nothing. No row keeps it, so its bound is the size of an input.
Text = Annotated[str, msgspec.Meta(max_length=65_536)]
ProviderReference = Annotated[str, msgspec.Meta(max_length=1024)]
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Amount = Annotated[int, msgspec.Meta(gt=0, lt=AMOUNT_LIMIT_MICROS)]
SignedAmount = Annotated[int, msgspec.Meta(gt=-AMOUNT_LIMIT_MICROS, lt=AMOUNT_LIMIT_MICROS)]
AmountOrZero = Annotated[int, msgspec.Meta(ge=0, lt=AMOUNT_LIMIT_MICROS)]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")]
Email = Annotated[str, msgspec.Meta(pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}\Z")]

# Text for an invoice: no control characters. An address has one to six lines.
BillingText = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
BillingAddress = Annotated[
    str, msgspec.Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*(\n[^\x00-\x1f\x7f-\x9f]*){0,5}\Z")
]
BillingCountry = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2})?\Z")]

Direction = Literal["inbound", "outbound", "web"]
CallFeature = Literal["live_agent", "appointment_booking"]
Feature = Literal["appointment_booking", "extra_calls", "live_agent"]
CallOutcome = Literal["completed", "no_answer", "busy", "failed", "canceled", "redirected"]
Brand = Literal["visa", "mastercard", "american_express", "discover"]

ALL_ACCOUNTS = "*"


class Input(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """The fields of every input. An `id` is unique per account and class, and takes effect at most once (rule G4)."""

    id: Id
    account_id: Id
    occurred_at_ms: Instant = field(name="occurred_at")


class CallStarted(Input, frozen=True, kw_only=True, tag="call-started"):
    call_id: CallId
    direction: Direction
    from_: Text | None = field(name="from", default=None)
    to: Text | None = None
    leg_id: CallId | None = None


class CallEnded(Input, frozen=True, kw_only=True, tag="call-ended"):
    """`occurred_at` is the end. `answered_at` is null for a call that was not answered (rule G7). Ends of one `call_id`
    with different `leg_id`s are one call (rule G15).
    """

    call_id: CallId
    direction: Direction
    started_at_ms: Instant = field(name="started_at")
    answered_at_ms: Instant | None = field(name="answered_at")
    outcome: CallOutcome
    features: tuple[CallFeature, ...] | None = None
    real: bool | None = None
    leg_id: CallId | None = None

    def __post_init__(self) -> None:
        answered = self.answered_at_ms
        if answered is not None and answered < self.started_at_ms:
            raise ValueError("`answered_at` is before `started_at`")
        if self.occurred_at_ms < (self.started_at_ms if answered is None else answered):
            raise ValueError(
                f"`occurred_at`, the end, is before `{'started_at' if answered is None else 'answered_at'}`"
            )


class CallReclassified(Input, frozen=True, kw_only=True, tag="call-reclassified"):
    call_id: CallId
    real: bool
    reason: Text | None = None
    actor: Text | None = None


class AccountOpened(Input, frozen=True, kw_only=True, tag="account-opened"):
    """`occurred_at` is the signup, from which billing periods are counted. The first fee and the first invoice are
    those of the first period that begins at or after `billing_from` (rule G3).
    """

    plan: Name
    currency: Currency | None = None
    time_zone: Name | None = None
    billing_email: Email | None = None
    billing_from_ms: Instant | None = field(name="billing_from", default=None)

    def __post_init__(self) -> None:
        if self.time_zone is not None and not is_zone(self.time_zone):
            raise ValueError("`time_zone` is not in the IANA time zone database: expected one such as `Europe/Berlin`")


class FeatureSet(Input, frozen=True, kw_only=True, tag="feature-set"):
    feature: Feature
    enabled: bool


class RedirectSet(Input, frozen=True, kw_only=True, tag="redirect-set"):
    redirect_to: Reference


class AutoRefillSet(Input, frozen=True, kw_only=True, tag="auto-refill-set"):
    """Fields that are left out keep their values (rule P9)."""

    enabled: bool
    amount_micros: Amount | None = None
    threshold_micros: SignedAmount | None = None
    payment_method_id: Id | None = None
    monthly_limit_micros: AmountOrZero | None = None


class AlertThresholdsSet(Input, frozen=True, kw_only=True, tag="alert-thresholds-set"):
    thresholds_micros: Annotated[tuple[SignedAmount, ...], msgspec.Meta(max_length=16)]


class CreditsPurchaseRequested(Input, frozen=True, kw_only=True, tag="credits-purchase-requested"):
    purchase_id: Id
    amount_micros: Amount
    payment_method_id: Id | None = None


class CreditsGranted(Input, frozen=True, kw_only=True, tag="credits-granted"):
    """Credits added by hand, with actor and reason; a negative amount takes credits back (rule C17)."""

    grant_id: Id
    amount_micros: SignedAmount
    reason: Text
    actor: Text

    def __post_init__(self) -> None:
        if self.amount_micros == 0:
            raise ValueError("`amount_micros` of a grant must not be 0")


class CreditsRefundRequested(Input, frozen=True, kw_only=True, tag="credits-refund-requested"):
    """`purchase_id` is that of a purchase, or the `refill_id` of a refill (rule P13)."""

    purchase_id: PurchaseOrRefillId


class PaymentMethodAdded(Input, frozen=True, kw_only=True, tag="payment-method-added"):
    payment_method_id: Id
    token: Reference
    brand: Brand
    last4: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}\Z")]
    exp_month: Annotated[int, msgspec.Meta(ge=1, le=12)]
    exp_year: Annotated[int, msgspec.Meta(ge=2000, le=9999)]


class PaymentMethodRemoved(Input, frozen=True, kw_only=True, tag="payment-method-removed"):
    payment_method_id: Id


class PaymentMethodDefaulted(Input, frozen=True, kw_only=True, tag="payment-method-defaulted"):
    payment_method_id: Id


class BillingEmailSet(Input, frozen=True, kw_only=True, tag="billing-email-set"):
    billing_email: Email


class BillingDetailsSet(Input, frozen=True, kw_only=True, tag="billing-details-set"):
    """Replaces all four fields of the buyer on invoices: one that is left out, null or empty is cleared (rule B9)."""

    name: BillingText | None = None
    address: BillingAddress | None = None
    country: BillingCountry | None = None
    tax_id: BillingText | None = None


class PlanChangeRequested(Input, frozen=True, kw_only=True, tag="plan-change-requested"):
    plan: Name


class SubscriptionCancelRequested(Input, frozen=True, kw_only=True, tag="subscription-cancel-requested"):
    reason: Text | None = None


class SubscriptionResumeRequested(Input, frozen=True, kw_only=True, tag="subscription-resume-requested"):
    pass


class PhoneNumberAdded(Input, frozen=True, kw_only=True, tag="phone-number-added"):
    """A number with a monthly fee. A number that the account already has gets the new fee (rule M13)."""

    number: Name
    monthly_fee_micros: AmountOrZero


class PhoneNumberRemoved(Input, frozen=True, kw_only=True, tag="phone-number-removed"):
    number: Name


class TaxRateSet(Input, frozen=True, kw_only=True, tag="tax-rate-set"):
    """The tax rate in parts per million: 82 500 is 8.25 % (rule M13)."""

    rate_ppm: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class PaymentSucceeded(Input, frozen=True, kw_only=True, tag="payment-succeeded"):
    payment_id: Reference
    provider_reference: ProviderReference | None = None


class PaymentDeclined(Input, frozen=True, kw_only=True, tag="payment-declined"):
    payment_id: Reference
    reason: Text
    retryable: bool


ReversalKind = Literal["dispute", "dispute_won", "refund", "refund_failed"]


class PaymentReversed(Input, frozen=True, kw_only=True, tag="payment-reversed"):
    """Money of an answered payment moved again at the provider: `dispute` and `refund` take it from us, `dispute_won`
    and `refund_failed` give it back. `amount_micros` is this report's own amount; reports of one payment add up (rule
    R1).
    """

    payment_id: Reference
    amount_micros: Amount
    kind: ReversalKind
    provider_reference: ProviderReference | None = None


class ClockTicked(Input, frozen=True, kw_only=True, tag="clock-ticked"):
    """Advances the clock of a partition, for all its accounts (rule G2)."""

    account_id: Literal["*"]


AnyInput = (
    CallStarted
    | CallEnded
    | CallReclassified
    | AccountOpened
    | FeatureSet
    | RedirectSet
    | AutoRefillSet
    | AlertThresholdsSet
    | CreditsPurchaseRequested
    | CreditsGranted
    | CreditsRefundRequested
    | PaymentMethodAdded
    | PaymentMethodRemoved
    | PaymentMethodDefaulted
    | BillingEmailSet
    | BillingDetailsSet
    | PhoneNumberAdded
    | PhoneNumberRemoved
    | TaxRateSet
    | PlanChangeRequested
    | SubscriptionCancelRequested
    | SubscriptionResumeRequested
    | PaymentSucceeded
    | PaymentDeclined
    | PaymentReversed
    | ClockTicked
)


def moves_money(type_name: str) -> bool:
    """Whether inputs of this type must be signed when signing keys are set, because they move money without a call.

    A tick makes renewals and retries due, which charge cards (rule G2). A payment method alone moves no money.
    """
    return type_name in _SIGNED


_SIGNED = frozenset({"payment-succeeded", "payment-declined", "payment-reversed", "credits-granted", "clock-ticked"})


# The same as types. An `id` is unique per account within these, and within all others (rule G4): a system that may only
# report calls cannot use up the id of a payment's answer.
SIGNED_INPUTS = frozenset(kind for kind in AnyInput.__args__ if moves_money(str(kind.__struct_config__.tag)))


def input_type(event: Input) -> str:
    """The contract's name of an input's type."""
    return str(event.__struct_config__.tag)

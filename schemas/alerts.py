"""Alerts: what a person should know. Rules A1 and A2.

An alert for the owner carries where to send it and the owner's time zone; one for the operator does not.
"""

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from schemas.facts import Fact

INFO = "info"
WARNING = "warning"
CRITICAL = "critical"

OWNER = "owner"
OPERATOR = "operator"


class Alert(Fact, frozen=True, kw_only=True):
    topics: ClassVar[tuple[str, ...]] = ("alerts",)
    severity: str
    audience: str
    billing_email: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET


class CardAlert(Alert, frozen=True, kw_only=True):
    """An alert about a card. `brand` and `last4` are left out where no card was asked. Rule A2."""

    amount_micros: int
    currency: str
    brand: str | UnsetType = UNSET
    last4: str | UnsetType = UNSET


class BalanceLow(Alert, frozen=True, kw_only=True, tag="balance-low"):
    threshold_micros: int
    balance_micros: int
    currency: str


class FundsNeeded(Alert, frozen=True, kw_only=True, tag="funds-needed"):
    redirected_calls: int


class PurchaseDeclined(CardAlert, frozen=True, kw_only=True, tag="purchase-declined"):
    purchase_id: str
    reason: str


class RefillDeclined(CardAlert, frozen=True, kw_only=True, tag="refill-declined"):
    """One fact on two topics, with the same id (rule P19). `retry_at` is left out when no retry follows."""

    topics: ClassVar[tuple[str, ...]] = ("refills", "alerts")
    refill_id: str
    payment_id: str
    reason: str
    retry_at: str | UnsetType = UNSET


class RefillPaused(CardAlert, frozen=True, kw_only=True, tag="refill-paused"):
    """One fact on two topics, with the same id (rule P19). Only a pause after a decline names the card."""

    topics: ClassVar[tuple[str, ...]] = ("refills", "alerts")
    refill_id: str
    reason: str


class RefillUnresolved(CardAlert, frozen=True, kw_only=True, tag="refill-unresolved"):
    refill_id: str
    payment_id: str


class SubscriptionPaymentDeclined(CardAlert, frozen=True, kw_only=True, tag="subscription-payment-declined"):
    """Rule M6. `reason` is the provider's, or `no_payment_method` when there was no card: then no payment was
    requested, and there is no `payment_id`. `retry_at` is the end of the wait that begins with this decline. There is
    one exactly where the severity is `warning`.
    """

    purpose: str
    reason: str
    payment_id: str | UnsetType = UNSET
    invoice_id: str | UnsetType = UNSET
    retry_at: str | UnsetType = UNSET


class PaymentReversedAlert(CardAlert, frozen=True, kw_only=True, tag="payment-reversed"):
    """Rule R9. `amount_micros` is what the provider reported, whatever of it counted. The input has the same `type`."""

    payment_id: str
    kind: str


class PaymentContradicted(CardAlert, frozen=True, kw_only=True, tag="payment-contradicted"):
    """The provider gave a second, different answer to a payment (rule P7)."""

    payment_id: str


class BillingEmailChanged(Alert, frozen=True, kw_only=True, tag="billing-email-changed"):
    """Goes to the former address, so that an owner notices a change that somebody else made. Rule A1."""

    new_billing_email: str


class CallStuck(Alert, frozen=True, kw_only=True, tag="call-stuck"):
    call_id: str
    hold_micros: int
    currency: str


class CallOverlong(Alert, frozen=True, kw_only=True, tag="call-overlong"):
    """A call that counts lasted longer than its plan's longest call; the time beyond is not charged. Rule G7."""

    call_id: str
    reported_ms: int


class PlanCost(msgspec.Struct, frozen=True):
    """What the same calls would have cost on another plan, its monthly price included."""

    plan: str
    cost_micros: int


class UpgradeSuggested(Alert, frozen=True, kw_only=True, tag="upgrade-suggested"):
    """Rule C16. `cost_micros` is what the period's calls cost on the account's own plan."""

    period_start: str
    calls: int
    cost_micros: int
    other_plans: tuple[PlanCost, ...]
    currency: str

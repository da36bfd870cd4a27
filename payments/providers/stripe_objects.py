"""The fields that are read of Stripe's objects, and the payment outcome that each object means. Pure."""

import msgspec

from payments.outcome import Declined, Outcome, Pending, Succeeded
from payments.providers.declines import AUTHENTICATION_REQUIRED, classify_decline
from schemas.instant import DAY_MS, SECOND_MS

# How long a payment waits for its customer to confirm it. After that it is canceled.
ACTION_LIFE_MS = DAY_MS


class Charge(msgspec.Struct, frozen=True):
    created: int


class CardFault(msgspec.Struct, frozen=True):
    """An error about a card: Stripe's codes. Its message is not read, because it may contain personal data."""

    type: str = "card_error"
    code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent. `created` in seconds since 1970; `latest_charge` is an id unless it was expanded."""

    id: str
    status: str
    created: int
    latest_charge: Charge | str | None = None
    last_payment_error: CardFault | None = None
    cancellation_reason: str | None = None

    @property
    def at_ms(self) -> int:
        """When the card was last tried; when the intent was created if that is not known."""
        charge = self.latest_charge
        return (charge.created if isinstance(charge, Charge) else self.created) * SECOND_MS


class CardError(CardFault, frozen=True):
    """The body of a 402: the issuer's error, and the PaymentIntent that it belongs to."""

    payment_intent: Intent | None = None


class Refund(msgspec.Struct, frozen=True):
    """`created` in seconds since 1970; `amount` in minor units of `currency`. `balance_transaction` is an id."""

    id: str
    status: str | None
    created: int
    amount: int
    currency: str
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None
    balance_transaction: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the adapter made it, for a refund that the wallet requested."""
        return "payment_id" in (self.metadata or {})

    @property
    def has_failed(self) -> bool:
        return self.status in {"failed", "canceled"}


def classify_card_error(error: CardError) -> Declined:
    """The outcome of a payment whose card was declined."""
    reason, retryable = classify_decline(error.type, error.code, error.decline_code, error.advice_code)
    intent = error.payment_intent
    return Declined(reason, retryable) if intent is None else Declined(reason, retryable, intent.id, intent.at_ms)


def classify_intent(intent: Intent) -> Outcome | None:
    """The outcome of a payment; None if its card was never tried."""
    match intent.status:
        case "succeeded":
            return Succeeded(intent.id, intent.at_ms)
        case "canceled":
            reason = intent.cancellation_reason or "canceled"
            return Declined(f"canceled: {reason}", retryable=False, reference=intent.id, at_ms=intent.at_ms)
        case "requires_payment_method" if intent.last_payment_error is not None:
            fault = intent.last_payment_error
            reason, retryable = classify_decline(fault.type, fault.code, fault.decline_code, fault.advice_code)
            return Declined(reason, retryable, intent.id, intent.at_ms)
        case "requires_payment_method" | "requires_confirmation":
            return None
        case _:  # processing, requires_action, requires_capture, and statuses that Stripe may add
            return Pending(intent.id)


def is_abandoned(intent: Intent, now_ms: int) -> bool:
    """Whether the customer has not confirmed the payment in time, so that it must be canceled."""
    return intent.status == "requires_action" and now_ms - intent.created * SECOND_MS > ACTION_LIFE_MS


def decline_abandoned(intent: Intent) -> Declined:
    """The outcome of a payment that was canceled because the customer did not confirm it."""
    reason = f"{AUTHENTICATION_REQUIRED}: the customer did not confirm the payment within a day"
    return Declined(reason, retryable=False, reference=intent.id, at_ms=intent.at_ms)


def classify_refund(refund: Refund) -> Outcome:
    match refund.status:
        case "succeeded":
            return Succeeded(refund.id, refund.created * SECOND_MS)
        case "failed" | "canceled":
            reason = f"refund {refund.status}: {refund.failure_reason or 'no reason given'}"
            return Declined(reason, retryable=False, reference=refund.id, at_ms=refund.created * SECOND_MS)
        case _:  # pending, requires_action
            return Pending(refund.id)

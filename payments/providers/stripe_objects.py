"""The fields that are read of Stripe's objects, and the payment outcome that each object means. Pure."""

from typing import Literal

import msgspec

from payments.outcome import Declined, Outcome, Pending, Refused, Succeeded
from payments.providers.declines import AUTHENTICATION_REQUIRED, classify_decline
from schemas.instant import SECOND_MS

# The reason under which the adapter cancels a PaymentIntent that waits for the card's holder.
UNCONFIRMED: Literal["abandoned"] = "abandoned"


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


def classify_card_error(error: CardError) -> Declined | Refused:
    """The outcome of a payment that Stripe refused with a 402."""
    decline = classify_decline(error.type, error.code, error.decline_code, error.advice_code)
    intent = error.payment_intent
    if decline is None:
        return _refusal(error, spent=error.type != "card_error" and intent is None)
    reason, retryable = decline
    return Declined(reason, retryable) if intent is None else Declined(reason, retryable, intent.id, intent.at_ms)


def _refusal(fault: CardFault, *, spent: bool = False) -> Refused:
    """An error that is not known to be about the card. The card is not tried again: the issuer may have declined it."""
    detail = f"{fault.type}, code {fault.code}, decline code {fault.decline_code}"
    return Refused(detail, "code" if fault.type == "card_error" else "request", spent)


def classify_intent(intent: Intent) -> Outcome | None:
    """The outcome of a payment; None if its card was never tried, or failed to be tried for no reason of its own."""
    match intent.status:
        case "succeeded":
            return Succeeded(intent.id, intent.at_ms)
        case "canceled" if intent.cancellation_reason == UNCONFIRMED:
            return decline_unconfirmed(intent)
        case "canceled":
            reason = intent.cancellation_reason or "canceled"
            return Declined(f"canceled: {reason}", retryable=False, reference=intent.id, at_ms=intent.at_ms)
        case "requires_payment_method" if intent.last_payment_error is not None:
            return _classify_fault(intent, intent.last_payment_error)
        case "requires_payment_method" | "requires_confirmation":
            return None
        case _:  # processing, requires_capture, and statuses that Stripe may add
            return Pending(intent.id)


def _classify_fault(intent: Intent, fault: CardFault) -> Declined | Refused | None:
    decline = classify_decline(fault.type, fault.code, fault.decline_code, fault.advice_code)
    if decline is not None:
        reason, retryable = decline
        return Declined(reason, retryable, intent.id, intent.at_ms)
    return _refusal(fault) if fault.type == "card_error" else None


def decline_unconfirmed(intent: Intent) -> Declined:
    """The outcome of a payment that was canceled because the card's holder would have to confirm it."""
    return Declined(AUTHENTICATION_REQUIRED, retryable=False, reference=intent.id, at_ms=intent.at_ms)


def classify_refund(refund: Refund) -> Outcome:
    match refund.status:
        case "succeeded":
            return Succeeded(refund.id, refund.created * SECOND_MS)
        case "failed" | "canceled":
            reason = f"refund {refund.status}: {refund.failure_reason or 'no reason given'}"
            return Declined(reason, retryable=False, reference=refund.id, at_ms=refund.created * SECOND_MS)
        case _:  # pending, requires_action
            return Pending(refund.id)

"""What is read of Stripe's objects, and what it means for a payment. Pure."""

import msgspec

from payments.declines import AUTHENTICATION_REQUIRED, judge_decline
from payments.outcome import Declined, Outcome, Pending, Succeeded
from schemas.instant import DAY_MS, SECOND_MS

# A customer who has not confirmed a card by then will not; until then the payment may still go through.
ACTION_LIFE_MS = DAY_MS


class Charge(msgspec.Struct, frozen=True):
    created: int


class CardFault(msgspec.Struct, frozen=True):
    """An error about a card. Codes are Stripe's; its message may name what is nobody's business."""

    type: str = "card_error"
    code: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None


class Intent(msgspec.Struct, frozen=True):
    """A PaymentIntent. `created` in seconds since 1970; the charge is an id where it was not expanded."""

    id: str
    status: str
    created: int
    latest_charge: Charge | str | None = None
    last_payment_error: CardFault | None = None
    cancellation_reason: str | None = None

    @property
    def at_ms(self) -> int:
        """When the card was last tried, as far as it is known."""
        charge = self.latest_charge
        return (charge.created if isinstance(charge, Charge) else self.created) * SECOND_MS


class CardError(CardFault, frozen=True):
    """The body of a 402: what the issuer said, and the PaymentIntent that it was said about."""

    payment_intent: Intent | None = None


class Refund(msgspec.Struct, frozen=True):
    id: str
    status: str | None
    created: int
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None


def judge_error(error: CardError) -> Declined:
    """What a declined card means for the payment."""
    reason, retryable = judge_decline(error.type, error.code, error.decline_code, error.advice_code)
    intent = error.payment_intent
    return Declined(reason, retryable) if intent is None else Declined(reason, retryable, intent.id, intent.at_ms)


def judge_intent(intent: Intent) -> Outcome | None:
    """What became of a payment; None when nothing has, because its card was never tried."""
    match intent.status:
        case "succeeded":
            return Succeeded(intent.id, intent.at_ms)
        case "canceled":
            reason = intent.cancellation_reason or "canceled"
            return Declined(f"canceled: {reason}", retryable=False, reference=intent.id, at_ms=intent.at_ms)
        case "requires_payment_method" if intent.last_payment_error is not None:
            fault = intent.last_payment_error
            reason, retryable = judge_decline(fault.type, fault.code, fault.decline_code, fault.advice_code)
            return Declined(reason, retryable, intent.id, intent.at_ms)
        case "requires_payment_method" | "requires_confirmation":
            return None
        case _:  # processing, requires_action, requires_capture, and what Stripe may add
            return Pending(intent.id)


def given_up(intent: Intent, now_ms: int) -> bool:
    """Whether it has waited for its customer long enough and is to be canceled."""
    return intent.status == "requires_action" and now_ms - intent.created * SECOND_MS > ACTION_LIFE_MS


def abandoned(intent: Intent) -> Declined:
    """A payment that was canceled because its customer never confirmed it."""
    reason = f"{AUTHENTICATION_REQUIRED}: the customer did not confirm the payment within a day"
    return Declined(reason, retryable=False, reference=intent.id, at_ms=intent.at_ms)


def judge_refund(refund: Refund) -> Outcome:
    match refund.status:
        case "succeeded":
            return Succeeded(refund.id, refund.created * SECOND_MS)
        case "failed" | "canceled":
            reason = f"refund {refund.status}: {refund.failure_reason or 'no reason given'}"
            return Declined(reason, retryable=False, reference=refund.id, at_ms=refund.created * SECOND_MS)
        case _:  # pending, requires_action
            return Pending(refund.id)

"""What an error of Stripe's SDK means: the refusals that decline no card. Decision 0052.

Stripe's messages are never passed on, because they may contain a token: only codes, statuses and the names of errors.
"""

from collections.abc import Awaitable
from typing import TypeVar

import aiohttp
import msgspec
import stripe

from payments.outcome import Declined, Refused, Unknown
from payments.providers.declines import REFUND_DECLINES

# The object changed concurrently and may have been paid meanwhile.
CONFLICTS = frozenset({"payment_intent_unexpected_state", "lock_timeout", "idempotency_key_in_use"})
Answer = TypeVar("Answer")


async def respond(request: Awaitable[Answer]) -> Answer | Unknown:
    """What Stripe responds; Unknown if it does not, or not clearly; Refused if it refuses."""
    try:
        return await request
    except stripe.StripeError as error:
        return classify_error(error)
    except (aiohttp.ClientError, TimeoutError, msgspec.ValidationError) as error:
        return Unknown(type(error).__name__)


def classify_error(error: stripe.StripeError, *, executed: bool = False) -> Unknown:
    """An error that declines nothing. `executed`: it is Stripe's response to a request that would have moved money."""
    code = error.error.code if error.error is not None else error.code
    detail = f"{type(error).__name__}, status {error.http_status}, code {code}"
    if code in CONFLICTS or isinstance(error, stripe.APIConnectionError):
        return Unknown(detail)
    match error:
        case stripe.AuthenticationError() | stripe.PermissionError():
            return Refused(f"{type(error).__name__}, status {error.http_status}", "access")
        case stripe.RateLimitError():
            return Refused(detail, "rate_limit")
        case stripe.IdempotencyError():
            return Refused(detail, "idempotency")
        case stripe.InvalidRequestError():
            return Refused(f"{detail}, parameter {error.param}", "request", spent=executed)
        case stripe.CardError():
            return Refused(detail, "request", spent=executed)
        case _:
            return Refused(detail, "provider")


def classify_refused_refund(error: stripe.InvalidRequestError) -> Declined | Unknown:
    """Declined if the payment has nothing left to give back; anything else is no fault of the payment."""
    if error.code in REFUND_DECLINES:
        return Declined(error.code, retryable=False)
    if error.code is None and error.param == "amount":
        # More than is left of the payment, the one fault of an amount that has no code of its own.
        return Declined("amount_exceeds_payment", retryable=False)
    return classify_error(error, executed=True)

"""Stripe, through its own SDK: one PaymentIntent for each payment id, one Refund for each refund.

What keeps a second charge away: the idempotency key, which Stripe remembers for a day; after that, and after every
outcome that was unknown, the payment is looked for by its id in Stripe's metadata before it is made.
"""

import hashlib
import re
from collections.abc import Awaitable
from typing import Any

import aiohttp
import msgspec
import stripe
from msgspec import convert

from payments.minor_units import minor_units
from payments.outcome import Declined, Outcome, ProviderRefusesError, Succeeded, Unknown
from payments.payment import Payment
from payments.stripe_objects import (
    CardError,
    Intent,
    Refund,
    abandoned,
    given_up,
    judge_error,
    judge_intent,
    judge_refund,
)
from schemas.instant import HOUR_MS

# Stripe forgets a key when it is at least 24 h old; an hour for clocks and for a request under way.
KEY_LIFE_MS = 23 * HOUR_MS
# A refund whose payment is not found is looked for again for about four minutes: Stripe's index may be a minute late.
REFUND_LOOKS_MAX = 8
REFUNDS_OF_A_PAYMENT_MAX = 100
# The object is not as we saw it a moment ago: it may have been paid meanwhile, so this is no decline.
OUT_OF_STEP = frozenset({"payment_intent_unexpected_state", "lock_timeout", "idempotency_key_in_use"})
_PLAIN_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class StripeProvider:
    """`api_base` is Stripe's own when empty. A request without an answer for `timeout_s` seconds is given up."""

    def __init__(self, api_key: str, api_base: str, timeout_s: float) -> None:
        self._http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(total=timeout_s))
        # The SDK's own retries would hide from us that an outcome was unknown for a while.
        client = stripe.StripeClient(
            api_key, base_addresses={"api": api_base} if api_base else {}, max_network_retries=0, http_client=self._http
        )
        self._intents, self._refunds = client.v1.payment_intents, client.v1.refunds

    async def ask(self, payment: Payment, refunded: str | None, now_ms: int) -> Outcome:
        units = minor_units(payment.amount_micros, payment.currency)
        if units is None:
            return Declined(f"the amount is not a whole number of the minor units of {payment.currency}", False)
        try:
            if payment.purpose == "refund":
                return await self._refund(payment, refunded, units, now_ms)
            return await self._charge(payment, units, now_ms)
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            raise ProviderRefusesError(f"{type(error).__name__}, status {error.http_status}") from error
        except stripe.StripeError as error:
            return Unknown(f"{type(error).__name__}, status {error.http_status}, code {error.code}")
        except (aiohttp.ClientError, TimeoutError, msgspec.ValidationError) as error:
            return Unknown(type(error).__name__)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    async def _charge(self, payment: Payment, units: int, now_ms: int) -> Outcome:
        intent = await self._known_intent(payment, now_ms)
        if intent is None:
            return await self._attempt(payment, self._create_intent(payment, units))
        if given_up(intent, now_ms):
            canceled = await self._intents.cancel_async(intent.id)
            return abandoned(convert(canceled.to_dict(), Intent))
        return judge_intent(intent) or await self._attempt(payment, self._confirm_intent(payment, intent.id))

    async def _attempt(self, payment: Payment, request: Awaitable[Any]) -> Outcome:
        """Try the card. Only here may Stripe's no be a decline: a look-up that fails says nothing about the money."""
        try:
            intent = convert((await request).to_dict(), Intent)
        except stripe.CardError as error:
            return judge_error(_body(error))
        except stripe.InvalidRequestError as error:
            return _refused(error)
        outcome = judge_intent(intent)
        if outcome is None and intent.status == "requires_confirmation":
            return await self._attempt(payment, self._confirm_intent(payment, intent.id))
        return outcome or Unknown(f"the PaymentIntent is {intent.status}")

    async def _create_intent(self, payment: Payment, units: int) -> Any:
        customer, _, method = payment.token.rpartition("/")
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": units,
            "currency": payment.currency.lower(),
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
            "off_session": True,
            "metadata": _metadata(payment),
            "expand": ["latest_charge"],
        }
        if customer:
            params["customer"] = customer
        return await self._intents.create_async(params, {"idempotency_key": idempotency_key(payment.payment_id)})

    async def _confirm_intent(self, payment: Payment, intent_id: str) -> Any:
        """For a PaymentIntent whose card was never tried: it may exist, but it has charged nothing."""
        return await self._intents.confirm_async(
            intent_id,
            {"payment_method": payment.token.rpartition("/")[2], "off_session": True, "expand": ["latest_charge"]},
            {"idempotency_key": idempotency_key(f"{payment.payment_id}/confirm")},
        )

    async def _known_intent(self, payment: Payment, now_ms: int) -> Intent | None:
        if payment.reference is not None:
            return await self._retrieve_intent(payment.reference)
        if not _must_look_first(payment, now_ms):
            return None
        try:
            return await self._find_intent(payment.payment_id)
        except stripe.InvalidRequestError:
            # Stripe has no search in some countries. While the key lives it keeps a second charge away by itself.
            if _key_may_be_gone(payment, now_ms):
                raise
            return None

    async def _retrieve_intent(self, intent_id: str) -> Intent:
        found = await self._intents.retrieve_async(intent_id, {"expand": ["latest_charge"]})
        return convert(found.to_dict(), Intent)

    async def _find_intent(self, payment_id: str) -> Intent | None:
        """By metadata; when there should be several, the one that charged the card."""
        found = await self._intents.search_async({"query": f"metadata['payment_key']:'{_search_key(payment_id)}'"})
        # The index may be behind: it tells which there are, the objects themselves how they stand.
        intents = [await self._retrieve_intent(one.id) for one in found.data]
        paid = [intent for intent in intents if isinstance(judge_intent(intent), Succeeded)]
        return next(iter(paid or intents), None)

    async def _refund(self, payment: Payment, refunded: str | None, units: int, now_ms: int) -> Outcome:
        assert payment.refund_of is not None, "a request without it was not read"
        if payment.reference is not None:
            return judge_refund(convert((await self._refunds.retrieve_async(payment.reference)).to_dict(), Refund))
        if refunded is None:
            intent = await self._find_intent(payment.refund_of)
            if intent is None:
                return _payment_not_found(payment)
            refunded = intent.id
        if _must_look_first(payment, now_ms):
            known = await self._find_refund(payment.payment_id, refunded)
            if known is not None:
                return judge_refund(known)
        try:
            return judge_refund(convert((await self._create_refund(payment, refunded, units)).to_dict(), Refund))
        except stripe.InvalidRequestError as error:
            return _refused(error)

    async def _create_refund(self, payment: Payment, refunded: str, units: int) -> Any:
        return await self._refunds.create_async(
            {"payment_intent": refunded, "amount": units, "metadata": _metadata(payment)},
            {"idempotency_key": idempotency_key(payment.payment_id)},
        )

    async def _find_refund(self, payment_id: str, refunded: str) -> Refund | None:
        found = await self._refunds.list_async({"payment_intent": refunded, "limit": REFUNDS_OF_A_PAYMENT_MAX})
        refunds = (convert(one.to_dict(), Refund) for one in found.data)
        return next((one for one in refunds if (one.metadata or {}).get("payment_id") == payment_id), None)


def idempotency_key(payment_id: str) -> str:
    """The payment id itself; its hash where it is more than a header may hold."""
    if _PLAIN_KEY.fullmatch(payment_id):
        return payment_id
    return f"sha256:{hashlib.sha256(payment_id.encode()).hexdigest()}"


def _must_look_first(payment: Payment, now_ms: int) -> bool:
    """Also after an outcome that was unknown: Stripe repeats a failure under its key, whatever became of the charge."""
    return payment.attempts > 0 or _key_may_be_gone(payment, now_ms)


def _key_may_be_gone(payment: Payment, now_ms: int) -> bool:
    return now_ms - payment.asked_from_ms > KEY_LIFE_MS


def _metadata(payment: Payment) -> dict[str, str]:
    return {
        "payment_id": payment.payment_id,
        "payment_key": _search_key(payment.payment_id),
        "account_id": payment.account_id,
        "purpose": payment.purpose,
    }


def _search_key(payment_id: str) -> str:
    """What a payment is found by: Stripe's search tells neither case apart nor has room for every character."""
    return hashlib.sha256(payment_id.encode()).hexdigest()


def _payment_not_found(payment: Payment) -> Outcome:
    if payment.attempts < REFUND_LOOKS_MAX:
        return Unknown("the payment to give back was not found")
    return Declined("the provider does not know the payment to give back", retryable=False)


def _body(error: stripe.CardError) -> CardError:
    """The error as it was on the wire. Raises msgspec.ValidationError."""
    body = error.json_body
    return convert(body.get("error") if isinstance(body, dict) else None, CardError)


def _refused(error: stripe.InvalidRequestError) -> Outcome:
    """A request that Stripe will never take. Its message may hold the token: only the code is passed on."""
    what = ", ".join(part for part in (error.code, error.param) if part) or f"status {error.http_status}"
    if error.code in OUT_OF_STEP:
        return Unknown(what)
    return Declined(f"invalid_request: {what}", retryable=False)

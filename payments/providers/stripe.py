"""Stripe, through its SDK: one PaymentIntent for each charge, one Refund for each refund.

Two things prevent a second charge. Stripe remembers the idempotency key for a day. After that day, and after every
unknown outcome, the adapter first searches Stripe's metadata for the payment id, and makes the payment only if it finds
none.
"""

import hashlib
import re
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
import msgspec
import stripe
from msgspec import convert

from payments.outcome import Declined, Outcome, ProviderAccessError, Succeeded, Unknown
from payments.payment_state import PaymentState
from payments.providers.minor_units import minor_units
from payments.providers.stripe_looks import StripeLooks
from payments.providers.stripe_objects import (
    CardError,
    Intent,
    Refund,
    classify_card_error,
    classify_intent,
    classify_refund,
    decline_abandoned,
    is_abandoned,
)
from payments.request import PaymentName
from payments.reversal import Listed, Looked
from schemas.instant import HOUR_MS

# Stripe keeps a key for at least 24 h. One hour less, for clock differences and a request in flight.
KEY_LIFE_MS = 23 * HOUR_MS
# Searches for a refund's payment, over about four minutes: Stripe's index may lag by a minute.
REFUND_SEARCHES_MAX = 8
REFUNDS_OF_A_PAYMENT_MAX = 100
# The object changed concurrently and may have been paid meanwhile, so these are no declines.
CONFLICTS = frozenset({"payment_intent_unexpected_state", "lock_timeout", "idempotency_key_in_use"})
Answer = TypeVar("Answer")
_PLAIN_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class StripeProvider:
    """An empty `api_base` means Stripe's own address. A request is abandoned after `timeout_s` seconds."""

    def __init__(self, api_key: str, api_base: str, timeout_s: float) -> None:
        self._http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(total=timeout_s))
        # Retries inside the SDK would hide that an outcome was unknown for a while.
        client = stripe.StripeClient(
            api_key, base_addresses={"api": api_base} if api_base else {}, max_network_retries=0, http_client=self._http
        )
        self._intents, self._refunds = client.v1.payment_intents, client.v1.refunds
        self._looks = StripeLooks(client)

    async def execute(self, payment: PaymentState, refunded: str | None, now_ms: int) -> Outcome:
        units = minor_units(payment.amount_micros, payment.currency)
        if units is None:
            return Declined(f"the amount is not a whole number of the minor units of {payment.currency}", False)
        if payment.purpose == "refund":
            return await _response(self._refund(payment, refunded, units, now_ms))
        return await _response(self._charge(payment, units, now_ms))

    async def look(self, payment: PaymentState, now_ms: int) -> Looked | Unknown:
        return await _response(self._looks.look(payment, now_ms))

    async def list_reversed(self, since_ms: int) -> Listed | Unknown:
        return await _response(self._looks.list_reversed(since_ms))

    async def find_payment(self, intent_id: str) -> PaymentName | Unknown | None:
        """The payment that a PaymentIntent was made for; None if it is not one of ours. Raises ProviderAccessError."""
        return await _response(self._looks.find_payment(intent_id))

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    async def _charge(self, payment: PaymentState, units: int, now_ms: int) -> Outcome:
        intent = await self._known_intent(payment, now_ms)
        if intent is None:
            return await self._try_card(payment, self._create_intent(payment, units))
        if is_abandoned(intent, now_ms):
            canceled = await self._intents.cancel_async(intent.id)
            return decline_abandoned(convert(canceled.to_dict(), Intent))
        return classify_intent(intent) or await self._try_card(payment, self._confirm_intent(payment, intent.id))

    async def _try_card(self, payment: PaymentState, request: Awaitable[Any]) -> Outcome:
        """Try the card. Only here an error of Stripe is a decline: a failed look-up shows nothing about the money."""
        try:
            intent = convert((await request).to_dict(), Intent)
        except stripe.CardError as error:
            return classify_card_error(_body(error))
        except stripe.InvalidRequestError as error:
            return _classify_invalid_request(error)
        outcome = classify_intent(intent)
        if outcome is None and intent.status == "requires_confirmation":
            return await self._try_card(payment, self._confirm_intent(payment, intent.id))
        return outcome or Unknown(f"the PaymentIntent is {intent.status}")

    async def _create_intent(self, payment: PaymentState, units: int) -> Any:
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

    async def _confirm_intent(self, payment: PaymentState, intent_id: str) -> Any:
        """For a PaymentIntent that exists but whose card was never tried, so it has charged nothing."""
        return await self._intents.confirm_async(
            intent_id,
            {"payment_method": payment.token.rpartition("/")[2], "off_session": True, "expand": ["latest_charge"]},
            {"idempotency_key": idempotency_key(f"{payment.payment_id}/confirm")},
        )

    async def _known_intent(self, payment: PaymentState, now_ms: int) -> Intent | None:
        if payment.reference is not None:
            return await self._retrieve_intent(payment.reference)
        if not _must_search_first(payment, now_ms):
            return None
        try:
            return await self._find_intent(payment.payment_id)
        except stripe.InvalidRequestError:
            # Stripe has no search in some countries. Until it expires, the key alone prevents a second charge.
            if _key_may_be_forgotten(payment, now_ms):
                raise
            return None

    async def _retrieve_intent(self, intent_id: str) -> Intent:
        found = await self._intents.retrieve_async(intent_id, {"expand": ["latest_charge"]})
        return convert(found.to_dict(), Intent)

    async def _find_intent(self, payment_id: str) -> Intent | None:
        """Search by metadata. Of several intents, the one that charged the card."""
        found = await self._intents.search_async({"query": f"metadata['payment_key']:'{_search_key(payment_id)}'"})
        # The index may lag: it gives the ids, and each object is read for its current status.
        intents = [await self._retrieve_intent(one.id) for one in found.data]
        paid = [intent for intent in intents if isinstance(classify_intent(intent), Succeeded)]
        return next(iter(paid or intents), None)

    async def _refund(self, payment: PaymentState, refunded: str | None, units: int, now_ms: int) -> Outcome:
        assert payment.refund_of is not None, "a refund without it is unreadable"
        if payment.reference is not None:
            return classify_refund(convert((await self._refunds.retrieve_async(payment.reference)).to_dict(), Refund))
        if refunded is None:
            intent = await self._find_intent(payment.refund_of)
            if intent is None:
                return _payment_not_found(payment)
            refunded = intent.id
        if _must_search_first(payment, now_ms):
            known = await self._find_refund(payment.payment_id, refunded)
            if known is not None:
                return classify_refund(known)
        try:
            return classify_refund(convert((await self._create_refund(payment, refunded, units)).to_dict(), Refund))
        except stripe.InvalidRequestError as error:
            return _classify_invalid_request(error)

    async def _create_refund(self, payment: PaymentState, refunded: str, units: int) -> Any:
        return await self._refunds.create_async(
            {"payment_intent": refunded, "amount": units, "metadata": _metadata(payment)},
            {"idempotency_key": idempotency_key(payment.payment_id)},
        )

    async def _find_refund(self, payment_id: str, refunded: str) -> Refund | None:
        found = await self._refunds.list_async({"payment_intent": refunded, "limit": REFUNDS_OF_A_PAYMENT_MAX})
        refunds = (convert(one.to_dict(), Refund) for one in found.data)
        return next((one for one in refunds if (one.metadata or {}).get("payment_id") == payment_id), None)


async def _response(request: Awaitable[Answer]) -> Answer | Unknown:
    """What Stripe responds; Unknown if it does not, or not clearly. Raises ProviderAccessError."""
    try:
        return await request
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise ProviderAccessError(f"{type(error).__name__}, status {error.http_status}") from error
    except stripe.StripeError as error:
        return Unknown(f"{type(error).__name__}, status {error.http_status}, code {error.code}")
    except (aiohttp.ClientError, TimeoutError, msgspec.ValidationError) as error:
        return Unknown(type(error).__name__)


def idempotency_key(payment_id: str) -> str:
    """The payment id itself; its hash if the id is not allowed in a header."""
    if _PLAIN_KEY.fullmatch(payment_id):
        return payment_id
    return f"sha256:{hashlib.sha256(payment_id.encode()).hexdigest()}"


def _must_search_first(payment: PaymentState, now_ms: int) -> bool:
    """Also after an unknown outcome: for a known key Stripe repeats the failure, even if the charge was made."""
    return payment.attempts > 0 or _key_may_be_forgotten(payment, now_ms)


def _key_may_be_forgotten(payment: PaymentState, now_ms: int) -> bool:
    return now_ms - payment.received_at_ms > KEY_LIFE_MS


def _metadata(payment: PaymentState) -> dict[str, str]:
    return {
        "payment_id": payment.payment_id,
        "payment_key": _search_key(payment.payment_id),
        "account_id": payment.account_id,
        "purpose": payment.purpose,
    }


def _search_key(payment_id: str) -> str:
    """The search term for a payment: a hash, as Stripe's search ignores case and does not allow every character."""
    return hashlib.sha256(payment_id.encode()).hexdigest()


def _payment_not_found(payment: PaymentState) -> Outcome:
    if payment.attempts < REFUND_SEARCHES_MAX:
        return Unknown("the payment to refund was not found")
    return Declined("the provider does not know the payment to give back", retryable=False)


def _body(error: stripe.CardError) -> CardError:
    """The error in the response body. Raises msgspec.ValidationError."""
    body = error.json_body
    return convert(body.get("error") if isinstance(body, dict) else None, CardError)


def _classify_invalid_request(error: stripe.InvalidRequestError) -> Outcome:
    """A request that Stripe rejects. Its message may contain the token, so only the codes are passed on."""
    detail = ", ".join(part for part in (error.code, error.param) if part) or f"status {error.http_status}"
    if error.code in CONFLICTS:
        return Unknown(detail)
    return Declined(f"invalid_request: {detail}", retryable=False)

"""Stripe, through its SDK: one PaymentIntent for each charge, one Refund for each refund.

Two things prevent a second charge. Stripe remembers the idempotency key for a day. After that day, and after every
unknown outcome, the adapter first searches Stripe's metadata for the payment id, and makes the payment only if it finds
none.
"""

import hashlib
import re
from collections.abc import Awaitable
from typing import Any

import aiohttp
import stripe
from msgspec import convert

from payments.outcome import Outcome, ProviderAccessError, Refused, Succeeded, Unknown
from payments.payment_state import PaymentState
from payments.providers.minor_units import minor_units
from payments.providers.stripe_looks import StripeLooks
from payments.providers.stripe_objects import (
    UNCONFIRMED,
    CardError,
    Intent,
    Refund,
    classify_card_error,
    classify_intent,
    classify_refund,
    decline_unconfirmed,
)
from payments.providers.stripe_refusals import classify_error, classify_refused_refund, respond
from payments.request import PaymentName
from payments.reversal import Listed, Looked
from schemas.instant import HOUR_MS

# Stripe keeps a key for at least 24 h. One hour less, for clock differences and a request in flight.
KEY_LIFE_MS = 23 * HOUR_MS
# Searches for a refund's payment, over about four minutes: Stripe's index may lag by a minute.
REFUND_SEARCHES_MAX = 8
REFUNDS_OF_A_PAYMENT_MAX = 100
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
        self._has_listed = False

    async def execute(self, payment: PaymentState, refunded: str | None, now_ms: int) -> Outcome:
        units = minor_units(payment.amount_micros, payment.currency)
        if units is None:
            return Refused(f"the amount is not a whole number of the minor units of {payment.currency}", "request")
        if payment.purpose == "refund":
            return await respond(self._refund(payment, refunded, units, now_ms))
        return await respond(self._charge(payment, units, now_ms))

    async def look(self, payment: PaymentState, now_ms: int) -> Looked | Unknown:
        return await respond(self._looks.look(payment, now_ms))

    async def list_reversed(self, since_ms: int) -> Listed | Unknown:
        listed = await respond(self._looks.list_reversed(since_ms))
        if isinstance(listed, Refused) and listed.why == "access" and not self._has_listed:
            # A setting that has never worked. Later it is refused and retried like any other request.
            raise ProviderAccessError(listed.detail)
        self._has_listed = self._has_listed or isinstance(listed, Listed)
        return listed

    async def find_payment(self, intent_id: str) -> PaymentName | Unknown | None:
        """The payment that a PaymentIntent was made for; None if it is not one of ours."""
        return await respond(self._looks.find_payment(intent_id))

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    async def _charge(self, payment: PaymentState, units: int, now_ms: int) -> Outcome:
        intent = await self._known_intent(payment, now_ms)
        if intent is None:
            return await self._try_card(payment, self._create_intent(payment, units))
        outcome = await self._settle(intent)
        return outcome or await self._try_card(payment, self._confirm_intent(payment, intent.id))

    async def _settle(self, intent: Intent) -> Outcome | None:
        """The outcome of a PaymentIntent; None if its card was never tried. One that waits for the card's holder is
        canceled first: nobody can confirm an off-session payment, and after its decline it must not succeed.
        """
        if intent.status != "requires_action":
            return classify_intent(intent)
        canceled = await self._intents.cancel_async(intent.id, {"cancellation_reason": UNCONFIRMED})
        return decline_unconfirmed(convert(canceled.to_dict(), Intent))

    async def _try_card(self, payment: PaymentState, request: Awaitable[Any]) -> Outcome:
        """Try the card. Only here an error of Stripe is a decline: a failed look-up shows nothing about the money."""
        try:
            intent = convert((await request).to_dict(), Intent)
        except stripe.CardError as error:
            return classify_card_error(_body(error))
        except stripe.InvalidRequestError as error:
            return classify_error(error, executed=True)
        outcome = await self._settle(intent)
        if outcome is None and intent.status == "requires_confirmation":
            return await self._try_card(payment, self._confirm_intent(payment, intent.id))
        return outcome or Refused(f"the PaymentIntent is {intent.status}", "provider", spent=True)

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
        return await self._intents.create_async(params, {"idempotency_key": request_key(payment)})

    async def _confirm_intent(self, payment: PaymentState, intent_id: str) -> Any:
        """For a PaymentIntent that exists but whose card was never tried, so it has charged nothing."""
        return await self._intents.confirm_async(
            intent_id,
            {"payment_method": payment.token.rpartition("/")[2], "off_session": True, "expand": ["latest_charge"]},
            {"idempotency_key": request_key(payment, "/confirm")},
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
            return classify_refused_refund(error)

    async def _create_refund(self, payment: PaymentState, refunded: str, units: int) -> Any:
        return await self._refunds.create_async(
            {"payment_intent": refunded, "amount": units, "metadata": _metadata(payment)},
            {"idempotency_key": request_key(payment)},
        )

    async def _find_refund(self, payment_id: str, refunded: str) -> Refund | None:
        found = await self._refunds.list_async({"payment_intent": refunded, "limit": REFUNDS_OF_A_PAYMENT_MAX})
        refunds = (convert(one.to_dict(), Refund) for one in found.data)
        return next((one for one in refunds if (one.metadata or {}).get("payment_id") == payment_id), None)


def request_key(payment: PaymentState, step: str = "") -> str:
    """The idempotency key of the next request. After a refusal it is another one: under the same key Stripe repeats
    the refusal for a day, also when its cause is removed. The refused request has moved nothing.
    """
    again = f"/again/{payment.refusals}" if payment.refusals else ""
    return idempotency_key(f"{payment.payment_id}{step}{again}")


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
    detail = "the payment to refund was not found"
    return Unknown(detail) if payment.attempts < REFUND_SEARCHES_MAX else Refused(detail, "request")


def _body(error: stripe.CardError) -> CardError:
    """The error in the response body. Raises msgspec.ValidationError."""
    body = error.json_body
    return convert(body.get("error") if isinstance(body, dict) else None, CardError)

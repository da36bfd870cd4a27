"""Adding a card in Stripe's Checkout: the card's number is typed on a page of Stripe's and never comes here.

The owner is sent to Checkout, which leads back with the Checkout session's id in the address. Anybody can write such an
address, so a card is taken only from a Checkout session that this session of the owner's page began, for this account.
In setup mode Checkout also has the bank authenticate the card for payments without its holder.
"""

import logging
import re
from base64 import b32encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Final

import aiohttp
import msgspec
import stripe

from gateway.portal.session import Session
from payments.providers.stripe_refusals import classify_error
from payments.settings import ProviderSettings
from schemas.inputs import Brand
from stream import log

logger = log.get("gateway.portal")

# Where Checkout puts the id of its session into the address that it leads back to.
ID_IN_ADDRESS: Final = "{CHECKOUT_SESSION_ID}"
_ID = re.compile(r"cs_[A-Za-z0-9_]{1,200}", re.ASCII)
_BRANDS: Final[dict[str, Brand]] = {
    "visa": "visa",
    "mastercard": "mastercard",
    "amex": "american_express",
    "discover": "discover",
}
# Letters and a few digits: so short a name in base 32 can hardly hold a run of digits that looks like a card number.
_NAME_CHARACTERS = 26
_AWAY = "Stripe does not answer right now. Nothing was added: try again in a moment."
_FOREIGN = "This card was not entered from here, or your session has ended. Start again."
_NOT_DONE = "No card was entered yet. Start again."
_OTHER_BRAND = "This card cannot be used. Add a Visa, Mastercard, American Express or Discover card."


class CheckoutError(Exception):
    """No card can be taken. The message is for the owner."""


class NewCard(msgspec.Struct, frozen=True):
    """A card that was entered in Checkout: the fields of `payment-method-added`."""

    payment_method_id: str
    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class _Card(msgspec.Struct, frozen=True):
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str | None = None


class _Method(msgspec.Struct, frozen=True):
    id: str
    card: _Card | None = None


class _Setup(msgspec.Struct, frozen=True):
    status: str
    payment_method: _Method | str | None = None


class _Entered(msgspec.Struct, frozen=True):
    """A Checkout session, as far as it is read."""

    mode: str
    status: str | None = None
    client_reference_id: str | None = None
    metadata: dict[str, str] | None = None
    customer: str | None = None
    setup_intent: _Setup | str | None = None


class Checkout:
    """Stripe's Checkout, for one request."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._sessions = client.v1.checkout.sessions

    async def begin(self, session: Session, form_id: str, done_url: str, cancel_url: str) -> str:
        """The address of a page at Stripe's where a card is entered for the account. Raises CheckoutError.

        A form that is sent twice leads to the same page. The card gets a customer of its own at Stripe, without which
        it could be charged once only.
        """
        params = setup_params(session, done_url, cancel_url)
        key = sha256(f"{session.kept_as}\n{form_id}".encode()).hexdigest()
        try:
            made = await self._sessions.create_async(params, {"idempotency_key": key})
        except (stripe.StripeError, aiohttp.ClientError, TimeoutError) as error:
            raise _failed(error) from None
        if not made.url:
            raise CheckoutError(_AWAY)
        return made.url

    async def card(self, checkout_id: str, session: Session) -> NewCard:
        """The card that was entered in a Checkout session. Raises CheckoutError."""
        if _ID.fullmatch(checkout_id) is None:
            raise CheckoutError(_FOREIGN)
        try:
            found = await self._sessions.retrieve_async(checkout_id, {"expand": ["setup_intent.payment_method"]})
            entered = msgspec.convert(found.to_dict(), _Entered)
        except stripe.InvalidRequestError:
            raise CheckoutError(_FOREIGN) from None
        except (stripe.StripeError, aiohttp.ClientError, TimeoutError, msgspec.ValidationError) as error:
            raise _failed(error) from None
        return new_card(entered, session)


def setup_params(session: Session, done_url: str, cancel_url: str) -> stripe.params.checkout.SessionCreateParams:
    """What a Checkout session is made with: cards alone, for payments without their holder."""
    return {
        "mode": "setup",
        "allowed_payment_method_types": ["card"],
        "customer_creation": "always",
        "client_reference_id": session.account_id,
        "metadata": {"account_id": session.account_id, "page_session": _bound_to(session)},
        "setup_intent_data": {"metadata": {"account_id": session.account_id}},
        "success_url": done_url,
        "cancel_url": cancel_url,
    }


def new_card(entered: _Entered, session: Session) -> NewCard:
    """The card of a Checkout session that this session of the page began. Raises CheckoutError."""
    given = entered.metadata or {}
    began = {"account_id": session.account_id, "page_session": _bound_to(session)}
    ours = entered.mode == "setup" and entered.client_reference_id == session.account_id
    if not ours or {name: given.get(name) for name in began} != began:
        raise CheckoutError(_FOREIGN)
    setup = entered.setup_intent
    if entered.status != "complete" or not isinstance(setup, _Setup) or setup.status != "succeeded":
        raise CheckoutError(_NOT_DONE)
    method = setup.payment_method
    if entered.customer is None or not isinstance(method, _Method) or method.card is None:
        raise CheckoutError(_NOT_DONE)
    card = method.card
    if card.brand not in _BRANDS:
        raise CheckoutError(_OTHER_BRAND)
    return NewCard(
        _name_of(method, session.account_id),
        f"{entered.customer}/{method.id}",
        _BRANDS[card.brand],
        card.last4,
        card.exp_month,
        card.exp_year,
    )


def _name_of(method: _Method, account_id: str) -> str:
    """The id of the card in the account: the same whenever the same card is added, so that it takes its own place."""
    assert method.card is not None
    if method.card.fingerprint is None:
        return method.id
    digest = sha256(f"{account_id}\n{method.card.fingerprint}".encode()).digest()
    return f"card-{b32encode(digest).decode()[:_NAME_CHARACTERS].lower()}"


def _bound_to(session: Session) -> str:
    """Names the session of the page at Stripe, where its secrets must not be read."""
    return sha256(f"checkout of {session.csrf}".encode()).hexdigest()


def _failed(error: Exception) -> CheckoutError:
    # Stripe's messages may name a token: they are not logged.
    detail = classify_error(error).detail if isinstance(error, stripe.StripeError) else type(error).__name__
    logger.warning("Stripe's Checkout failed", what=detail)
    return CheckoutError(_AWAY)


@asynccontextmanager
async def open_checkout(settings: ProviderSettings) -> AsyncIterator[Checkout]:
    """Cards are added so rarely that each time has connections of its own."""
    # The SDK's own log lines contain Stripe's messages.
    logging.getLogger("stripe").setLevel(logging.CRITICAL)
    timeout = aiohttp.ClientTimeout(total=settings.payments_stripe_timeout_s)
    http, base = stripe.AIOHTTPClient(timeout=timeout), settings.payments_stripe_api_base
    client = stripe.StripeClient(
        settings.payments_stripe_api_key.get_secret_value(),
        base_addresses={"api": base} if base else {},
        max_network_retries=0,
        http_client=http,
    )
    try:
        yield Checkout(client)
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

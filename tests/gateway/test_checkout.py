"""Cards that are entered in Stripe's Checkout: whose they are, and what is asked of Stripe."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import stripe

from gateway.portal.checkout import ID_IN_ADDRESS, CheckoutError, NewCard, open_checkout, setup_params
from gateway.portal.session import Session
from payments.settings import ProviderSettings
from schemas.card_number import text_holds_card_number
from tests.payments.stripe_checkout import enter_card
from tests.payments.stripe_mock import running_stripe_mock
from tests.payments.stripe_server import API_KEY, StripeServer

OURS = Session("acme", "manage", "key", 1, None, 0, csrf="secret of this page", kept_as="tg:1:gw:session")
DONE, CANCEL = f"https://billing.example.com/portal/cards/add?checkout={ID_IN_ADDRESS}", "https://billing.example.com"
FOREIGN, NOT_DONE = "was not entered from here", "No card was entered yet"


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with StripeServer() as running:
        yield running


def settings(address: str, key: str = API_KEY) -> ProviderSettings:
    given = {"payments_provider": "stripe", "payments_stripe_api_key": key, "payments_stripe_api_base": address}
    return ProviderSettings.model_validate(given)


async def begun(server: StripeServer, session: Session = OURS, form_id: str = "form-1") -> dict[str, Any]:
    """A Checkout session that the page has begun, as Stripe keeps it."""
    async with open_checkout(settings(server.url)) as checkout:
        url = await checkout.begin(session, form_id, DONE, CANCEL)
    return server.checkouts[url.rpartition("/")[2]]


async def card_of(server: StripeServer, checkout_id: str, session: Session = OURS) -> NewCard:
    async with open_checkout(settings(server.url)) as checkout:
        return await checkout.card(checkout_id, session)


async def test_a_card_of_our_own_checkout_is_taken(server: StripeServer) -> None:
    entered = enter_card(await begun(server))
    card = await card_of(server, entered["id"])
    assert (card.token, card.brand, card.last4) == ("cus_of_cs_test_1/pm_of_cs_test_1", "visa", "4242")
    assert (card.exp_month, card.exp_year) == (4, 2035)
    assert entered["client_reference_id"] == "acme"
    assert entered["success_url"] == DONE
    assert OURS.csrf not in str(entered), "Stripe must not learn what our forms are signed with"


async def test_a_form_that_is_sent_twice_opens_one_checkout(server: StripeServer) -> None:
    assert (await begun(server))["id"] == (await begun(server))["id"]
    assert (await begun(server, form_id="form-2"))["id"] == "cs_test_2"


@pytest.mark.parametrize(
    "other",
    [replace(OURS, account_id="other"), replace(OURS, csrf="another session")],
    ids=["of another account", "of another session of the page"],
)
async def test_a_card_of_a_foreign_checkout_is_refused(server: StripeServer, other: Session) -> None:
    entered = enter_card(await begun(server, other))
    with pytest.raises(CheckoutError, match=FOREIGN):
        await card_of(server, entered["id"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"client_reference_id": "other"}, FOREIGN),
        ({"client_reference_id": None}, FOREIGN),
        ({"metadata": {}}, FOREIGN),
        ({"metadata": None}, FOREIGN),
        ({"mode": "payment"}, FOREIGN),
        ({"status": "open"}, NOT_DONE),
        ({"status": "expired"}, NOT_DONE),
        ({"customer": None}, NOT_DONE),
        ({"setup_intent": None}, NOT_DONE),
        ({"setup_intent": {"status": "requires_action", "payment_method": None}}, NOT_DONE),
        ({"setup_intent": {"status": "succeeded", "payment_method": "pm_not_expanded"}}, NOT_DONE),
        ({"setup_intent": {"status": "succeeded", "payment_method": {"id": "pm_1", "card": None}}}, NOT_DONE),
    ],
)
async def test_anything_but_a_finished_checkout_of_ours_is_refused(
    server: StripeServer, changed: dict[str, Any], message: str
) -> None:
    entered = enter_card(await begun(server))
    entered |= changed
    with pytest.raises(CheckoutError, match=message):
        await card_of(server, entered["id"])


@pytest.mark.parametrize("checkout_id", ["cs_test_99", "", "../payment_intents/pi_1", "cs_1?expand=x", "pi_1", "cs_é"])
async def test_an_address_that_somebody_made_up_is_refused(server: StripeServer, checkout_id: str) -> None:
    with pytest.raises(CheckoutError, match=FOREIGN):
        await card_of(server, checkout_id)


@pytest.mark.parametrize(("brand", "known"), [("amex", "american_express"), ("jcb", None), ("unknown", None)])
async def test_only_cards_that_the_product_takes(server: StripeServer, brand: str, known: str | None) -> None:
    entered = enter_card(await begun(server), brand=brand)
    if known is None:
        with pytest.raises(CheckoutError, match="Visa, Mastercard, American Express or Discover"):
            await card_of(server, entered["id"])
    else:
        assert (await card_of(server, entered["id"])).brand == known


async def test_the_same_card_keeps_its_id(server: StripeServer) -> None:
    """So that adding it again confirms it, and replaces the card of the list; the ids tell nothing across accounts."""
    first = await card_of(server, enter_card(await begun(server))["id"])
    again = await card_of(server, enter_card(await begun(server, form_id="form-2"))["id"])
    assert first.payment_method_id == again.payment_method_id
    assert first.token != again.token
    other = replace(OURS, account_id="other")
    elsewhere = await card_of(server, enter_card(await begun(server, other, "form-3"))["id"], other)
    assert elsewhere.payment_method_id != first.payment_method_id
    assert not text_holds_card_number(first.payment_method_id)
    nameless = enter_card(await begun(server, form_id="form-4"), fingerprint=None)
    assert (await card_of(server, nameless["id"])).payment_method_id == "pm_of_cs_test_4"


@pytest.mark.parametrize("key", ["sk_test_wrong", API_KEY])
async def test_without_an_answer_of_stripe_the_owner_is_told_to_try_again(server: StripeServer, key: str) -> None:
    """A wrong key, and a Stripe that is away."""
    address = server.url if key != API_KEY else "http://127.0.0.1:1"
    async with open_checkout(settings(address, key)) as checkout:
        with pytest.raises(CheckoutError, match="try again"):
            await checkout.begin(OURS, "form-1", DONE, CANCEL)
        with pytest.raises(CheckoutError, match="try again"):
            await checkout.card("cs_test_1", OURS)


@pytest.mark.skipif(shutil.which("go") is None, reason="stripe-mock is built by Go: deploy/setup.sh tests installs it")
async def test_stripe_mock_takes_the_shape_of_our_requests(tmp_path: Path) -> None:
    """It is older than the locked SDK, and has the former name of the one parameter that was renamed since: the SDK's
    types show the new one. It answers with fixtures, of which no card is ever taken.
    """
    params: dict[str, Any] = {**setup_params(OURS, DONE, CANCEL)}
    params["payment_method_types"] = params.pop("allowed_payment_method_types")
    http = stripe.AIOHTTPClient()
    with running_stripe_mock(tmp_path / "log") as address:
        client = stripe.StripeClient("sk_test_123", base_addresses={"api": address}, http_client=http)
        made = await client.v1.checkout.sessions.create_async(cast("Any", params))
        await http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        assert made.url
        assert made.url.startswith("https://checkout.stripe.com/"), "as the page's Content-Security-Policy allows"
        async with open_checkout(settings(address, "sk_test_123")) as checkout:
            with pytest.raises(CheckoutError, match=FOREIGN):
                await checkout.card("cs_test_1", OURS)
    assert "GET /v1/checkout/sessions/cs_test_1" in (tmp_path / "log").read_text()

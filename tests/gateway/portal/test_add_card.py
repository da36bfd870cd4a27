"""Adding a card where Stripe is the provider, and where none is set."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from devkit.server import free_port
from tests.gateway.portal.stage import Owners
from tests.gateway.stage import Reply
from tests.payments.stripe_checkout import enter_card
from tests.payments.stripe_server import API_KEY, StripeServer

ADD, CHECKOUT, CARDS = "/portal/cards/add", "/portal/cards/checkout", "/portal/cards"


@pytest.fixture(scope="module")
def server() -> Iterator[StripeServer]:
    with StripeServer() as running:
        yield running


def beside(owners: Owners, **settings: Any) -> Owners:
    """The same stage behind another gateway with other settings."""
    other, port = copy.copy(owners), free_port()
    other.url = f"http://127.0.0.1:{port}"
    other.gateway = owners.stage.gateway(gateway_port=port, portal_url=other.url, **settings)
    return other


@pytest.fixture(scope="module")
def by_stripe(owners: Owners, server: StripeServer) -> Owners:
    given = {"payments_stripe_api_key": API_KEY, "payments_stripe_api_base": server.url}
    return beside(owners, payments_provider="stripe", **given)


@pytest.fixture(scope="module")
def by_nobody(owners: Owners) -> Owners:
    return beside(owners, payments_provider="")


@pytest.fixture(scope="module")
def without_key(owners: Owners) -> Owners:
    """The adapter alone has the key, say."""
    return beside(owners, payments_provider="stripe")


def text_of(reply: Reply) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", reply.body.decode()).split())


def cards_of(owners: Owners, account_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = owners.stage.get(f"/v1/accounts/{account_id}").json()["payment_methods"]
    return found


def test_a_card_is_entered_at_stripe_and_added_by_a_button(by_stripe: Owners, server: StripeServer) -> None:
    """The way back from Checkout is a GET: it shows the card, and adds nothing."""
    visitor = by_stripe.visitor(by_stripe.account("stripe-1"))
    to_stripe = visitor.send_form(ADD, CHECKOUT)
    assert to_stripe.status == 303
    name = to_stripe.headers["location"].removeprefix(f"{server.url}/pay/")
    entered = enter_card(server.checkouts[name])
    assert entered["success_url"] == f"{by_stripe.url}{ADD}?checkout={{CHECKOUT_SESSION_ID}}"
    assert entered["cancel_url"] == f"{by_stripe.url}{CARDS}"
    back = f"{ADD}?checkout={name}"
    assert "You have entered Visa •••• 4242." in text_of(visitor.get(back))
    assert cards_of(by_stripe, "stripe-1") == []
    added = visitor.send_form(back, back)
    assert added.status == 303, text_of(added)
    assert visitor.get(added.headers["location"]).body.count(b"4242") >= 1
    [card] = cards_of(by_stripe, "stripe-1")
    assert (card["brand"], card["last4"], card["default"]) == ("visa", "4242", True)
    # The token is in the log alone.
    assert "pm_of_" not in str(card)


def test_a_card_that_another_account_has_entered_is_not_taken(by_stripe: Owners, server: StripeServer) -> None:
    hers = by_stripe.visitor(by_stripe.account("stripe-2"))
    name = hers.send_form(ADD, CHECKOUT).headers["location"].rpartition("/")[2]
    enter_card(server.checkouts[name])
    his = by_stripe.visitor(by_stripe.account("stripe-3"))
    assert "was not entered from here" in text_of(his.get(f"{ADD}?checkout={name}"))
    refused = his.send_form(ADD, ADD, checkout=name)
    assert refused.status == 422
    assert "was not entered from here" in text_of(refused)
    assert cards_of(by_stripe, "stripe-3") == []
    # Nor in a later session of the same account: whoever has it may not be who entered the card.
    later = by_stripe.visitor("stripe-2")
    assert later.send_form(ADD, ADD, checkout=name).status == 422
    assert hers.send_form(ADD, ADD, checkout=name).status == 303


def test_a_card_cannot_be_typed_into_the_form(by_stripe: Owners) -> None:
    """A token, or a test card of the other provider."""
    visitor = by_stripe.visitor(by_stripe.account("stripe-4"))
    for fields in ({"card": "fake-card-paid"}, {"token": "cus_1/pm_1", "last4": "4242"}, {"checkout": "pm_1"}):
        assert visitor.send_form(ADD, ADD, **fields).status == 422
    assert cards_of(by_stripe, "stripe-4") == []


def test_without_an_answer_of_stripe_the_page_says_so(by_stripe: Owners, server: StripeServer) -> None:
    visitor = by_stripe.visitor(by_stripe.account("stripe-5"))
    server.refusal = (500, {"error": {"type": "api_error", "code": None, "message": "no"}})
    try:
        refused = visitor.send_form(ADD, CHECKOUT)
    finally:
        server.refusal = None
    assert refused.status == 422
    assert "Stripe does not answer right now" in text_of(refused)


@pytest.mark.parametrize("stage", ["by_nobody", "without_key"])
def test_where_no_card_can_be_added_the_page_says_whom_to_ask(stage: str, request: pytest.FixtureRequest) -> None:
    owners: Owners = request.getfixturevalue(stage)
    account_id = owners.account(f"nobody-{stage.replace('_', '-')}")
    visitor = owners.visitor(account_id)
    assert "No card can be added on this page. To add one, ask Tollgate." in text_of(visitor.get(ADD))
    for action in (ADD, CHECKOUT):
        assert visitor.send_form(CARDS, action, card="fake-card-paid", checkout="cs_1").status == 422
    assert cards_of(owners, account_id) == []


def test_read_mode_adds_nothing(by_stripe: Owners) -> None:
    visitor = by_stripe.visitor(by_stripe.account("stripe-6"), "read")
    hidden = visitor.hidden(CARDS)
    for action in (ADD, CHECKOUT, f"{CARDS}/remove", f"{CARDS}/default", "/portal/credits/add", "/portal/refill/save"):
        assert visitor.post(action, hidden).status == 403

"""The shape of each request to Stripe, validated by stripe-mock against Stripe's description of its API.

stripe-mock has no state and responds with fixtures: a PaymentIntent is never paid. It only shows that a request is
valid.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stripe
from msgspec.structs import replace

from payments.adapter.changes import apply_outcome
from payments.outcome import Outcome, Pending, Refused, Succeeded
from payments.providers.stripe import StripeProvider
from payments.providers.stripe_objects import UNCONFIRMED
from payments.reversal import Listed, Looked
from tests.payments.requests import REQUESTED_MS, opened, refund, request
from tests.payments.stripe_mock import HOME, running_stripe_mock

API_KEY = "sk_test_123"


class Checker:
    """stripe-mock, and the requests that it received."""

    def __init__(self, address: str, log: Path) -> None:
        self.address, self._log, self._read = address, log, 0

    def requests(self) -> list[str]:
        """`POST /v1/payment_intents` and the like, since the last call."""
        text = self._log.read_text()
        new, self._read = text[self._read :], len(text)
        return re.findall(r"Request: ([A-Z]+ /v1/\w+)", new)


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checker]:
    log = tmp_path_factory.mktemp("stripe-mock") / "log"
    with running_stripe_mock(log) as address:
        yield Checker(address, log)


@pytest.fixture
async def provider(checker: Checker) -> AsyncIterator[StripeProvider]:
    made = StripeProvider(API_KEY, checker.address, timeout_s=20)
    checker.requests()
    yield made
    await made.close()


def accepted(outcome: Outcome) -> bool:
    """Whether the request was valid. The fixture is a PaymentIntent whose attempt failed for no fault of its card, so
    it is confirmed, and is the same afterwards.
    """
    return outcome == Refused("the PaymentIntent is requires_payment_method", "provider", spent=True)


@pytest.mark.parametrize("token", ["pm_card_visa", "cus_1/pm_card_visa"], ids=["a card", "a customer's card"])
async def test_a_charge(provider: StripeProvider, checker: Checker, token: str) -> None:
    assert accepted(await provider.execute(opened(request("a/1", token=token)), None, REQUESTED_MS))
    assert checker.requests() == ["POST /v1/payment_intents"]


async def test_a_look_up(provider: StripeProvider, checker: Checker) -> None:
    """Search, and retrieval of what it found."""
    assert accepted(await provider.execute(replace(opened(request("a/1")), attempts=1), None, REQUESTED_MS))
    assert checker.requests() == ["GET /v1/payment_intents", "GET /v1/payment_intents", "POST /v1/payment_intents"]


async def test_a_pending_payment(provider: StripeProvider, checker: Checker) -> None:
    assert accepted(await provider.execute(replace(opened(request("a/1")), reference="pi_1"), None, REQUESTED_MS))
    assert checker.requests() == ["GET /v1/payment_intents", "POST /v1/payment_intents"]


async def test_a_refund_and_its_look_up(provider: StripeProvider, checker: Checker) -> None:
    row = opened(refund("a/r/1", "a/1"))
    for one in (row, replace(row, attempts=1), replace(row, reference="re_1")):
        assert isinstance(await provider.execute(one, "pi_1", REQUESTED_MS), Succeeded | Pending)
    assert checker.requests() == ["POST /v1/refunds", "GET /v1/refunds", "POST /v1/refunds", "GET /v1/refunds"]


async def test_a_look_at_a_payment(provider: StripeProvider, checker: Checker) -> None:
    """The fixture of a refund names no payment of ours: it was made by hand."""
    row = apply_outcome(opened(request("a/1")), Succeeded("pi_1"), REQUESTED_MS)
    looked = await provider.look(row, REQUESTED_MS)
    assert isinstance(looked, Looked)
    assert "refund" in {one.kind for one in looked.reversals}
    assert checker.requests() == ["GET /v1/disputes", "GET /v1/refunds"]


async def test_a_look_at_a_refund_of_ours(provider: StripeProvider, checker: Checker) -> None:
    row = apply_outcome(opened(refund("a/r/1", "a/1")), Succeeded("re_1"), REQUESTED_MS)
    assert isinstance(await provider.look(row, REQUESTED_MS), Looked)
    assert checker.requests() == ["GET /v1/refunds"]


async def test_a_listing(provider: StripeProvider, checker: Checker) -> None:
    assert isinstance(await provider.list_reversed(REQUESTED_MS), Listed)
    assert checker.requests() == ["GET /v1/disputes", "GET /v1/refunds"]


async def test_the_payment_of_a_dispute(provider: StripeProvider, checker: Checker) -> None:
    assert await provider.find_payment("pi_1") is None
    assert checker.requests() == ["GET /v1/payment_intents"]


async def test_a_confirmation(provider: StripeProvider) -> None:
    assert (await provider._confirm_intent(opened(request("a/1")), "pi_1")).object == "payment_intent"


async def test_a_cancellation(provider: StripeProvider) -> None:
    assert (
        await provider._intents.cancel_async("pi_1", {"cancellation_reason": UNCONFIRMED})
    ).object == "payment_intent"


async def test_a_wrong_shape_is_detected(provider: StripeProvider) -> None:
    wrong = {"amount": 100, "currency": "usd", "payment_methods": "pm_1"}
    with pytest.raises(stripe.InvalidRequestError, match="validation error"):
        await provider._intents.create_async(wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_the_built_program_is_not_part_of_the_project() -> None:
    assert (HOME / ".gitignore").read_text() == "*\n"

"""The Stripe provider reads disputes and refunds: of one payment, and of all payments since a time."""

from collections.abc import AsyncIterator

import pytest

from payments.adapter.changes import apply_outcome
from payments.outcome import Declined, ProviderAccessError, Unknown
from payments.payment_state import PaymentState
from payments.providers.stripe import StripeProvider
from payments.request import PaymentName
from payments.reversal import Listed, Looked
from schemas.instant import DAY_MS
from tests.payments.requests import opened, refund, request
from tests.payments.stripe_server import API_KEY, StripeServer
from tests.payments.test_stripe_provider import NOW_MS, execute

LATER_MS = NOW_MS + DAY_MS


@pytest.fixture
async def stripe(server: StripeServer) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(API_KEY, server.url, timeout_s=5)
    yield provider
    await provider.close()


async def answered(stripe: StripeProvider, value: bytes, refunded: str | None = None) -> PaymentState:
    row = opened(value, NOW_MS)
    return apply_outcome(row, await execute(stripe, row, NOW_MS, refunded), NOW_MS)


async def kinds(stripe: StripeProvider, row: PaymentState) -> list[tuple[str, str, int]]:
    looked = await stripe.look(row, LATER_MS)
    assert isinstance(looked, Looked)
    return [(one.kind, one.reference, one.amount_micros) for one in looked.reversals]


async def test_a_payment_s_disputes_and_refunds_are_read_and_no_other_payment_s(
    stripe: StripeProvider, server: StripeServer
) -> None:
    mine, other = await answered(stripe, request("a-1/buy/1")), await answered(stripe, request("a-1/buy/2"))
    assert await kinds(stripe, mine) == []
    server.refund_by_hand("a-1/buy/1", 500)
    server.win(server.dispute("a-1/buy/1"))
    server.dispute("a-1/buy/2", "warning_needs_response")
    assert await kinds(stripe, mine) == [
        ("refund", "re_1", 5_000_000),
        ("dispute", "du_1", 20_000_000),
        ("dispute_won", "du_1", 20_000_000),
    ]
    assert await kinds(stripe, other) == []


async def test_r2_a_refund_of_ours_is_no_reversal_until_it_fails(stripe: StripeProvider, server: StripeServer) -> None:
    charge = await answered(stripe, request("a-1/buy/1"))
    given_back = await answered(stripe, refund("a-1/refund/1", "a-1/buy/1", amount_micros=12_000_000), "pi_1")
    assert await kinds(stripe, charge) == []
    assert await kinds(stripe, given_back) == []
    server.refunds["re_1"]["status"] = "failed"
    assert await kinds(stripe, charge) == []
    assert await kinds(stripe, given_back) == [("refund_failed", "re_1", 12_000_000)]


async def test_the_list_names_payments_and_leaves_out_refunds_of_ours(
    stripe: StripeProvider, server: StripeServer
) -> None:
    for number in range(1, 6):
        await answered(stripe, request(f"a-1/buy/{number}"))
    await answered(stripe, refund("a-1/refund/1", "a-1/buy/1", amount_micros=1_000_000), "pi_1")
    server.dispute("a-1/buy/2", "warning_needs_response")
    server.dispute("a-1/buy/3")
    server.refund_by_hand("a-1/buy/4", 500)
    server.dispute("a-1/buy/5")
    server.intents["pi_5"]["metadata"] = {"order": "of the same company's shop"}
    assert await stripe.list_reversed(NOW_MS - DAY_MS) == Listed(frozenset({f"a-1/buy/{n}" for n in (2, 3, 4)}))


async def test_the_list_begins_at_the_given_time_and_has_every_page(
    stripe: StripeProvider, server: StripeServer
) -> None:
    server.page_max = 2
    for number in range(7):
        await answered(stripe, request(f"a-1/buy/{number}"))
        server.dispute(f"a-1/buy/{number}", created=1_000 + number)
    listed = await stripe.list_reversed(1_002 * 1_000)
    assert listed == Listed(frozenset({f"a-1/buy/{number}" for number in range(2, 7)}))
    assert server.requests.count(("GET", "/v1/disputes")) == 3


async def test_every_page_of_a_payment_is_read(stripe: StripeProvider, server: StripeServer) -> None:
    server.page_max = 2
    row = await answered(stripe, request("a-1/buy/1"))
    for _ in range(5):
        server.refund_by_hand("a-1/buy/1", 100)
    assert {reference for _, reference, _ in await kinds(stripe, row)} == {f"re_{n}" for n in (1, 2, 3, 4, 5)}


async def test_a_payment_declined_before_stripe_knew_it_has_nothing_to_look_at(stripe: StripeProvider) -> None:
    row = apply_outcome(opened(request("a-1/buy/1")), Declined("not a whole number of cents", False), NOW_MS)
    assert await stripe.look(row, LATER_MS) == Looked()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_without_a_response_nothing_is_known(stripe: StripeProvider, server: StripeServer, status: int) -> None:
    row = await answered(stripe, request("a-1/buy/1"))
    server.list_failures += [status, status]
    assert isinstance(await stripe.look(row, LATER_MS), Unknown)
    assert isinstance(await stripe.list_reversed(NOW_MS), Unknown)
    assert isinstance(await stripe.list_reversed(NOW_MS), Listed)


async def test_a_dispute_of_another_shape_is_unknown_and_not_left_out(
    stripe: StripeProvider, server: StripeServer
) -> None:
    row = await answered(stripe, request("a-1/buy/1"))
    server.dispute("a-1/buy/1", amount="a lot")
    assert isinstance(await stripe.look(row, LATER_MS), Unknown)


async def test_a_key_without_the_right_to_read_disputes_needs_a_person(
    stripe: StripeProvider, server: StripeServer
) -> None:
    server.list_failures.append(403)
    with pytest.raises(ProviderAccessError, match="PermissionError, status 403"):
        await stripe.list_reversed(NOW_MS)


async def test_the_payment_that_a_payment_intent_was_made_for(stripe: StripeProvider, server: StripeServer) -> None:
    await answered(stripe, request("a-1/buy/1"))
    assert await stripe.find_payment("pi_1") == PaymentName("a-1/buy/1", "a-1")
    server.intents["pi_1"]["metadata"] = {"order": "7"}
    assert await stripe.find_payment("pi_1") is None
    # Of a connected account, or of the other mode.
    assert await stripe.find_payment("pi_elsewhere") is None

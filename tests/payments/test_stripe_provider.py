"""The Stripe provider against a server that remembers keys, loses responses and counts charges."""

import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from payments.adapter.changes import apply_outcome
from payments.outcome import Declined, Outcome, Pending, Succeeded, Unknown
from payments.payment_state import PaymentState
from payments.providers.stripe import KEY_LIFE_MS, StripeProvider, idempotency_key
from schemas.instant import to_millis
from tests.payments.requests import opened, refund, request
from tests.payments.stripe_server import API_KEY, StripeServer

NOW_MS = to_millis(datetime.now(UTC))


@pytest.fixture
async def stripe(server: StripeServer) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(API_KEY, server.url, timeout_s=5)
    yield provider
    await provider.close()


def payment(payment_id: str = "a-1/buy/1", token: str = "cus_1/pm_card_visa", micros: int = 20_000_000) -> PaymentState:
    return opened(request(payment_id, token=token, amount_micros=micros), NOW_MS)


def row_at_ms(server: StripeServer) -> int:
    return (server.created_at + 1) * 1_000


async def execute(
    stripe: StripeProvider, row: PaymentState, now_ms: int = NOW_MS, refunded: str | None = None
) -> Outcome:
    return await stripe.execute(row, refunded, now_ms)


async def test_a_payment_is_charged_once_however_often_it_is_executed(
    stripe: StripeProvider, server: StripeServer
) -> None:
    row = payment()
    first = await execute(stripe, row)
    assert first == Succeeded("pi_1", (server.created_at + 1) * 1_000)
    assert await execute(stripe, row) == first
    assert server.charges() == {"a-1/buy/1": 1}


async def test_after_the_key_expires_a_payment_is_searched_before_it_is_made(
    stripe: StripeProvider, server: StripeServer
) -> None:
    row = payment("a-1/buy/it's \\ odd")
    await execute(stripe, row)
    server.forget_keys()
    assert isinstance(await execute(stripe, row, NOW_MS + KEY_LIFE_MS + 1), Succeeded)
    assert server.charges().total() == 1
    other = payment("a-1/buy/2")
    assert isinstance(await execute(stripe, other, NOW_MS + KEY_LIFE_MS + 1), Succeeded)
    assert server.charges().total() == 2


async def test_where_stripe_has_no_search_the_key_protects_and_after_it_nothing_is_made(
    stripe: StripeProvider, server: StripeServer
) -> None:
    server.can_search = False
    server.failures.append((503, False))
    row = payment()
    waiting = apply_outcome(row, await execute(stripe, row), NOW_MS)
    assert isinstance(await execute(stripe, waiting, NOW_MS + KEY_LIFE_MS + 1), Unknown)
    assert server.charges().total() == 0
    assert isinstance(await execute(stripe, waiting), Succeeded)


@pytest.mark.parametrize("charged", [False, True], ids=["before the charge", "after the charge"])
@pytest.mark.parametrize("status", [429, 500, 503, 409])
async def test_a_failure_is_no_decline_and_no_second_charge(
    stripe: StripeProvider, server: StripeServer, status: int, charged: bool
) -> None:
    server.failures.append((status, charged))
    row = payment()
    outcome = await execute(stripe, row)
    assert isinstance(outcome, Unknown)
    assert "pm_secret" not in outcome.detail
    assert isinstance(await execute(stripe, apply_outcome(row, outcome, NOW_MS)), Succeeded)
    assert server.charges() == {"a-1/buy/1": 1}


async def test_a_response_that_never_came_is_unknown(server: StripeServer) -> None:
    hurried = StripeProvider(API_KEY, server.url, timeout_s=0.3)
    came_back = threading.Event()

    def keep_waiting(_: str) -> None:
        came_back.wait(30)

    server.before_response = keep_waiting
    row = payment()
    outcome = await execute(hurried, row)
    assert isinstance(outcome, Unknown)
    came_back.set()
    assert isinstance(await execute(hurried, apply_outcome(row, outcome, NOW_MS)), Succeeded)
    assert server.charges() == {"a-1/buy/1": 1}
    await hurried.close()


async def test_an_unreachable_stripe_is_unknown() -> None:
    alone = StripeProvider(API_KEY, "http://127.0.0.1:9", timeout_s=5)
    assert isinstance(await execute(alone, payment()), Unknown)
    await alone.close()


@pytest.mark.parametrize(
    ("token", "reason", "retryable"),
    [
        ("pm_stolen", "stolen_card", False),
        ("cus_1/pm_poor", "insufficient_funds", True),
        ("cus_1/pm_must_confirm", "authentication_required", False),
        ("pm_new_reason", "a_code_of_next_year", False),
    ],
)
async def test_c14_declines_are_classified(
    stripe: StripeProvider, server: StripeServer, token: str, reason: str, retryable: bool
) -> None:
    row = payment(token=token)
    outcome = await execute(stripe, row)
    assert isinstance(outcome, Declined)
    assert (outcome.reason, outcome.retryable) == (reason, retryable)
    assert await execute(stripe, row) == outcome
    # A look-up gives the same outcome as the attempt.
    assert await execute(stripe, replace(row, attempts=1)) == outcome
    assert server.charges().total() == 0


async def test_a_slow_payment_is_pending_until_stripe_knows(stripe: StripeProvider, server: StripeServer) -> None:
    row = payment(token="pm_slow")
    outcome = await execute(stripe, row)
    assert outcome == Pending("pi_1")
    later = apply_outcome(row, outcome, NOW_MS)
    assert await execute(stripe, later) == Pending("pi_1")
    server.intents["pi_1"]["status"] = "succeeded"
    assert isinstance(await execute(stripe, later), Succeeded)


async def test_c14_a_payment_that_its_holder_must_confirm_is_canceled_and_declined(
    stripe: StripeProvider, server: StripeServer
) -> None:
    """Nobody can confirm an off-session payment, and after its decline it must not succeed."""
    row = payment(token="pm_acts")
    outcome = await execute(stripe, row)
    assert outcome == Declined("authentication_required", False, "pi_1", row_at_ms(server))
    assert server.intents["pi_1"]["status"] == "canceled"
    # The adapter was killed before it could commit the answer.
    assert await execute(stripe, replace(row, attempts=1)) == outcome


async def test_a_payment_that_was_confirmed_before_it_could_be_canceled_is_paid(
    stripe: StripeProvider, server: StripeServer
) -> None:
    row = payment(token="pm_acts")
    server.confirmed_before_cancel = True
    row = apply_outcome(row, await execute(stripe, row), NOW_MS)
    assert row.is_open
    assert isinstance(await execute(stripe, row), Succeeded)


async def test_a_payment_whose_card_was_never_tried_is_confirmed(stripe: StripeProvider, server: StripeServer) -> None:
    assert isinstance(await execute(stripe, payment(token="pm_untried")), Succeeded)
    assert server.charges() == {"a-1/buy/1": 1}


async def test_a_look_up_that_fails_is_no_decline(stripe: StripeProvider, server: StripeServer) -> None:
    """As with the key of another Stripe account: everything is missing there."""
    row = replace(payment(), reference="pi_elsewhere")
    server.intents["pi_elsewhere"] = {"id": "pi_elsewhere", "object": "payment_intent", "status": None}
    assert isinstance(await execute(stripe, row), Unknown)


async def test_a_refund_gives_back_once_with_or_without_the_reference(
    stripe: StripeProvider, server: StripeServer
) -> None:
    await execute(stripe, payment())
    row = opened(refund("a-1/refund/1", "a-1/buy/1", amount_micros=12_000_000), NOW_MS)
    first = await execute(stripe, row, refunded="pi_1")
    assert first == Succeeded("re_1", (server.created_at + 2) * 1_000)
    assert await execute(stripe, row) == first
    server.forget_keys()
    assert await execute(stripe, row, NOW_MS + KEY_LIFE_MS + 1, "pi_1") == first
    assert [one["amount"] for one in server.refunds.values()] == [1_200]


@pytest.mark.parametrize(
    ("payment_id", "expected"),
    [
        ("a-1/purchase/b-7", "a-1/purchase/b-7"),
        ("a-1/purchase/b 7", "sha256:"),  # a header's value must not begin or end with a space
        ("a-1/purchase/b\r\nX-Injected: 1", "sha256:"),
        ("a-1/purchase/ключ", "sha256:"),
        ("a" * 256, "sha256:"),
    ],
)
def test_any_payment_id_gives_a_key_of_its_own(payment_id: str, expected: str) -> None:
    key = idempotency_key(payment_id)
    assert key.startswith(expected)
    assert len(key) <= 255
    assert key.isascii()


async def test_a_payment_that_changed_concurrently_is_no_decline(stripe: StripeProvider, server: StripeServer) -> None:
    """Found untried, and paid before it could be confirmed."""
    row = payment(token="pm_untried")
    server.failures.append((500, True))
    waiting = apply_outcome(row, await execute(stripe, row), NOW_MS)
    server.refuse_confirmation = "payment_intent_unexpected_state"
    assert isinstance(await execute(stripe, waiting), Unknown)
    server.intents["pi_1"]["status"] = "succeeded"
    assert isinstance(await execute(stripe, waiting), Succeeded)

"""What Stripe refuses for no fault of a card declines nobody, and is paid once its cause is gone. Decision 0052."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from payments.adapter.changes import apply_outcome
from payments.outcome import Declined, ProviderAccessError, Refused, Succeeded, Unknown
from payments.providers.stripe import StripeProvider
from payments.reversal import Listed
from tests.payments.requests import opened, refund
from tests.payments.stripe_server import API_KEY, StripeServer, error
from tests.payments.test_stripe_provider import NOW_MS, execute, payment


@pytest.fixture
async def stripe(server: StripeServer) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(API_KEY, server.url, timeout_s=5)
    yield provider
    await provider.close()


REQUEST = "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "kind", "code", "param", "why"),
    [
        # status, type and code of the error, parameter, label of the metric
        (400, REQUEST, "resource_missing", "payment_method", "request"),
        (400, REQUEST, "amount_too_small", "amount", "request"),
        (400, REQUEST, None, "currency", "request"),  # a currency that our account cannot take
        (400, REQUEST, "testmode_charges_only", None, "request"),  # our account is not activated
        (400, REQUEST, "account_invalid", None, "request"),
        (400, REQUEST, "parameter_unknown", "off_session", "request"),
        (400, REQUEST, "a_code_of_next_year", None, "request"),
        (404, REQUEST, "livemode_mismatch", None, "request"),
        (402, REQUEST, "card_declined", None, "request"),  # only an error of the type `card_error` declines
        (401, REQUEST, "api_key_expired", None, "access"),
        (403, REQUEST, None, None, "access"),
        (429, REQUEST, "rate_limit", None, "rate_limit"),
        (400, REQUEST, "rate_limit", None, "rate_limit"),
        (400, "idempotency_error", None, None, "idempotency"),
        (500, "api_error", None, None, "provider"),
        (503, "api_error", "card_declined", None, "provider"),
    ],
)
async def test_a_refusal_for_no_fault_of_the_card_is_no_decline_and_is_paid_once_its_cause_is_gone(
    stripe: StripeProvider, server: StripeServer, status: int, kind: str, code: str | None, param: str | None, why: str
) -> None:
    server.refusal = error(status, kind, code, param)
    row = payment()
    for _ in range(3):
        outcome = await execute(stripe, row)
        assert isinstance(outcome, Refused)
        assert outcome.why == why
        assert "pm_secret" not in outcome.detail
        row = apply_outcome(row, outcome, NOW_MS)
        assert row.is_open
    server.refusal = None
    if status >= 500:
        server.forget_keys()  # The charge may have been made: only when its key has expired is it made again.
    assert isinstance(await execute(stripe, row), Succeeded)
    assert server.charges() == {"a-1/buy/1": 1}


@pytest.mark.parametrize("token", ["pm_new_code", "pm_real"])
async def test_a_card_error_that_nobody_knows_declines_nobody_and_does_not_try_the_card_again(
    stripe: StripeProvider, server: StripeServer, token: str
) -> None:
    """It may be an issuer's decline all the same, and card networks fine repeated attempts."""
    row = payment(token=token)
    for _ in range(3):
        outcome = await execute(stripe, row)
        assert isinstance(outcome, Refused)
        assert outcome.why == "code"
        row = apply_outcome(row, outcome, NOW_MS)
    assert server.requests.count(("POST", "/v1/payment_intents")) == 1
    assert len(server.intents) == 1
    # A person cancels it at Stripe: then it has its answer.
    server.intents["pi_1"] |= {"status": "canceled", "cancellation_reason": "requested_by_customer"}
    assert await execute(stripe, row) == Declined(
        "canceled: requested_by_customer", False, "pi_1", server.created_at * 1_000
    )


async def test_a_payment_whose_attempt_failed_at_stripe_is_tried_again(
    stripe: StripeProvider, server: StripeServer
) -> None:
    """Stripe's own failure is written on the PaymentIntent: its card was not declined."""
    row = payment(token="pm_untried")
    server.failures.append((500, True))
    row = apply_outcome(row, await execute(stripe, row), NOW_MS)
    fault = {"type": "api_error", "code": "processing_error"}
    server.intents["pi_1"] |= {"status": "requires_payment_method", "last_payment_error": fault}
    assert isinstance(await execute(stripe, row), Succeeded)
    assert server.charges() == {"a-1/buy/1": 1}


async def test_an_amount_that_is_no_whole_number_of_cents_is_refused_without_a_request(
    stripe: StripeProvider, server: StripeServer
) -> None:
    """The engine requests no such amount: our currencies differ from Stripe's, which is no fault of the card."""
    outcome = await execute(stripe, payment(micros=20_000_001))
    assert outcome == Refused("the amount is not a whole number of the minor units of USD", "request")
    assert server.requests == []


async def test_a_wrong_key_declines_nobody(server: StripeServer) -> None:
    stranger = StripeProvider("sk_wrong", server.url, timeout_s=5)
    assert await execute(stranger, payment()) == Refused("AuthenticationError, status 401", "access")
    with pytest.raises(ProviderAccessError, match="AuthenticationError, status 401"):
        await stranger.list_reversed(NOW_MS)
    await stranger.close()


async def test_a_key_that_was_right_at_the_start_ends_nothing_later(
    stripe: StripeProvider, server: StripeServer
) -> None:
    assert isinstance(await stripe.list_reversed(NOW_MS), Listed)
    server.list_failures.append(403)
    assert await stripe.list_reversed(NOW_MS) == Refused("PermissionError, status 403", "access")


async def test_more_than_was_paid_is_not_given_back(stripe: StripeProvider) -> None:
    await execute(stripe, payment())
    row = opened(refund("a-1/refund/1", "a-1/buy/1", amount_micros=21_000_000), NOW_MS)
    outcome = await execute(stripe, row, refunded="pi_1")
    assert outcome == Declined("amount_exceeds_payment", retryable=False)


async def test_a_payment_that_a_person_has_refunded_is_not_refunded_again(
    stripe: StripeProvider, server: StripeServer
) -> None:
    await execute(stripe, payment())
    server.refund_by_hand("a-1/buy/1", 2_000)
    row = opened(refund("a-1/refund/1", "a-1/buy/1"), NOW_MS)
    assert await execute(stripe, row, refunded="pi_1") == Declined("charge_already_refunded", retryable=False)


@pytest.mark.parametrize("code", ["charge_disputed", "refund_disputed_payment"])
async def test_a_disputed_payment_is_not_refunded(stripe: StripeProvider, server: StripeServer, code: str) -> None:
    await execute(stripe, payment())
    server.refusal = error(400, REQUEST, code)
    row = opened(refund("a-1/refund/1", "a-1/buy/1"), NOW_MS)
    assert await execute(stripe, row, refunded="pi_1") == Declined(code, retryable=False)


async def test_a_refund_that_our_balance_does_not_cover_waits(stripe: StripeProvider, server: StripeServer) -> None:
    await execute(stripe, payment())
    server.refusal = error(400, REQUEST, "balance_insufficient")
    row = opened(refund("a-1/refund/1", "a-1/buy/1"), NOW_MS)
    outcome = await execute(stripe, row, refunded="pi_1")
    assert isinstance(outcome, Refused)
    server.refusal = None
    assert isinstance(await execute(stripe, apply_outcome(row, outcome, NOW_MS), refunded="pi_1"), Succeeded)
    assert len(server.refunds) == 1


async def test_a_refund_of_a_payment_that_is_not_found_is_searched_and_then_left_to_a_person(
    stripe: StripeProvider,
) -> None:
    row = opened(refund("a-1/refund/1", "a-1/buy/9"), NOW_MS)
    assert await execute(stripe, row) == Unknown("the payment to refund was not found")
    assert await execute(stripe, replace(row, attempts=8)) == Refused("the payment to refund was not found", "request")

"""Which refusals are declines, and which declines may be retried. Rule C14, decision 0052."""

import itertools

import pytest

from payments.providers.declines import CONFIRMATION, HARD, OURS, RETRYABLE, classify_decline

SOFT = ("insufficient_funds", "processing_error", "try_again_later", "issuer_not_available", "reenter_transaction")
FINAL = (
    "stolen_card",
    "lost_card",
    "expired_card",
    "pickup_card",
    "fraudulent",
    "do_not_honor",
    "generic_decline",
    "revocation_of_all_authorizations",
    "testmode_decline",
    # What issuers may say next year: the error's own code, `card_declined`, is known to be about the card.
    "a_code_of_next_year",
)


@pytest.mark.parametrize("decline_code", SOFT)
def test_c14_a_soft_decline_may_be_tried_again(decline_code: str) -> None:
    assert classify_decline("card_error", "card_declined", decline_code, None) == (decline_code, True)


@pytest.mark.parametrize("decline_code", FINAL)
def test_c14_a_hard_decline_and_an_unknown_one_may_not(decline_code: str) -> None:
    assert classify_decline("card_error", "card_declined", decline_code, None) == (decline_code, False)


@pytest.mark.parametrize(
    ("kind", "code", "decline_code", "advice_code", "expected"),
    [
        # type of the error, its code, issuer's code, network's advice: reason, retryable
        ("card_error", "expired_card", None, None, ("expired_card", False)),
        ("card_error", "processing_error", None, None, ("processing_error", True)),
        ("card_error", "card_declined", None, None, ("card_declined", False)),
        ("card_error", "card_decline_rate_limit_exceeded", None, None, ("card_decline_rate_limit_exceeded", True)),
        ("card_error", "a_code_of_next_year", "lost_card", None, ("lost_card", False)),
        ("card_error", "card_declined", "generic_decline", "try_again_later", ("generic_decline", True)),
        ("card_error", "card_declined", "insufficient_funds", "do_not_try_again", ("insufficient_funds", False)),
        ("card_error", "card_declined", "do_not_honor", "advice_of_next_year", ("do_not_honor", False)),
    ],
)
def test_c14_the_issuer_overrides_the_error_and_the_network_overrides_both(
    kind: str, code: str | None, decline_code: str | None, advice_code: str | None, expected: tuple[str, bool]
) -> None:
    assert classify_decline(kind, code, decline_code, advice_code) == expected


CONFIRM = ("authentication_required", "authentication_not_handled", "payment_intent_authentication_failure")


@pytest.mark.parametrize("codes", [(code, None) for code in CONFIRM] + [("card_declined", code) for code in CONFIRM])
def test_c14_a_card_that_must_be_confirmed_is_a_hard_decline_with_that_reason(codes: tuple[str, str | None]) -> None:
    assert classify_decline("card_error", *codes, "try_again_later") == ("authentication_required", False)


@pytest.mark.parametrize(
    ("kind", "code", "decline_code"),
    [
        # type of the error, its code, issuer's code
        ("card_error", None, None),
        ("card_error", "a_code_of_next_year", None),
        ("card_error", "a_code_of_next_year", "another_one"),
        # A key for tests and a real card: our key is wrong, not the card.
        ("card_error", "card_declined", "test_mode_live_card"),
        ("invalid_request_error", "card_declined", "lost_card"),
        ("invalid_request_error", "resource_missing", None),
        ("invalid_request_error", "amount_too_small", None),
        ("invalid_request_error", "testmode_charges_only", None),
        ("invalid_request_error", "insufficient_funds", None),
        ("api_error", "processing_error", None),
        ("idempotency_error", None, None),
        ("a_type_of_next_year", "card_declined", "lost_card"),
    ],
)
@pytest.mark.parametrize("advice_code", [None, "do_not_try_again"])
def test_an_error_that_is_not_known_to_be_about_the_card_declines_nobody(
    kind: str, code: str | None, decline_code: str | None, advice_code: str | None
) -> None:
    assert classify_decline(kind, code, decline_code, advice_code) is None


def test_no_code_is_in_two_tables() -> None:
    for one, other in itertools.combinations((RETRYABLE, HARD, CONFIRMATION, OURS), 2):
        assert one & other == set()

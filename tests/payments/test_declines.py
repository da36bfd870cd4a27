"""Which declines may be retried. Rule C14."""

import pytest

from payments.providers.declines import classify_decline

SOFT = ("insufficient_funds", "processing_error", "try_again_later", "issuer_not_available", "reenter_transaction")
HARD = (
    "stolen_card",
    "lost_card",
    "expired_card",
    "pickup_card",
    "fraudulent",
    "do_not_honor",
    "generic_decline",
    "revocation_of_all_authorizations",
    "a_code_of_next_year",
)


@pytest.mark.parametrize("decline_code", SOFT)
def test_c14_a_soft_decline_may_be_tried_again(decline_code: str) -> None:
    assert classify_decline("card_error", "card_declined", decline_code, None) == (decline_code, True)


@pytest.mark.parametrize("decline_code", HARD)
def test_c14_a_hard_decline_and_an_unknown_one_may_not(decline_code: str) -> None:
    assert classify_decline("card_error", "card_declined", decline_code, None) == (decline_code, False)


@pytest.mark.parametrize(
    ("kind", "code", "decline_code", "advice_code", "expected"),
    [
        # type of the error, its code, issuer's code, network's advice: reason, retryable
        ("card_error", "expired_card", None, None, ("expired_card", False)),
        ("card_error", "processing_error", None, None, ("processing_error", True)),
        ("card_error", "card_declined", None, None, ("card_declined", False)),
        ("card_error", None, None, None, ("card_error", False)),
        ("api_error", None, None, None, ("api_error", True)),
        ("card_error", "card_declined", "generic_decline", "try_again_later", ("generic_decline", True)),
        ("card_error", "card_declined", "insufficient_funds", "do_not_try_again", ("insufficient_funds", False)),
        ("card_error", "card_declined", "do_not_honor", "advice_of_next_year", ("do_not_honor", False)),
    ],
)
def test_c14_the_issuer_overrides_the_error_and_the_network_overrides_both(
    kind: str, code: str | None, decline_code: str | None, advice_code: str | None, expected: tuple[str, bool]
) -> None:
    assert classify_decline(kind, code, decline_code, advice_code) == expected


@pytest.mark.parametrize("codes", [("authentication_required", None), ("card_declined", "authentication_required")])
def test_c14_a_card_that_must_be_confirmed_is_not_retried_and_the_reason_names_the_customer(
    codes: tuple[str, str | None],
) -> None:
    reason, retryable = classify_decline("card_error", *codes, "try_again_later")
    assert not retryable
    assert "the customer must confirm" in reason

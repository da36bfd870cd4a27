"""Colours and reasons, as mails show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.notifier.mail.colour import CONTROL_CONTRAST, DARK_GROUND, LIGHT_GROUND, TEXT_CONTRAST, button_on, contrast
from agents.notifier.mail.reasons import AUTHENTICATION_REQUIRED, UNNAMED, sentence_of
from payments.providers.declines import HARD, RETRYABLE

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(COLOURS)
@pytest.mark.parametrize("ground", [LIGHT_GROUND, DARK_GROUND])
def test_a_button_of_any_colour_can_be_seen_and_read(ground: str, colour: str) -> None:
    button = button_on(ground, colour)
    assert contrast(button.ground, ground) >= CONTROL_CONTRAST
    assert contrast(button.ground, button.text) >= TEXT_CONTRAST


def test_a_colour_that_stands_out_is_not_changed() -> None:
    assert button_on(LIGHT_GROUND, "#0b6e4f").ground == "#0b6e4f"
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


# The bank tells its own customer; a merchant should not.
UNSPOKEN = {
    *("call_issuer", "card_declined", "do_not_honor", "do_not_try_again", "generic_decline", "no_action_taken"),
    *("payment_intent_payment_attempt_failed", "payment_method_provider_decline", "lost_card", "pickup_card"),
    *("restricted_card", "security_violation", "stolen_card", "fraudulent", "highest_risk_level"),
    *("merchant_blacklist", "previously_declined_do_not_retry"),
}


def test_every_reason_of_a_decline_has_its_sentence_or_is_not_spoken_of() -> None:
    known = RETRYABLE | HARD | {AUTHENTICATION_REQUIRED}
    assert {code for code in known if sentence_of(code) == UNNAMED} == UNSPOKEN


def test_a_reason_that_nobody_knows_is_not_shown() -> None:
    assert sentence_of("<script>") == UNNAMED

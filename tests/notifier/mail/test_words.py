"""Money, colours and reasons, as mails show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.notifier.mail.colour import CONTROL_CONTRAST, DARK_GROUND, LIGHT_GROUND, TEXT_CONTRAST, button_on, contrast
from agents.notifier.mail.reasons import AUTHENTICATION_REQUIRED, UNNAMED, sentence_of
from agents.notifier.mail.words import format_amount
from payments.providers.declines import HARD, RETRYABLE
from schemas.money import AMOUNT_LIMIT_MICROS, shipped_digits

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("micros", "currency", "digits", "shown"),
    [
        (0, "USD", 2, "$0.00"),
        (1_234_560_000, "USD", 2, "$1,234.56"),
        (-5_990_000, "USD", 2, f"{MINUS}$5.99"),
        (5_000, "USD", 2, "$0.005"),
        (1, "USD", 2, "$0.000001"),
        (1_500_000, "EUR", 2, "€1.50"),
        (1_000_000_000, "JPY", 0, "¥1,000"),
        (1_500_000, "JPY", 0, "¥1.5"),
        (12_345_000, "KWD", 3, "KWD\N{NO-BREAK SPACE}12.345"),
        (12_000_000, "CHF", 2, "CHF\N{NO-BREAK SPACE}12.00"),
        (12_000_000, "CAD", 2, "CA$12.00"),
    ],
)
def test_an_amount_has_its_currency_s_digits(micros: int, currency: str, digits: int, shown: str) -> None:
    assert format_amount(micros, currency, digits) == shown


@given(st.integers(-AMOUNT_LIMIT_MICROS, AMOUNT_LIMIT_MICROS), st.sampled_from(sorted(shipped_digits())))
def test_no_micro_is_lost_in_any_currency(micros: int, currency: str) -> None:
    shown = format_amount(micros, currency, shipped_digits()[currency])
    figures = "".join(character for character in shown if character.isdigit() or character == ".").strip(".")
    units, _, decimals = figures.partition(".")
    assert int(units) * 10**6 + int(decimals.ljust(6, "0")) == abs(micros)
    assert shown.startswith(MINUS) == (micros < 0)


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

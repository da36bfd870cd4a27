"""Amounts as the owner's page and the mails show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice.amounts import shown_amount
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
    assert shown_amount(micros, currency, digits) == shown


@given(st.integers(-AMOUNT_LIMIT_MICROS, AMOUNT_LIMIT_MICROS), st.sampled_from(sorted(shipped_digits())))
def test_no_micro_is_lost_in_any_currency(micros: int, currency: str) -> None:
    shown = shown_amount(micros, currency, shipped_digits()[currency])
    figures = "".join(character for character in shown if character.isdigit() or character == ".").strip(".")
    units, _, decimals = figures.partition(".")
    assert int(units) * 10**6 + int(decimals.ljust(6, "0")) == abs(micros)
    assert shown.startswith(MINUS) == (micros < 0)


@pytest.mark.parametrize(("micros", "shown"), [(20_000_000, "+$20.00"), (0, "$0.00"), (-1, f"{MINUS}$0.000001")])
def test_a_signed_amount_has_a_plus_sign_too(micros: int, shown: str) -> None:
    assert shown_amount(micros, "USD", 2, signed=True) == shown

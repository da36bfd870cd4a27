"""G1: money is an integer of micros, rounded once, half up, to the plan's quantum."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.money import AMOUNT_LIMIT_MICROS, format_money, round_half_up


# micros, quantum in micros -> rounded micros
@pytest.mark.parametrize(
    ("micros", "quantum", "rounded"),
    [
        (0, 10_000, 0),
        (4_999, 10_000, 0),
        (5_000, 10_000, 10_000),
        (5_001, 10_000, 10_000),
        (14_999, 10_000, 10_000),
        (15_000, 10_000, 20_000),
        (25_000, 10_000, 30_000),  # not to even
        (165_000, 10_000, 170_000),  # the worked example: 1.5 minutes at $0.11
        (10_000, 10_000, 10_000),
        (7, 1, 7),
        (1, 3, 0),
        (2, 3, 3),
        (AMOUNT_LIMIT_MICROS - 1, 10_000, AMOUNT_LIMIT_MICROS),
    ],
)
def test_g01_half_up_to_the_quantum(micros: int, quantum: int, rounded: int) -> None:
    assert round_half_up(micros, quantum) == rounded


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, AMOUNT_LIMIT_MICROS), st.integers(1, 10**9))
def test_g01_the_nearest_multiple_the_greater_of_two_as_near(micros: int, quantum: int) -> None:
    rounded = round_half_up(micros, quantum)
    assert rounded % quantum == 0
    assert -Fraction(quantum, 2) <= micros - rounded < Fraction(quantum, 2)


@pytest.mark.parametrize(
    ("micros", "currency", "text"),
    [
        (0, "USD", "$0.00"),
        (6_000_000, "USD", "$6.00"),
        (-5_990_000, "USD", "-$5.99"),
        (1, "USD", "$0.000001"),
        (-1, "USD", "-$0.000001"),
        (1_234_567_890_000, "USD", "$1,234,567.89"),
        (12_345_000, "EUR", "12.345 EUR"),
        (-12_300_000, "EUR", "-12.30 EUR"),
        # G12: the currency's own digits, more only where needed.
        (1_000_000_000, "JPY", "1,000 JPY"),
        (-1_500_000, "JPY", "-1.5 JPY"),
        (0, "JPY", "0 JPY"),
        (1_500_000, "KWD", "1.500 KWD"),
        (1_500_001, "KWD", "1.500001 KWD"),
        (2_000_000, "XXX", "2.00 XXX"),
    ],
)
def test_g01_money_is_written_exactly(micros: int, currency: str, text: str) -> None:
    assert format_money(micros, currency) == text

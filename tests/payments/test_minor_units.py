"""Amounts in Stripe's minor units: whole units of the currency, or no charge."""

import pytest

from payments.providers.minor_units import micros, minor_units


@pytest.mark.parametrize(
    ("amount_micros", "currency", "expected"),
    [
        (20_000_000, "USD", 2_000),
        (10_000, "USD", 1),
        (10_001, "USD", None),  # a fraction of a cent
        (5_000, "EUR", None),
        (500_000_000, "JPY", 500),  # no minor unit
        (500_500_000, "JPY", None),
        (5_120_000, "KWD", 5_120),  # three places, the last one 0
        (5_123_000, "KWD", None),
        (500_000_000, "ISK", 50_000),  # written with two places that must be 0
        (500_010_000, "ISK", None),
        (9 * 10**15 - 10_000, "USD", 899_999_999_999),
    ],
)
def test_c12_an_amount_is_charged_to_the_last_unit_or_not_at_all(
    amount_micros: int, currency: str, expected: int | None
) -> None:
    assert minor_units(amount_micros, currency) == expected


@pytest.mark.parametrize(
    ("units", "currency", "expected"),
    [
        (2_000, "usd", 20_000_000),
        (1, "USD", 10_000),
        (500, "jpy", 500_000_000),
        (5_123, "kwd", 5_123_000),  # What a bank disputes need not end in 0.
        (50_000, "isk", 500_000_000),
    ],
)
def test_r1_an_amount_reported_by_stripe_is_exact_in_micros(units: int, currency: str, expected: int) -> None:
    assert micros(units, currency) == expected
    if expected % 10_000 == 0:
        assert minor_units(expected, currency) == units

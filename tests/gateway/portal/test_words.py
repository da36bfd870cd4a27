"""Money and times as the owner reads them."""

import pytest

from gateway.portal.words import MINUS, Words
from schemas.instant import parse_instant

DIGITS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
NOW = "2026-11-27T12:00:00Z"


def words(currency: str = "USD", time_zone: str = "UTC", now: str = NOW) -> Words:
    return Words(currency, time_zone, int(parse_instant(now)), DIGITS.__getitem__)


@pytest.mark.parametrize(
    ("currency", "micros", "text"),
    [
        ("USD", 0, "$0.00"),
        ("USD", 1_234_500_000, "$1,234.50"),
        ("USD", -2_400_000, f"{MINUS}$2.40"),
        ("USD", 10_000, "$0.01"),
        ("USD", 125_000, "$0.125"),
        ("USD", 1, "$0.000001"),
        ("USD", 8_999_999_999_999_999, "$8,999,999,999.999999"),
        ("EUR", 12_300_000, "€12.30"),
        ("JPY", 1_000_000_000, "¥1,000"),
        ("JPY", 500_000, "¥0.5"),
        ("KWD", 1_500_000, "KWD\N{NO-BREAK SPACE}1.500"),
    ],
)
def test_money(currency: str, micros: int, text: str) -> None:
    assert words(currency).money(micros) == text
    assert words("USD").money(micros, currency) == text


def test_a_movement_has_its_sign() -> None:
    assert words().money(20_000_000, signed=True) == "+$20.00"
    assert words().money(-3_000_000, signed=True) == f"{MINUS}$3.00"
    assert words().money(0, signed=True) == "$0.00"


def test_an_amount_in_a_field_has_no_symbol_and_no_commas() -> None:
    assert words().amount(1_234_500_000) == "1234.50"
    assert words("JPY").amount(1_000_000_000) == "1000"


@pytest.mark.parametrize(
    ("time_zone", "at", "text"),
    [
        ("UTC", "2026-03-14T10:42:59Z", "14 March, 10:42"),
        ("Asia/Tokyo", "2026-03-14T15:00:00Z", "15 March, 00:00"),
        ("America/New_York", "2026-03-08T07:00:00Z", "8 March, 03:00"),
        ("UTC", "2027-01-01T00:00:00Z", "1 January 2027, 00:00"),
        ("America/Los_Angeles", "2026-01-01T07:59:00Z", "31 December 2025, 23:59"),
    ],
)
def test_moments(time_zone: str, at: str, text: str) -> None:
    known = words(time_zone=time_zone)
    assert known.moment(at) == known.moment(int(parse_instant(at))) == text
    assert f"{known.day(at)}, {known.time(at)}" == text


@pytest.mark.parametrize(
    ("time_zone", "now", "began"),
    [
        ("UTC", "2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z"),
        ("Asia/Tokyo", "2026-11-27T14:59:00Z", "2026-11-26T15:00:00Z"),
        # The day on which the clocks go forward, and the one on which they go back.
        ("America/New_York", "2026-03-08T20:00:00Z", "2026-03-08T05:00:00Z"),
        ("America/New_York", "2026-11-01T20:00:00Z", "2026-11-01T04:00:00Z"),
        # There is no midnight on this day: it begins at one o'clock.
        ("Africa/Cairo", "2024-04-26T12:00:00Z", "2024-04-25T22:00:00Z"),
    ],
)
def test_when_the_day_began(time_zone: str, now: str, began: str) -> None:
    assert words(time_zone=time_zone, now=now).today_began_ms() == parse_instant(began)


def test_counts() -> None:
    assert [words().count(n, "call") for n in (0, 1, 2, 1_000)] == ["0 calls", "1 call", "2 calls", "1,000 calls"]
    assert words().number(12.5) == "12.5"
    assert words().number(12.0) == "12"

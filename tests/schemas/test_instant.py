"""G2 and the contract's times: RFC 3339, UTC, at most milliseconds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.instant import format_instant, parse_instant, parse_rfc3339

LAST_MS = 32_503_679_999_999  # 2999-12-31T23:59:59.999Z


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.001Z", 1),
        ("2026-01-31T10:00:00.250Z", 1_769_853_600_250),
        ("2026-01-31T10:00:00.25Z", 1_769_853_600_250),
        ("2026-01-31T10:00:00.2Z", 1_769_853_600_200),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("2999-12-31T23:59:59.999Z", LAST_MS),
    ],
)
def test_g02_a_wire_time_in_milliseconds(text: str, millis: int) -> None:
    assert parse_instant(text) == millis


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, LAST_MS))
def test_g02_what_is_written_is_read_back(millis: int) -> None:
    text = format_instant(millis)
    assert parse_instant(text) == millis
    assert datetime.fromisoformat(text) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    assert len(text) == (20 if millis % 1000 == 0 else 24)


# A period may begin before 1970 or end after 2999 where an input touches the calendar's end.
@pytest.mark.parametrize(
    ("millis", "text"),
    [(-1, "1969-12-31T23:59:59.999Z"), (LAST_MS + 1, "3000-01-01T00:00:00Z"), (1_000, "1970-01-01T00:00:01Z")],
)
def test_g02_times_beyond_what_is_read_can_be_written(millis: int, text: str) -> None:
    assert format_instant(millis) == text


REFUSED = [
    "2026-01-31T10:00:00",  # no zone
    "2026-01-31T10:00:00+00:00",
    "2026-01-31T10:00:00-00:00",
    "2026-01-31T10:00:00+01:00",
    "2026-01-31T10:00:00.2500Z",  # four digits
    "2026-01-31T10:00:00.Z",
    "2026-01-31T10:00:00,250Z",
    "2026-01-31 10:00:00Z",
    "2026-01-31T10:00:00z",
    "2026-01-31t10:00:00Z",
    "2026-01-31T10:00Z",
    "2026-01-31T10:00:60Z",  # a leap second
    "2016-12-31T23:59:60Z",
    "2026-01-31T10:60:00Z",
    "2026-01-31T24:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-1-1T00:00:00Z",
    "20260131T100000Z",
    "2026-W05-6T10:00:00Z",
    "٢٠٢٦-01-31T10:00:00Z",  # digits of another script
    "2026-01-31T10:00:00.٢Z",
    "\uff12026-01-31T10:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "3000-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "+2026-01-31T10:00:00Z",
    " 2026-01-31T10:00:00Z",
    "2026-01-31T10:00:00Z ",
    "2026-01-31T10:00:00Z\n",
    "2026-01-31",
    "",
    "now",
    1_769_853_600_250,
    1_769_853_600.25,
    None,
    True,
    ["2026-01-31T10:00:00Z"],
]


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_g02_any_other_form_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)


# The cache of minutes must not change an answer, however much traffic passes through it.
def test_g02_remembered_minutes_are_bounded_and_right() -> None:
    for n in range(10_000):
        assert parse_instant(format_instant(n * 60_000)) == n * 60_000


@pytest.mark.parametrize(
    ("text", "millis"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.000999999Z", 0),
        ("1970-01-01T00:00:00.1Z", 100),
        ("1970-01-01T00:00:00.12345Z", 123),
        ("2016-12-31T23:59:60Z", 1_483_228_799_999),
        ("2016-12-31T23:59:60.5Z", 1_483_228_799_999),
        ("2999-12-31T23:59:59.999Z", LAST_MS),
    ],
)
def test_g02_any_rfc_3339_time_in_milliseconds(text: str, millis: int) -> None:
    assert parse_rfc3339(text) == millis


@pytest.mark.parametrize(
    "text",
    [
        "1970-01-01T00:00:00.0000000000Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+01:00",
        "1969-12-31T23:00:00-23:59",
        "2999-12-31T23:59:59-00:01",
        "2026-02-30T00:00:00Z",
        "2026-01-31T10:00:00Z\n",
        "٢٠٢٦-01-31T10:00:00Z",
        0,
        None,
    ],
)
def test_g02_what_is_no_rfc_3339_time_of_these_years(text: object) -> None:
    with pytest.raises(ValueError, match=r"expected|calendar"):
        parse_rfc3339(text)

"""G2 and the contract's times: any RFC 3339 time is read, UTC with at most milliseconds is written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.instant import format_instant, parse_instant
from tests.model.naive_time import instant

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
    "2026-01-31T10:00:00.2500000000Z",  # ten digits
    "2026-01-31T10:00:60",
    "2026-01-31T10:00:61Z",
    "2026-01-31T10:00:00+24:00",
    "2026-01-31T10:00:00+01:60",
    "2026-01-31T10:00:00+0100",
    "2026-01-31T10:00:00+01",
    "2026-01-31T10:00:00 +01:00",
    "2026-01-31T10:00:00\u221201:00",  # a minus sign
    "2026-01-31T10:00:00UTC",
    "2026-01-31t10:00:00",
    "2026-01-31_10:00:00Z",
    "2026-02-30T00:00:60Z",
    "1970-01-01T00:00:00+01:00",  # 1969 in UTC
    "1969-12-31T23:00:00-23:59",
    "2999-12-31T23:59:59-00:01",
    "2026-01-31T10:00:00.Z",
    "2026-01-31T10:00:00,250Z",
    "2026-01-31 10:00:00Z",
    "2026-01-31T10:00Z",
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
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T00:00:00z", 0),
        ("1970-01-01t00:00:00Z", 0),
        ("1970-01-01T00:00:00+00:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T23:59:00.5+23:59", 500),
        ("1970-01-01T00:00:00-00:01", 60_000),
        ("1970-01-01T00:00:00.000999999Z", 0),
        ("1970-01-01T00:00:00.1Z", 100),
        ("1970-01-01T00:00:00.12345Z", 123),
        ("2016-12-31T23:59:60Z", 1_483_228_799_999),
        ("2016-12-31T23:59:60.5Z", 1_483_228_799_999),
        ("2016-12-31t23:59:60.25z", 1_483_228_799_999),
        ("2016-12-31T18:59:60.000000001-05:00", 1_483_228_799_999),
        ("2026-01-31T10:00:60Z", 1_769_853_659_999),
        ("2999-12-31T23:59:59.999999999Z", LAST_MS),
    ],
)
def test_g02_any_rfc_3339_time_in_milliseconds(text: str, millis: int) -> None:
    assert parse_instant(text) == millis
    assert parse_instant(text) == millis  # Once more, from what is remembered.


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, LAST_MS), st.integers(-14 * 60, 14 * 60), st.integers(0, 999_999), st.booleans())
def test_g02_a_time_with_an_offset_is_the_same_moment(at_ms: int, minutes: int, nanos: int, lower: bool) -> None:
    at_ms = min(max(at_ms, 86_400_000), LAST_MS - 86_400_000)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    sign, hours = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    text = local.strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ms % 1000:03d}{nanos:06d}{sign}{hours[0]:02d}:{hours[1]:02d}"
    assert parse_instant(text.lower() if lower else text) == at_ms


DATES = st.from_regex(r"(1969|1970|2024|2026|2999|3000)-(0[1-9]|1[0-3])-([0-3]\d)", fullmatch=True)
TIMES = st.from_regex(r"[Tt ]([01]\d|2[0-4]):[0-6]\d:(0\d|59|60|61)(\.\d{1,11})?", fullmatch=True)
OFFSETS = st.from_regex(r"[Zz]|[+-][0-2]\d:[0-6]\d|", fullmatch=True)


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(DATES, TIMES, OFFSETS)
def test_g02_the_naive_model_reads_the_same_times(date: str, time: str, offset: str) -> None:
    text = date + time + offset
    try:
        expected = instant(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            parse_instant(text)
    else:
        assert parse_instant(text) == expected

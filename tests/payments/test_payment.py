"""A payment's row: what becomes of it, when it is due again, and that a restore trusts nothing blindly."""

import pytest

from payments.outcome import Declined, Outcome, Pending, Succeeded, Unknown
from payments.payment import FORMAT, REMEMBERED_MS, decode_row, encode_row
from payments.settle import settle
from schemas.instant import HOUR_MS, SECOND_MS
from schemas.rows import CorruptRowError
from tests.payments.requests import REQUESTED_MS, opened, request

OPEN = opened(request("a-1/buy/1"))
NOW_MS = REQUESTED_MS + 7 * SECOND_MS


@pytest.mark.parametrize(
    ("outcome", "status", "answered_at_ms"),
    [
        (Succeeded("pi_1", NOW_MS - 1), "succeeded", NOW_MS - 1),
        (Succeeded("pi_1"), "succeeded", REQUESTED_MS),  # no time from the provider: the request's
        (Succeeded("pi_1", REQUESTED_MS - 1), "succeeded", REQUESTED_MS),  # a clock that is behind
        (Declined("lost_card", False, "pi_1", NOW_MS), "declined", NOW_MS),
    ],
)
def test_an_answered_payment_bears_the_provider_s_time_and_keeps_no_token(
    outcome: Outcome, status: str, answered_at_ms: int
) -> None:
    after = settle(OPEN, outcome, NOW_MS)
    assert (after.status, after.reference, after.answered_at_ms) == (status, "pi_1", answered_at_ms)
    assert (after.token, after.due_ms) == ("", NOW_MS + REMEMBERED_MS)


def test_an_answered_payment_is_never_answered_again() -> None:
    answered = settle(OPEN, Succeeded("pi_1"), NOW_MS)
    with pytest.raises(AssertionError, match="has its answer"):
        settle(answered, Declined("lost_card", retryable=False), NOW_MS)


def pauses(outcome: Outcome, times: int) -> list[int]:
    """Seconds until it is asked for again, each time the same outcome comes."""
    row, found = OPEN, []
    for _ in range(times):
        row = settle(row, outcome, NOW_MS)
        assert row.is_open
        found.append((row.due_ms - NOW_MS) // SECOND_MS)
    return found


def test_an_unknown_outcome_is_no_decline_and_is_asked_for_ever_less_often() -> None:
    assert pauses(Unknown("a time-out"), 11) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert pauses(Unknown("a time-out"), 2_000)[-1] == 300


def test_a_pending_payment_is_looked_at_ever_less_often_until_once_an_hour() -> None:
    assert pauses(Pending("pi_1"), 12) == [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]
    assert settle(OPEN, Pending("pi_1", NOW_MS + HOUR_MS), NOW_MS).due_ms == NOW_MS + HOUR_MS


def test_the_reference_of_a_pending_payment_outlives_an_unknown_outcome() -> None:
    row = settle(settle(OPEN, Pending("pi_1"), NOW_MS), Unknown("a time-out"), NOW_MS)
    assert row.reference == "pi_1"


def test_a_row_comes_back_as_it_was_written() -> None:
    later = settle(OPEN, Pending("pi_1"), NOW_MS)
    key = b"a-1/buy/1"
    assert decode_row(key, encode_row(OPEN), None) == OPEN
    assert decode_row(key, encode_row(later), OPEN) == later


GOOD = encode_row(OPEN)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (b"a-1/buy/1", b"", "too short"),
        (b"a-1/buy/1", bytes([FORMAT + 1]) + GOOD[1:], "format 2, expected 1"),
        (b"a-1/buy/1", GOOD[:-2] + b"x}", "wrong checksum"),
        (b"a-1/buy/2", GOOD, "wrong checksum"),
        (b"a-1/buy/1", GOOD, "sequence 1 follows 2"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_refused(key: bytes, value: bytes, said: str) -> None:
    with pytest.raises(CorruptRowError, match=said):
        decode_row(key, value, settle(OPEN, Pending("pi_1"), NOW_MS))

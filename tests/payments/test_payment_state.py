"""A payment's row: its next state, when it is due again, and that a restore detects a damaged row."""

import pytest

from payments.adapter.changes import apply_outcome
from payments.outcome import Declined, Outcome, Pending, Succeeded, Unknown
from payments.payment_state import (
    FORMAT,
    LOOK_FIRST_MS,
    REMEMBERED_MS,
    REVERSIBLE_MS,
    add_checksum,
    decode_row,
    encode_row,
    mark_look_due,
    mark_look_failed,
    mark_looked,
)
from payments.reversal import Looked, Reversal
from schemas.instant import DAY_MS, HOUR_MS, SECOND_MS
from schemas.rows import CorruptRowError
from tests.payments.requests import REQUESTED_MS, opened, refund, request

OPEN = opened(request("a-1/buy/1"))
NOW_MS = REQUESTED_MS + 7 * SECOND_MS


@pytest.mark.parametrize(
    ("outcome", "status", "answered_at_ms"),
    [
        (Succeeded("pi_1", NOW_MS - 1), "succeeded", NOW_MS - 1),
        (Succeeded("pi_1"), "succeeded", REQUESTED_MS),  # no time from the provider: the request's time
        (Succeeded("pi_1", REQUESTED_MS - 1), "succeeded", REQUESTED_MS),  # a slow clock
        (Declined("lost_card", False, "pi_1", NOW_MS), "declined", NOW_MS),
    ],
)
def test_an_answered_payment_has_the_provider_s_time_and_keeps_no_token(
    outcome: Outcome, status: str, answered_at_ms: int
) -> None:
    after = apply_outcome(OPEN, outcome, NOW_MS)
    assert (after.status, after.reference, after.answered_at_ms) == (status, "pi_1", answered_at_ms)
    kept_ms = REVERSIBLE_MS if status == "succeeded" else REMEMBERED_MS
    assert (after.token, after.kept_until_ms, after.next_ms) == ("", NOW_MS + kept_ms, NOW_MS + kept_ms)


def test_an_answered_payment_is_never_answered_again() -> None:
    answered = apply_outcome(OPEN, Succeeded("pi_1"), NOW_MS)
    with pytest.raises(AssertionError, match="has its answer"):
        apply_outcome(answered, Declined("lost_card", retryable=False), NOW_MS)


def pauses(outcome: Outcome, times: int) -> list[int]:
    """Seconds until it is due again, for the same outcome `times` times."""
    row, found = OPEN, []
    for _ in range(times):
        row = apply_outcome(row, outcome, NOW_MS)
        assert row.is_open
        found.append((row.due_ms - NOW_MS) // SECOND_MS)
    return found


def test_an_unknown_outcome_is_no_decline_and_is_retried_at_growing_pauses() -> None:
    assert pauses(Unknown("a time-out"), 11) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert pauses(Unknown("a time-out"), 2_000)[-1] == 300


def test_a_pending_payment_is_checked_at_growing_pauses_up_to_an_hour() -> None:
    assert pauses(Pending("pi_1"), 12) == [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]
    assert apply_outcome(OPEN, Pending("pi_1", NOW_MS + HOUR_MS), NOW_MS).due_ms == NOW_MS + HOUR_MS


def test_the_reference_of_a_pending_payment_outlives_an_unknown_outcome() -> None:
    row = apply_outcome(apply_outcome(OPEN, Pending("pi_1"), NOW_MS), Unknown("a time-out"), NOW_MS)
    assert row.reference == "pi_1"


def test_a_row_comes_back_as_it_was_written() -> None:
    later = apply_outcome(OPEN, Pending("pi_1"), NOW_MS)
    key = b"a-1/buy/1"
    assert decode_row(key, encode_row(OPEN), None) == OPEN
    assert decode_row(key, encode_row(later), OPEN) == later


def test_rows_already_written_keep_their_bytes() -> None:
    assert encode_row(OPEN) == (
        b'\x01\x84%/\x04{"payment_id":"a-1/buy/1","account_id":"a-1","purpose":"purchase","amount_micros":20000000,'
        b'"currency":"USD","token":"cus_1/pm_card_visa","requested_at":"2026-01-31T10:00:00.250Z",'
        b'"asked_from_ms":1769853600250,"due_ms":1769853600250}'
    )
    assert encode_row(apply_outcome(OPEN, Declined("lost_card", False, "pi_1", REQUESTED_MS), REQUESTED_MS)) == (
        b'\x01S\x9d\x05\x9c{"payment_id":"a-1/buy/1","account_id":"a-1","purpose":"purchase","amount_micros":20000000,'
        b'"currency":"USD","requested_at":"2026-01-31T10:00:00.250Z","asked_from_ms":1769853600250,'
        b'"due_ms":1775901600250,"sequence":2,"attempts":1,"status":"declined","reference":"pi_1",'
        b'"answered_at_ms":1769853600250,"reason":"lost_card"}'
    )


# Written again without the field of a later version, the row would lose it.
def test_a_row_with_a_field_of_a_later_version_is_refused() -> None:
    key = b"a-1/buy/1"
    later = encode_row(OPEN)[5:-1] + b',"of_a_later_version":1}'
    with pytest.raises(CorruptRowError, match="a later version may have written it"):
        decode_row(key, add_checksum(key, later), None)


def test_p7_a_payment_that_succeeded_in_an_earlier_version_is_kept_for_its_reversals_too() -> None:
    """Its row was to be dropped after 70 days."""
    row = (
        b'{"payment_id":"a-1/buy/1","account_id":"a-1","purpose":"purchase","amount_micros":20000000,"currency":"USD",'
        b'"requested_at":"2026-01-31T10:00:00.250Z","asked_from_ms":1769853600250,"due_ms":1775901600250,"sequence":2,'
        b'"attempts":1,"status":"succeeded","reference":"pi_1","answered_at_ms":1769853600250}'
    )
    payment = decode_row(b"a-1/buy/1", add_checksum(b"a-1/buy/1", row), None)
    assert payment.kept_until_ms == payment.next_ms == REQUESTED_MS + 600 * DAY_MS


PAID = apply_outcome(OPEN, Succeeded("pi_1"), NOW_MS)
DISPUTE = Reversal("dispute", "du_1", 20_000_000, NOW_MS)
WON = Reversal("dispute_won", "du_1", 20_000_000, NOW_MS)


def test_r4_what_was_sent_is_in_the_row_and_not_sent_again() -> None:
    once, new = mark_looked(PAID, Looked((DISPUTE,), DAY_MS), NOW_MS)
    assert new == [DISPUTE]
    found_later = Reversal("dispute", "du_1", 19_000_000, NOW_MS + 1)
    twice, new = mark_looked(once, Looked((found_later, WON), DAY_MS), NOW_MS)
    assert (new, twice.reversals) == ([WON], (DISPUTE, WON))
    key = b"a-1/buy/1"
    assert decode_row(key, encode_row(twice), once) == twice


def look_pauses(again_within_ms: int, times: int) -> list[int]:
    """Hours between looks that find nothing new."""
    row, found = PAID, []
    for _ in range(times):
        row, _new = mark_looked(row, Looked((), again_within_ms), NOW_MS)
        found.append((row.next_ms - NOW_MS) // HOUR_MS)
    return found


def test_a_payment_is_looked_at_in_growing_pauses_up_to_the_provider_s() -> None:
    assert look_pauses(DAY_MS, 7) == [1, 2, 4, 8, 16, 24, 24]
    assert look_pauses(7 * DAY_MS, 10)[-2:] == [168, 168]


def test_a_sign_of_a_change_brings_the_next_look_and_the_pauses_begin_anew() -> None:
    row = PAID
    for _ in range(9):
        row, _new = mark_looked(row, Looked((), DAY_MS), NOW_MS)
    due = mark_look_due(row, NOW_MS)
    assert due.next_ms == NOW_MS
    after, _new = mark_looked(due, Looked((DISPUTE,), DAY_MS), NOW_MS)
    assert after.next_ms == NOW_MS + LOOK_FIRST_MS


def test_a_payment_with_nothing_to_expect_is_not_looked_at() -> None:
    after, _new = mark_looked(mark_look_due(PAID, NOW_MS), Looked(), NOW_MS)
    assert after.next_ms == after.kept_until_ms


def test_a_look_without_a_response_is_made_again_soon() -> None:
    row = mark_look_due(PAID, NOW_MS)
    pauses_s = []
    for _ in range(4):
        row = mark_look_failed(row, NOW_MS)
        pauses_s.append((row.next_ms - NOW_MS) // SECOND_MS)
    assert pauses_s == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("value", "outcome", "look_in_ms", "can_be_reversed"),
    [
        (request("p1"), Succeeded("pi_1"), 0, True),
        (request("p1"), Declined("lost_card", False), 0, True),
        (refund("p1", "p0"), Succeeded("re_1"), LOOK_FIRST_MS, True),
        (refund("p1", "p0"), Declined("failed", False), 0, False),
    ],
    ids=["paid", "declined", "refunded", "refund declined"],
)
def test_r2_only_a_refund_that_succeeded_is_looked_at_without_a_sign(
    value: bytes, outcome: Outcome, look_in_ms: int, can_be_reversed: bool
) -> None:
    """It may fail for weeks. A refund that failed at once was declined: the wallet has its money back already."""
    row = apply_outcome(opened(value), outcome, NOW_MS)
    assert row.look_at_ms == (NOW_MS + look_in_ms if look_in_ms else 0)
    assert row.can_be_reversed == can_be_reversed


GOOD = encode_row(OPEN)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"a-1/buy/1", b"", "too short"),
        (b"a-1/buy/1", bytes([FORMAT + 1]) + GOOD[1:], "format 2, expected 1"),
        (b"a-1/buy/1", GOOD[:-2] + b"x}", "wrong checksum"),
        (b"a-1/buy/2", GOOD, "wrong checksum"),
        (b"a-1/buy/1", GOOD, "sequence 1 follows 2"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_refused(key: bytes, value: bytes, reason: str) -> None:
    with pytest.raises(CorruptRowError, match=reason):
        decode_row(key, value, apply_outcome(OPEN, Pending("pi_1"), NOW_MS))

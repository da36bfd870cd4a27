"""The answer is an input of the wallet: readable, signed, and the same bytes each time."""

import pytest

from agents.wallet.signature import is_signed
from payments.adapter.answer import answer_id, encode_answer, encode_reversal, reversal_id, signature_headers
from payments.adapter.changes import apply_outcome
from payments.outcome import Declined, Outcome, Succeeded
from payments.reversal import Kind, Reversal
from schemas.codec import decode_input
from schemas.inputs import PaymentDeclined, PaymentReversed, PaymentSucceeded
from schemas.instant import DAY_MS, MINUTE_MS
from tests.payments.requests import REQUESTED_MS, opened, request

PAYMENT = opened(request("a-1/purchase/b-7"))
AT_MS = REQUESTED_MS + 1_000

HEAD = b'"id":"pay:ID","account_id":"a-1","occurred_at":"2026-01-31T10:00:01.250Z","payment_id":"a-1/purchase/b-7",'
PAID = b'{"type":"payment-succeeded",' + HEAD + b'"provider_reference":"pi_1"}'
DECLINED = b'{"type":"payment-declined",' + HEAD + b'"reason":"lost_card","retryable":false}'


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Succeeded("pi_1", AT_MS), PAID),
        (Declined("lost_card", retryable=False, reference="pi_1", at_ms=AT_MS), DECLINED),
    ],
)
def test_the_bytes_are_a_function_of_payment_and_outcome(outcome: Outcome, expected: bytes) -> None:
    """Whenever the payment is answered, and however often it was executed before."""
    name = answer_id(PAYMENT.payment_id).removeprefix("pay:").encode()
    for now_ms in (AT_MS, AT_MS + DAY_MS):
        assert encode_answer(apply_outcome(PAYMENT, outcome, now_ms)) == expected.replace(b"ID", name)


def test_p17_a_late_answer_is_not_ahead_of_a_clock_that_stood_still() -> None:
    """The worker refuses an input more than five minutes ahead of its own ticks."""
    late = apply_outcome(PAYMENT, Succeeded("pi_1", REQUESTED_MS + DAY_MS), REQUESTED_MS + DAY_MS)
    assert late.answered_at_ms == REQUESTED_MS + DAY_MS
    answer = decode_input(encode_answer(late))
    assert isinstance(answer, PaymentSucceeded)
    assert answer.occurred_at_ms == REQUESTED_MS + MINUTE_MS


def test_the_wallet_reads_it_and_its_signature() -> None:
    paid = encode_answer(apply_outcome(PAYMENT, Succeeded("pi_1", AT_MS), AT_MS))
    assert decode_input(paid) == PaymentSucceeded(
        id=answer_id(PAYMENT.payment_id),
        account_id="a-1",
        occurred_at_ms=AT_MS,  # type: ignore[arg-type]  # an Instant is an int
        payment_id="a-1/purchase/b-7",
        provider_reference="pi_1",
    )
    declined = decode_input(encode_answer(apply_outcome(PAYMENT, Declined("x", retryable=True), AT_MS)))
    assert isinstance(declined, PaymentDeclined)
    assert (declined.reason, declined.retryable, declined.occurred_at_ms) == ("x", True, REQUESTED_MS)
    assert is_signed(paid, signature_headers(paid, b"new key"), [b"new key"])
    assert not is_signed(paid, signature_headers(paid, b"other"), [b"new key"])
    assert signature_headers(paid, None) == []


@pytest.mark.parametrize("payment_id", ["a-1/purchase/b 7", "a/" + "x" * 300, "a/purchase/ключ"])
def test_any_payment_id_gives_the_id_of_an_input(payment_id: str) -> None:
    row = opened(request(payment_id))
    answer = decode_input(encode_answer(apply_outcome(row, Succeeded("pi_1"), AT_MS)))
    assert isinstance(answer, PaymentSucceeded)
    assert answer.payment_id == payment_id


ANSWERED = apply_outcome(PAYMENT, Succeeded("pi_1", AT_MS), AT_MS)
DISPUTE = Reversal("dispute", "du_1", 12_000_000, AT_MS + 75 * DAY_MS)


def test_g14_the_wallet_reads_a_reversal_and_its_signature() -> None:
    value = encode_reversal(ANSWERED, DISPUTE, by_ticks=False)
    assert decode_input(value) == PaymentReversed(
        id=reversal_id("a-1/purchase/b-7", DISPUTE),
        account_id="a-1",
        occurred_at_ms=DISPUTE.at_ms,  # type: ignore[arg-type]  # an Instant is an int
        payment_id="a-1/purchase/b-7",
        amount_micros=12_000_000,
        kind="dispute",
        provider_reference="du_1",
    )
    assert is_signed(value, signature_headers(value, b"new key"), [b"new key"])


def test_r4_a_movement_has_one_id_whenever_it_is_found_and_every_other_has_its_own() -> None:
    names: list[tuple[Kind, str]] = [
        ("dispute", "du_1"),
        ("dispute_won", "du_1"),
        ("dispute", "du_2"),
        ("dispute", "du_1/2"),
        ("refund", "re_1"),
    ]
    ids = [reversal_id("p1", Reversal(kind, reference, 1, 1)) for kind, reference in names]
    ids += [reversal_id("p2", Reversal("dispute", "du_1", 1, 1)), answer_id("p1")]
    assert len(set(ids)) == 7
    assert reversal_id("p1", Reversal("dispute", "du_1", 9, 9)) == ids[0]


@pytest.mark.parametrize(
    ("at_ms", "by_ticks", "expected_ms"),
    [
        (REQUESTED_MS + 75 * DAY_MS, False, REQUESTED_MS + 75 * DAY_MS),
        (REQUESTED_MS + 75 * DAY_MS, True, REQUESTED_MS + MINUTE_MS),  # The clock may still stand at the request.
        (REQUESTED_MS - DAY_MS, False, REQUESTED_MS),  # a slow clock
        (REQUESTED_MS + 1, True, REQUESTED_MS + 1),
    ],
)
def test_p17_a_reversal_has_the_provider_s_time_unless_ticks_alone_are_the_time(
    at_ms: int, by_ticks: bool, expected_ms: int
) -> None:
    value = decode_input(encode_reversal(ANSWERED, Reversal("refund", "re_1", 1, at_ms), by_ticks=by_ticks))
    assert isinstance(value, PaymentReversed)
    assert value.occurred_at_ms == expected_ms


def test_r3_there_is_no_reversal_before_the_answer() -> None:
    with pytest.raises(AssertionError, match="no answer yet"):
        encode_reversal(PAYMENT, DISPUTE, by_ticks=False)

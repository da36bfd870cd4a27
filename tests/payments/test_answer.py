"""The answer is an input of the wallet: readable by its rules, signed, and the same bytes each time."""

import pytest

from agents.wallet.signature import is_signed
from payments.answer import answer_bytes, answer_id, signed
from payments.outcome import Declined, Outcome, Succeeded
from payments.settle import settle
from schemas.codec import decode_input
from schemas.inputs import PaymentDeclined, PaymentSucceeded
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
    """Whenever it is answered, and however often it was asked for before."""
    name = answer_id(PAYMENT.payment_id).removeprefix("pay:").encode()
    for now_ms in (AT_MS, AT_MS + DAY_MS):
        assert answer_bytes(settle(PAYMENT, outcome, now_ms)) == expected.replace(b"ID", name)


def test_p17_a_late_answer_is_not_ahead_of_a_clock_that_stood_still() -> None:
    """The worker refuses what is more than five minutes ahead of its own ticks."""
    late = settle(PAYMENT, Succeeded("pi_1", REQUESTED_MS + DAY_MS), REQUESTED_MS + DAY_MS)
    assert late.answered_at_ms == REQUESTED_MS + DAY_MS
    answer = decode_input(answer_bytes(late))
    assert isinstance(answer, PaymentSucceeded)
    assert answer.occurred_at_ms == REQUESTED_MS + MINUTE_MS


def test_the_wallet_reads_it_and_its_signature() -> None:
    paid = answer_bytes(settle(PAYMENT, Succeeded("pi_1", AT_MS), AT_MS))
    assert decode_input(paid) == PaymentSucceeded(
        id=answer_id(PAYMENT.payment_id),
        account_id="a-1",
        occurred_at_ms=AT_MS,  # type: ignore[arg-type]  # an Instant is an int
        payment_id="a-1/purchase/b-7",
        provider_reference="pi_1",
    )
    declined = decode_input(answer_bytes(settle(PAYMENT, Declined("x", retryable=True), AT_MS)))
    assert isinstance(declined, PaymentDeclined)
    assert (declined.reason, declined.retryable, declined.occurred_at_ms) == ("x", True, REQUESTED_MS)
    assert is_signed(paid, signed(paid, b"new key"), [b"new key"])
    assert not is_signed(paid, signed(paid, b"other"), [b"new key"])
    assert signed(paid, None) == []


@pytest.mark.parametrize("payment_id", ["a-1/purchase/b 7", "a/" + "x" * 300, "a/purchase/ключ"])
def test_any_payment_id_gives_the_id_of_an_input(payment_id: str) -> None:
    row = opened(request(payment_id))
    answer = decode_input(answer_bytes(settle(row, Succeeded("pi_1"), AT_MS)))
    assert isinstance(answer, PaymentSucceeded)
    assert answer.payment_id == payment_id

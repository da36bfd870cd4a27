"""The fake payment provider: the same answer for the same payment, and only one."""

import json
from collections import Counter
from dataclasses import replace

import msgspec
import pytest
from aiokafka import TopicPartition

from demo.provider import Answer, Provider, ProviderSettings, reversals
from demo.provider_loop import Waiting
from demo.wire import sign
from payments.providers.fake import FakeSettings
from schemas.instant import HOUR_MS, MINUTE_MS, SECOND_MS, parse_instant

KEY = b"a key of the tests"
SETTINGS = ProviderSettings(FakeSettings(seed=7), KEY)
REQUESTED_AT = "2026-01-31T10:00:00.250Z"


def request(number: int, purpose: str = "purchase") -> bytes:
    # A payment id contains a slash, which the id of an input may not.
    return json.dumps(
        {
            "type": "payment-requested",
            "id": f"fact-{number}",
            "account_id": "a-1",
            "occurred_at": REQUESTED_AT,
            "caused_by": "in-1",
            "payment_id": f"a-1/buy/{number}",
            "purpose": purpose,
            "amount_micros": 20_000_000,
            "currency": "USD",
            "payment_method_id": "pm-1",
            "token": "tok-1",
        }
    ).encode()


def answered(settings: ProviderSettings, count: int, purpose: str = "purchase") -> list[Answer]:
    provider = Provider(settings)
    answers = [provider.answer(request(number, purpose)) for number in range(count)]
    return [answer for answer in answers if answer is not None]


def test_another_provider_with_the_same_seed_gives_the_same_bytes() -> None:
    assert answered(SETTINGS, 50) == answered(SETTINGS, 50)
    assert answered(SETTINGS, 50) != answered(replace(SETTINGS, fares=FakeSettings(seed=8)), 50)


def test_a_payment_is_answered_once() -> None:
    provider = Provider(SETTINGS)
    assert provider.answer(request(1)) is not None
    assert provider.answer(request(1)) is None
    assert provider.answer(request(2)) is not None


def test_an_answer_names_its_payment_is_signed_and_keyed_by_the_account() -> None:
    (answer,) = answered(SETTINGS, 1)
    value = json.loads(answer.record.value)
    assert value["payment_id"] == "a-1/buy/0"
    assert value["account_id"] == "a-1"
    assert answer.record.key == b"a-1"
    assert "/" not in value["id"]
    assert parse_instant(value["occurred_at"]) == parse_instant(REQUESTED_AT) + answer.delay_ms
    assert answer.record.at_ms == parse_instant(REQUESTED_AT) + answer.delay_ms
    assert answer.record.headers == sign(answer.record.value, KEY)


def test_some_declines_are_retryable_some_are_final_and_some_answers_are_slow() -> None:
    answers = answered(SETTINGS, 2_000)
    verdicts = Counter(json.loads(answer.record.value).get("retryable") for answer in answers)
    # retryable, in parts of 2 000 with 8 %, 4 % and the rest configured
    assert verdicts[True] == pytest.approx(160, rel=0.25)
    assert verdicts[False] == pytest.approx(80, rel=0.35)
    assert verdicts[None] == 2_000 - verdicts[True] - verdicts[False]
    assert all(answer.delay_ms >= SECOND_MS for answer in answers)
    slower_than_the_limit = sum(answer.delay_ms > 15 * MINUTE_MS for answer in answers)
    assert slower_than_the_limit == pytest.approx(20, rel=0.6)


def test_a_slow_answer_is_dated_within_a_minute_of_its_request() -> None:
    """Rule P17: the clock may stand still before the answer arrives, and the answer must not be ahead of it."""
    slow = replace(SETTINGS, fares=replace(SETTINGS.fares, very_slow_ppm=1_000_000, very_slow_ms=20 * HOUR_MS))
    for answer in answered(slow, 20):
        assert 20 * HOUR_MS <= answer.delay_ms <= 41 * HOUR_MS
        decided_ms = parse_instant(json.loads(answer.record.value)["occurred_at"])
        assert decided_ms == parse_instant(REQUESTED_AT) + MINUTE_MS


def test_a_refund_is_never_declined() -> None:
    strict = replace(SETTINGS, fares=FakeSettings(declined_ppm=1_000_000))
    assert {answer.record.kind for answer in answered(strict, 20, "refund")} == {"payment-succeeded"}
    assert {answer.record.kind for answer in answered(strict, 20)} == {"payment-declined"}


ALL_PAID = FakeSettings(declined_ppm=0, declined_for_now_ppm=0)


@pytest.mark.parametrize(
    ("shares", "purpose", "expected"),
    [
        ({}, "purchase", []),
        ({"disputed_ppm": 1_000_000}, "purchase", [("dispute", 20_000_000)]),
        (
            {"disputed_ppm": 1_000_000, "won_ppm": 1_000_000},
            "overage",
            [("dispute", 20_000_000), ("dispute_won", 20_000_000)],
        ),
        ({"refunded_ppm": 1_000_000}, "purchase", [("refund", 10_000_000)]),
        ({"refund_failed_ppm": 1_000_000}, "refund", [("refund_failed", 20_000_000)]),
        ({"refund_failed_ppm": 1_000_000}, "purchase", []),
        ({"disputed_ppm": 1_000_000, "declined_ppm": 1_000_000}, "purchase", []),
    ],
)
def test_g14_a_payment_is_reversed_after_its_answer_if_the_settings_say_so(
    shares: dict[str, int], purpose: str, expected: list[tuple[str, int]]
) -> None:
    settings = ProviderSettings(replace(ALL_PAID, **shares), KEY)
    found = reversals(request(1, purpose), settings)
    values = [json.loads(one.record.value) for one in found]
    assert [(value["kind"], value["amount_micros"]) for value in values] == expected
    answer = Provider(settings).answer(request(1, purpose))
    assert answer is not None
    assert all(one.delay_ms > answer.delay_ms for one in found)
    assert [one.record.headers for one in found] == [sign(one.record.value, KEY) for one in found]
    assert len({value["id"] for value in values}) == len(found)
    assert found == reversals(request(1, purpose), settings)


def test_a_malformed_request_raises() -> None:
    with pytest.raises(msgspec.ValidationError):
        Provider(SETTINGS).answer(b'{"type": "payment-requested"}')


def test_answers_are_sent_when_due_and_requests_stay_uncommitted_until_then() -> None:
    (early, late) = answered(SETTINGS, 2)
    where = TopicPartition("payment-requests", 0)
    waiting = Waiting()
    waiting.add(20.0, where, 4, late)
    waiting.add(10.0, where, 5, early)
    waiting.read_to[where] = 7
    assert waiting.to_commit() == {where: 4}
    assert list(waiting.take_due(15.0)) == [early]
    assert waiting.to_commit() == {where: 4}
    assert list(waiting.take_due(25.0)) == [late]
    assert waiting.to_commit() == {where: 7}
    waiting.committed[where] = 7
    assert waiting.to_commit() == {}

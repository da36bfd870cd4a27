"""The answers of the adapter in docs/guides/payments.md, through the rules."""

import json
from typing import Any

import pytest

from agents.wallet.signature import is_signed
from backoffice.replay import replay_lines
from tests.guides.pages import code_of
from tests.wire.published import errors, is_published

GUIDE = code_of("payments.md", "adapter")
AT = "2026-01-31T10:05:00Z"
PAID = {"paid": True, "reference": "ch_3Nx81k", "at": "2026-01-31T10:05:03Z"}
DECLINED = {"paid": False, "reason": "insufficient_funds", "retryable": True, "at": "2026-01-31T10:05:03Z"}
CARD = {"token": "cus_9/pm_1NwXy2", "brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}


def purchase() -> list[dict[str, Any]]:
    def event(kind: str, **fields: Any) -> dict[str, Any]:
        return {"type": kind, "id": kind, "account_id": "acct-7f3", "occurred_at": AT, **fields}

    return [
        event("account-opened", plan="free"),
        event("payment-method-added", payment_method_id="pm-1", **CARD),
        event("credits-purchase-requested", purchase_id="order-2291", amount_micros=20_000_000),
    ]


def replayed(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(replay_lines(json.dumps(event).encode() for event in events))


def request() -> dict[str, Any]:
    (requested,) = [event for event in replayed(purchase()) if event["type"] == "payment-requested"]
    return requested


@pytest.mark.parametrize(("result", "types"), [
    (PAID, {"ledger-entry-posted", "receipt-issued"}),
    (DECLINED, {"purchase-declined"}),
])  # fmt: skip
def test_an_answer_takes_effect_once(result: dict[str, Any], types: set[str]) -> None:
    answer = GUIDE["answer"](request(), result)
    assert is_published(answer), errors(answer)
    before = len(replayed(purchase()))
    once = replayed([*purchase(), answer])
    assert types <= {event["type"] for event in once[before:]}
    assert not any(event["type"] == "dead-letter" for event in once)
    assert replayed([*purchase(), answer, answer]) == once


@pytest.mark.parametrize("kind", ["dispute", "refund"])
def test_a_reversal_takes_the_credits_back_once(kind: str) -> None:
    answer = GUIDE["answer"](request(), PAID)
    reversal = GUIDE["reversal"](request(), kind, 20_000_000, "dp_1N", "2026-02-10T10:05:04Z")
    assert is_published(reversal), errors(reversal)
    events = replayed([*purchase(), answer, reversal, reversal])
    ledger = [event["balance_after_micros"] for event in events if event["type"] == "ledger-entry-posted"]
    assert ledger == [20_000_000, 0]


def test_a_signature_is_the_workers() -> None:
    value = json.dumps(GUIDE["answer"](request(), PAID)).encode()
    headers = GUIDE["signature"](value, b"a key")
    assert is_signed(value, headers, [b"a key"])
    assert not is_signed(value, headers, [b"another key"])

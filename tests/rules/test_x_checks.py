"""X1 and X4: the order of checks. The first check that fails names the dead letter."""

import itertools
import json
from typing import Any

import pytest

from agents.wallet.signature import sign
from backoffice.replay import replay_lines
from tests.agents.partition import InputRecord, Partition, account_at_home, header, outputs_to, record_of
from tests.rules.story import SIGNUP, Story, later, opened, usd

CARD = "4242 4242 4242 4242"
CARD_INPUT = {"payment_method_id": "pm1", "token": "t", "brand": "visa", "last4": "4242", "exp_month": 4}
FORTY_DAYS_ON = later(SIGNUP, days=40)


def code_of(partition: Partition, record: InputRecord) -> str | None:
    letters = outputs_to(partition.decide(record), "dead-letters")
    return header(letters[0], "errors.code") if letters else None


# The checks of a value, in order, and what makes a `payment-method-added` fail each of them.
VALUE_FAULTS: dict[str, dict[str, Any]] = {
    "too_large": {"pad": "x" * 65_536},
    "unsupported_version": {"specversion": "0.3"},
    "unknown_type": {"type": "payment-method-lent"},
    "card_number_refused": {"note": CARD},
    "schema_invalid": {"brand": "diners"},
}


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(VALUE_FAULTS, 2)))
def test_x01_the_first_fault_of_a_value_names_it(first: str, second: str) -> None:
    faults = VALUE_FAULTS[second] | VALUE_FAULTS[first]
    story = opened().says("payment-method-added", **{**CARD_INPUT, "exp_year": 2031, **faults})
    assert story.refusal() == first


# What cannot be parsed, with a `ce_specversion` that is not 1.0: the bytes come first.
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"\xff{", "not_utf8"),
        (b"{", "malformed_json"),
        (b"[1]", "not_an_object"),
        (b'{"type":"call-melted"}', "unsupported_version"),
        (b"x" * 65_537, "too_large"),
    ],
)
def test_x01_a_version_comes_after_the_bytes(value: bytes, code: str) -> None:
    assert code_of(Partition(), InputRecord(b"acme", value, [("ce_specversion", b"0.3")])) == code


def test_x01_a_whole_value_of_another_version_is_refused() -> None:
    event = opened().inputs[0]
    assert code_of(Partition(), record_of(event, headers=[("ce_specversion", b"0.3")])) == "unsupported_version"
    assert code_of(Partition(), record_of(event, headers=[("ce_specversion", b"1.0")])) is None


KEY = b"0123456789abcdef"
STAMP = 1_767_225_600_000  # SIGNUP


def record(event: dict[str, Any], partition: int, *, key: str = "", signed: bool = True) -> InputRecord:
    """A record whose broker timestamp is the signup."""
    value = json.dumps(event).encode()
    headers = [("signature", sign(value, KEY))] if signed else []
    at = (key or event["account_id"]).encode()
    return InputRecord(at, value, headers, partition=partition, timestamp=STAMP, timestamp_type=1)


# From the value's schema to the account, one fault mended after the other.
def test_x01_key_partition_signature_time_and_account_in_this_order() -> None:
    mine, other = account_at_home(3, 8), account_at_home(5, 8)
    partition = Partition(partitions=8, number=3, signing_keys=[KEY])
    grant = Story(other).is_granted(5, at=later(SIGNUP, hours=1)).inputs[-1]
    found = [
        code_of(partition, record(grant | {"actor": 7}, 3, key="x", signed=False)),
        code_of(partition, record(grant, 3, key="x", signed=False)),
        code_of(partition, record(grant, 3, signed=False)),
        code_of(partition, record(grant | {"account_id": mine}, 3, signed=False)),
        code_of(partition, record(grant | {"account_id": mine}, 3)),
        code_of(partition, record(grant | {"account_id": mine, "occurred_at": SIGNUP}, 3)),
    ]
    codes = "schema_invalid key_mismatch wrong_partition unauthenticated future_time unknown_account"
    assert found == codes.split()


# X4: the signature is checked before repeats: an older unsigned tick is `unauthenticated`.
def test_x04_an_older_unsigned_tick_is_unauthenticated() -> None:
    partition = Partition(signing_keys=[KEY])
    tick = Story().ticks().inputs[-1]
    older = {**tick, "id": "older", "occurred_at": later(SIGNUP, seconds=-1)}
    assert code_of(partition, record(tick, 0)) is None
    assert code_of(partition, record(older, 0, signed=False)) == "unauthenticated"
    assert partition.decide(record(older, 0)).tally["inputs", "repeat"] == 1
    # A tick from the future is refused before it is a repeat.
    ahead = {**tick, "occurred_at": later(SIGNUP, minutes=1, milliseconds=1)}
    assert code_of(partition, record(ahead, 0)) == "future_time"


def test_x01_too_late_comes_before_a_repeat() -> None:
    story = opened().ends("c1", id="end").ticks(FORTY_DAYS_ON).ends("c1", started=SIGNUP, id="end")
    assert story.refusal() == "too_late"


def test_x01_too_late_comes_before_the_signup() -> None:
    story = opened().ticks(FORTY_DAYS_ON).starts("c1", at=later(SIGNUP, days=-1))
    assert story.refusal() == "too_late"


def test_x01_the_future_comes_before_an_unknown_account_and_a_repeat() -> None:
    ahead = {"at": later(SIGNUP, minutes=6), "arrived_at": SIGNUP}
    assert Story().switches("live_agent").says("redirect-set", redirect_to="x", **ahead).refusal() == "future_time"
    story = (
        opened().says("redirect-set", redirect_to="x", id="r").says("redirect-set", redirect_to="x", id="r", **ahead)
    )
    assert story.refusal() == "future_time"


# A repeat, by `id` and then by call, purchase, grant or payment, comes before every refusal by the account's state.
def test_x01_a_repeat_comes_before_the_accounts_state() -> None:
    story = opened(id="open").adds_card().buys("p1", 20, id="buy")
    assert story.says("account-opened", plan="gold", id="open").answer() == []
    assert story.says("account-opened", plan="gold").refusal() == "account_exists"
    assert story.buys("p2", 20, payment_method_id="none", id="buy").answer() == []
    assert story.buys("p1", 20, payment_method_id="none").answer() == []
    assert story.buys("p3", 20, payment_method_id="none").refusal() == "unknown_payment_method"
    assert story.is_granted(5, "g1").is_granted(9, "g1").answer() == []
    assert story.balance() == usd(5)


# An ignored field may be nested up to where the parser stops; `replay` goes on after such a line, whatever it holds.
@pytest.mark.parametrize(("levels", "code"), [(900, None), (1_000, None), (1_020, None), (2_000, "malformed_json")])
def test_x01_a_deeply_nested_field_is_ignored_or_malformed(levels: int, code: str | None) -> None:
    nested = b',"more":' + b"[" * levels + b"]" * levels + b"}"
    lines = opened().says("redirect-set", redirect_to="x").lines()
    lines[-1] = lines[-1].strip()[:-1] + nested
    assert [fact["code"] for fact in replay_lines(lines)] == ([] if code is None else [code])
    lines[-1] = lines[-1][:-1] + b',"arrived_at":"soon"}'
    assert [fact["code"] for fact in replay_lines(lines)] == [code or "schema_invalid"]

"""The gate's pure parts: the start that it writes, its policy within the blind limits, and what it remembers."""

import json
from hashlib import sha256
from typing import Any

import pytest

from gateway.gate.decision import ENGINE, REPORTED, Decision, read_decided
from gateway.gate.memory import Memory
from gateway.gate.pending import CallKey
from gateway.gate.policy import BLIND_MAX, CLOSED, NO_SUCH_ACCOUNT, OPEN, BlindLimits, Policy
from gateway.gate.start import Start, compose
from schemas.codec import Unreadable
from schemas.instant import MINUTE_MS, format_instant, parse_instant

NOW_MS = parse_instant("2026-03-01T10:00:00Z")
BODY = {"account_id": "acct-1", "call_id": "c/1", "direction": "inbound"}


def composed(**changed: object) -> Start | Unreadable:
    return compose({name: value for name, value in (BODY | changed).items() if value != "absent"}, NOW_MS)


def test_a_start_is_written_under_an_id_that_depends_on_account_and_call_alone() -> None:
    one, other = composed(**{"from": "+1555", "id": "mine"}), composed(leg_id="a", direction="web")
    assert isinstance(one, Start)
    assert isinstance(other, Start)
    assert one.input_id == other.input_id == "gate:" + sha256(b"acct-1\nc/1").hexdigest()[:40]
    assert json.loads(one.value) == {
        "type": "call-started",
        "id": one.input_id,
        "account_id": "acct-1",
        "occurred_at": "2026-03-01T10:00:00Z",
        "call_id": "c/1",
        "direction": "inbound",
        "from": "+1555",
    }


@pytest.mark.parametrize(
    ("changed", "code", "named"),
    [
        ({"call_id": "absent"}, "schema_invalid", "call_id"),
        ({"account_id": "absent"}, "schema_invalid", "account_id"),
        ({"direction": "sideways"}, "schema_invalid", "direction"),
        ({"call_id": "a b"}, "schema_invalid", "call_id"),
        ({"call_id": None}, "schema_invalid", "call_id"),
        ({"from": [[[]]] * 9}, "schema_invalid", "from"),
        ({"to": 10**400}, "schema_invalid", "to"),
        ({"occurred_at": "yesterday"}, "schema_invalid", "occurred_at"),
        ({"occurred_at": format_instant(NOW_MS + 5 * MINUTE_MS + 1)}, "future_time", "occurred_at"),
        ({"from": "5" * 65_500}, "too_large", "bytes"),
    ],
)
def test_what_the_schema_refuses_is_named(changed: dict[str, Any], code: str, named: str) -> None:
    refused = composed(**changed)
    assert isinstance(refused, Unreadable)
    assert refused.code == code
    assert named in refused.message


@pytest.mark.parametrize(
    "changed",
    [
        {"occurred_at": format_instant(NOW_MS + 5 * MINUTE_MS)},
        {"occurred_at": "1999-01-01T00:00:00+02:00"},
        {"occurred_at": None, "leg_id": None, "from": None, "to": None},
        {"type": "clock-ticked", "specversion": "0.3", "unknown": {"deep": [[[]]]}},
    ],
)
def test_what_the_schema_takes_is_left_to_the_engine(changed: dict[str, Any]) -> None:
    assert isinstance(composed(**changed), Start)


def test_a_nested_value_is_refused_however_deep() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    refused = composed(to=deep)
    while deep:  # A deep list that is freed at once ends the interpreter's stack.
        deep = deep[0]
    assert isinstance(refused, Unreadable)


# key, account, minute -> answer of an open policy with limits of 3 per key and 2 per account
BLIND = [
    ("k1", "a", 0, OPEN),
    ("k1", "a", 0, OPEN),
    ("k1", "a", 0, BLIND_MAX),  # The account's limit.
    ("k1", "b", 0, OPEN),
    ("k1", "c", 0, BLIND_MAX),  # The key's limit.
    ("k2", "a", 0, BLIND_MAX),  # The account's limit holds for every key.
    ("k2", "c", 0, OPEN),  # A refusal has counted nothing.
    ("k1", "a", 1, OPEN),
]


def test_an_open_policy_allows_within_both_limits_of_the_minute() -> None:
    policy = Policy("open", BlindLimits(per_key=3, per_account=2))
    for key, account, minute, answer in BLIND:
        assert policy.decide(key, account, NOW_MS + minute * MINUTE_MS, no_such_account=False) == answer


# minute -> answer of a limit of 2 per account: no minute begins twice, unless the clock was wrong by more than that
MINUTES = [(5, OPEN), (5, OPEN), (5, BLIND_MAX), (6, OPEN), (5, OPEN), (6, BLIND_MAX), (5, BLIND_MAX), (2, OPEN)]


def test_a_clock_that_goes_back_a_little_gives_nobody_more() -> None:
    policy = Policy("open", BlindLimits(per_key=0, per_account=2))
    for minute, answer in MINUTES:
        assert policy.decide("k", "a", NOW_MS + minute * MINUTE_MS, no_such_account=False) == answer


def test_a_limit_of_zero_is_none() -> None:
    policy = Policy("open", BlindLimits(per_key=0, per_account=0))
    assert {policy.decide("k", "a", NOW_MS, no_such_account=False) for _ in range(100)} == {OPEN}


def test_an_account_that_does_not_exist_takes_no_part_of_the_limits() -> None:
    policy = Policy("open", BlindLimits(per_key=1, per_account=1))
    assert policy.decide("k", "nobody", NOW_MS, no_such_account=True) == NO_SUCH_ACCOUNT
    assert policy.decide("k", "a", NOW_MS, no_such_account=False) == OPEN


def test_a_closed_policy_redirects_all() -> None:
    policy = Policy("closed", BlindLimits(per_key=0, per_account=0))
    assert {policy.decide("k", "a", NOW_MS, no_such_account=gone) for gone in (True, False)} == {CLOSED}


ADMITTED = b"""{"type": "call-admitted", "id": "i", "account_id": "a", "occurred_at": "2026-03-01T10:00:00Z",
"caused_by": "x", "call_id": "c", "reason": "credits", "features_enabled": ["live_agent"], "hold_micros": 5,
"currency": "USD", "direction": "inbound"}"""
REDIRECTED = b'{"type": "call-redirected", "caused_by": null, "call_id": "c", "reason": "refused", "redirect_to": "+1"}'


def test_a_decision_is_read_from_the_engines_event() -> None:
    admitted, redirected = read_decided(ADMITTED), read_decided(REDIRECTED)
    assert admitted is not None
    assert redirected is not None
    assert admitted.decision == Decision("allow", "credits", ENGINE, ("live_agent",), 5)
    assert redirected.decision == Decision("redirect", "refused", ENGINE, redirect_to="+1")
    assert [admitted.decision.kept, redirected.decision.kept, REPORTED.kept] == [True, False, False]
    assert read_decided(b'{"type": "call-charged", "call_id": "c", "reason": "r"}') is read_decided(b"[]") is None


def test_the_oldest_decisions_are_forgotten_first() -> None:
    now_s = [0.0]
    memory = Memory(lambda: now_s[0], most=2, seconds=10)
    calls = [CallKey("a", str(number)) for number in range(3)]
    for call in (calls[0], calls[1], calls[0], calls[2]):
        now_s[0] += 1
        memory.keep(call, OPEN)
    assert [memory.get(call) for call in calls] == [OPEN, None, OPEN]
    now_s[0] = 13  # Ten seconds after the first was kept again.
    assert [memory.get(call) for call in calls] == [None, None, OPEN]

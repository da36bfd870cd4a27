"""X2 and X3: a refused start is answered before its dead letter, so that a gate always gets an answer."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from backoffice.replay import replay_lines
from schemas.partitioning import partition_of
from tests.agents.partition import InputRecord, Partition, account_at_home, facts_of, outputs_to, record_of
from tests.rules.story import BOTH, SIGNUP, Event, Story, later, only, opened, usd

GIVEN = {"direction": "outbound", "from": "+15550101", "to": "+15550102"}
YEAR_LATER = later(SIGNUP, days=365)


def story() -> Story:
    return opened(*BOTH, credit=20).says("redirect-set", redirect_to="+15550199")


# What is wrong with the start -> the code, and the fields of the answer that are not as the start gave them; `...` is
# left out.
FAULTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "a direction": ({"direction": "sideways"}, "schema_invalid", {"direction": ...}),
    "no direction": ({"direction": None}, "schema_invalid", {"direction": ...}),
    "a caller": ({"from": 15550101}, "schema_invalid", {"from": ...}),
    "a callee": ({"to": ["+15550102"]}, "schema_invalid", {"to": ...}),
    "an unreadable time": ({"occurred_at": "soon"}, "schema_invalid", {"occurred_at": None}),
    "a time without offset": ({"occurred_at": SIGNUP[:-1]}, "schema_invalid", {"occurred_at": None}),
    "no time": ({"occurred_at": None}, "schema_invalid", {"occurred_at": None}),
    "an arrival that is no time": ({"arrived_at": "soon"}, "schema_invalid", {}),
    "from the future": (
        {"occurred_at": later(SIGNUP, minutes=5, milliseconds=1), "arrived_at": SIGNUP},
        "future_time",
        {"occurred_at": later(SIGNUP, minutes=5, milliseconds=1)},
    ),
    "before the account": (
        {"occurred_at": later(SIGNUP, milliseconds=-1)},
        "before_account",
        {"occurred_at": later(SIGNUP, milliseconds=-1)},
    ),
}


@pytest.mark.parametrize(("fault", "code", "changed"), FAULTS.values(), ids=FAULTS.keys())
def test_x02_a_refused_start_is_answered_before_its_dead_letter(
    fault: dict[str, Any], code: str, changed: dict[str, Any]
) -> None:
    refused = story().starts("c1", **{"id": "s1", **GIVEN, **fault})
    answer, letter = refused.answer()
    expected: Event = {"type": "call-redirected", "id": "acme/c1/refused/s1", "account_id": "acme"}
    expected |= {"occurred_at": SIGNUP}
    expected |= {
        "caused_by": "s1",
        "call_id": "c1",
        "reason": "refused",
        "redirect_to": "+15550199",
        **GIVEN,
        **changed,
    }
    assert answer == {name: value for name, value in expected.items() if value is not ...}
    assert letter["code"] == code


def test_x02_too_late() -> None:
    refused = story().ticks(YEAR_LATER).starts("c1", at=SIGNUP)
    assert [fact.get("code", fact.get("reason")) for fact in refused.answer()] == ["refused", "too_late"]


@pytest.mark.parametrize("given", [..., None, "", "a b", 7, "x" * 129], ids=repr)
def test_x02_without_a_valid_id_the_value_tells_the_start(given: Any) -> None:
    refused = story().starts("c1", id=given)
    if given is ...:
        del refused.inputs[-1]["id"]
    answer = refused.answer()[0]
    assert answer["caused_by"] is None
    assert answer["id"] == f"acme/c1/refused-value/{hashlib.sha256(refused.lines()[-1]).hexdigest()}"


# Nobody could be answered, or the value is no start.
NOT_ANSWERED: dict[str, tuple[bytes | Event, str]] = {
    "no account": ({"account_id": None}, "schema_invalid"),
    "an account that is not valid": ({"account_id": "a/b"}, "schema_invalid"),
    "all accounts": ({"account_id": "*"}, "schema_invalid"),
    "no call": ({"call_id": None}, "schema_invalid"),
    "a call with a blank": ({"call_id": "a b"}, "schema_invalid"),
    "another type": ({"type": "call-melted"}, "unknown_type"),
    "no type": ({"type": None}, "unknown_type"),
    "an end": ({"type": "call-ended"}, "schema_invalid"),
    "too large": ({"pad": "x" * 65_536}, "too_large"),
    "another version": ({"specversion": "0.3"}, "unsupported_version"),
    "not UTF-8": (b'{"type":"call-started","id":"s1","account_id":"acme","call_id":"c1\xff"}', "not_utf8"),
    "cut short": (b'{"type":"call-started","id":"s1","account_id":"acme","call_id":"c1"', "malformed_json"),
    "in a list": (b'[{"type":"call-started","id":"s1","account_id":"acme","call_id":"c1"}]', "not_an_object"),
}


@pytest.mark.parametrize(("value", "code"), NOT_ANSWERED.values(), ids=NOT_ANSWERED.keys())
def test_x02_what_is_not_answered(value: bytes | Event, code: str) -> None:
    start = {"type": "call-started", "id": "s1", "account_id": "acme", "call_id": "c1", "occurred_at": "soon"}
    line = value if isinstance(value, bytes) else json.dumps(start | value).encode()
    before = story().lines()
    assert [fact.get("code") for fact in replay_lines([*before, line])][-1:] == [code]
    assert len(list(replay_lines([*before, line]))) == len(list(replay_lines(before))) + 1


# Not when the call already has a decision; an end alone, or a reclassification, is none.
KNOWN: dict[str, tuple[Callable[[Story], Any], bool]] = {
    "admitted": (lambda s: s.starts("c1"), False),
    "admitted and ended": (lambda s: s.starts("c1").ends("c1"), False),
    "ended alone": (lambda s: s.ends("c1"), True),
    "reclassified": (lambda s: s.reclassifies("c1", real=False), True),
    "refused": (lambda s: s.starts("c1", direction="sideways"), True),
    "another account's": (lambda s: s.starts("c1", account_id="other"), True),
}


@pytest.mark.parametrize(("known", "answered"), KNOWN.values(), ids=KNOWN.keys())
def test_x02_a_call_with_a_decision_is_not_answered_again(known: Callable[[Story], Any], answered: bool) -> None:
    told = story()
    known(told)
    types = told.starts("c1", direction="sideways").answer_types()
    assert types == (["call-redirected"] if answered else []) + ["dead-letter"]


def test_x02_a_redirect_without_an_account_is_no_decision() -> None:
    told = Story().starts("c1").starts("c1", direction="sideways")
    assert told.answer_types() == ["call-redirected", "dead-letter"]


# It leaves no trace: it is answered again with the same fact, takes effect once corrected, and its end is an end alone.
def test_x02_a_refused_start_leaves_no_trace() -> None:
    told = story()
    snapshot = told.snapshot()
    first = told.starts("c1", id="s1", direction="sideways").answer()
    again = told.starts("c1", id="s1", direction="sideways").answer()
    assert (first[0], again[0]["id"]) == (again[0], "acme/c1/refused/s1")
    assert told.snapshot() == snapshot
    assert told.starts("c1", id="s1").answer_types() == ["call-admitted"]
    alone = story().starts("c1", direction="sideways").ends("c1", used=BOTH)
    assert only(alone.answer("call-charged"))["receipt"]["gate"] == "none"


def test_x02_a_refused_start_is_not_one_of_the_redirected_calls() -> None:
    told = opened("extra_calls").calls(25).starts("c26").starts("c27", direction="sideways").starts("c28")
    assert [fact["redirected_calls"] for fact in told.is_granted(5).answer("funds-needed")] == [2]


def test_x02_the_account_need_not_exist() -> None:
    answer = Story().starts("c1", direction="sideways").answer()[0]
    assert answer["reason"] == "refused"
    assert "redirect_to" not in answer
    ahead = Story().starts("c1", at=later(SIGNUP, hours=1), arrived_at=SIGNUP).answer()
    assert [fact.get("code", fact.get("reason")) for fact in ahead] == ["refused", "future_time"]


# X3: a start without an account is no refusal.
def test_x03_a_start_without_an_account_is_redirected_without_a_dead_letter() -> None:
    answer = only(Story().starts("c1", **GIVEN).answer())
    assert (answer["reason"], answer["id"]) == ("unknown_account", "acme/c1/redirected")
    assert {name: answer[name] for name in GIVEN} == GIVEN


# It leaves no trace either: under the same id it takes effect once there is an account.
def test_x03_a_start_without_an_account_is_decided_once_there_is_one() -> None:
    told = Story().starts("c1", id="s1").starts("c1", id="s1")
    assert only(told.answer())["reason"] == "unknown_account"
    assert told.opens().starts("c1", id="s1").answer_types() == ["call-admitted"]
    assert told.starts("c1", id="s1").answer() == []


# In the worker. The account is that of the value, and its redirect setting is given where the partition knows it.
def test_x02_a_start_under_another_key_or_in_another_partition_is_answered() -> None:
    home, away = Partition(partitions=8, number=3), Partition(partitions=8, number=4)
    account_id = account_at_home(3, 8)
    assert partition_of(account_id.encode(), 8) == 3
    told = Story(account_id).opens().says("redirect-set", redirect_to="+15550199").starts("c1")
    home.take(*told.inputs)
    start = told.inputs[-1]
    record = InputRecord(b"somebody", json.dumps(start).encode(), partition=3)
    for outcome, code, redirect_to in (
        (home.decide(record), "key_mismatch", "+15550199"),
        (away.decide(record_of(start, 4)), "wrong_partition", None),
    ):
        # Not looked up: the call has its decision, which may be in another partition.
        answer, letter = outcome.outputs
        fact = json.loads(answer.value or b"")
        assert (answer.topic, answer.key) == ("call-decisions", account_id.encode())
        assert (fact["reason"], fact["call_id"], fact.get("redirect_to")) == ("refused", "c1", redirect_to)
        assert dict(letter.headers)["errors.code"] == code.encode()
        assert [key for key, _ in outcome.rows if not key.startswith("*/")] == []
        assert outcome.tally["gate", "refused"] == 1
        assert outcome.tally["inputs", "dead_letter"] == 1


def test_x02_a_cloudevent_is_answered_and_lacks_a_time_that_cannot_be_read() -> None:
    data = json.dumps({"call_id": "c1", "direction": "web"}).encode()
    attributes = {"specversion": "1.0", "id": "ce-1", "type": "call-started", "subject": "acme", "time": "soon"}
    headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    answer, _ = Partition().decide(InputRecord(b"acme", data, headers)).outputs
    fact = json.loads(answer.value or b"")
    assert (fact["id"], fact["caused_by"], fact["occurred_at"]) == ("acme/c1/refused/ce-1", "ce-1", None)
    assert "ce_time" not in dict(answer.headers)


# The account's due work comes before the answer, as before each of its inputs: the answer is the same whenever the work
# is done. Here the call is forgotten by that work.
def test_x02_due_work_comes_before_the_answer() -> None:
    told = opened(credit=5).starts("c1").ends("c1").ticks(days=43)
    late = told.starts("c1", at=SIGNUP).inputs[-1]
    partition = Partition(slice_units=0)
    partition.take(*told.inputs[:-2])
    partition.decide(record_of(told.inputs[-2]))
    assert [fact.get("reason") for fact in facts_of(partition.decide(record_of(late)))] == ["refused"]
    assert [fact.get("reason") for fact in told.answer("call-redirected")] == ["refused"]


# The facts of a decision name what the start gave.
@pytest.mark.parametrize("told", [story, lambda: opened("extra_calls").calls(25)], ids=["admitted", "redirected"])
def test_a_decision_has_the_calls_direction_and_numbers(told: Callable[[], Story]) -> None:
    decision = told().starts("c99", **GIVEN).answer("call-admitted", "call-redirected")[0]
    assert {name: decision[name] for name in GIVEN} == GIVEN
    bare = told().starts("c99", **{"from": None}).answer("call-admitted", "call-redirected")[0]
    assert (bare["direction"], {"from", "to"} & set(bare)) == ("inbound", set())


# Contract: `%` and `/` of a call are written `%25` and `%2F` in ids and references, and nothing else is.
@pytest.mark.parametrize(
    ("call_id", "written"),
    [
        ("a84b4c76e66710@pc33.example.com", "a84b4c76e66710@pc33.example.com"),
        ("3848276298220188511@[2001:db8::1]", "3848276298220188511@[2001:db8::1]"),
        ("f81d/4fae%7dec~(1)", "f81d%2F4fae%257dec~(1)"),
        ('<x"y>{z}?!', '<x"y>{z}?!'),
        ("%2F", "%252F"),
        ("/" * 128, "%2F" * 128),
    ],
)
def test_a_call_id_may_be_any_that_sip_allows(call_id: str, written: str) -> None:
    told = opened(*BOTH, credit=20).starts(call_id).ends(call_id, used=BOTH).ends(call_id)
    facts = told.facts("call-admitted", "call-charged", "charge-adjusted")
    assert [fact["id"] for fact in facts] == [
        f"acme/{written}/admitted",
        f"acme/{written}/charged",
        f"acme/{written}/adjusted/1",
    ]
    assert {fact["call_id"] for fact in facts} == {call_id}
    entries = told.facts("ledger-entry-posted")[1:]
    assert [(entry["kind"], entry["reference"]) for entry in entries] == [("charge", written), ("adjustment", written)]
    assert told.balance() == usd(20)
    stuck = opened().starts(call_id).ticks(hours=4).facts("call-stuck")
    assert [fact["call_id"] for fact in stuck] == [call_id]
    assert only(Story().starts(call_id).answer())["id"] == f"acme/{written}/redirected"
    refused = opened().starts(call_id, id="s", direction="sideways").answer()[0]
    assert refused["id"] == f"acme/{written}/refused/s"
    restored = Partition()
    restored.take(*told.inputs[:-2])
    assert restored.restarted().take(told.inputs[-2]).charged_micros["USD"] == usd(6)


@pytest.mark.parametrize("call_id", ["", "a b", "a\tb", "caf\u00e9", "x" * 129, "a\x7f", 7])
def test_a_call_id_is_printable_ascii_without_space(call_id: Any) -> None:
    assert opened().starts(call_id).refusal() == "schema_invalid"


NARROW: dict[str, Callable[[Story, str], Any]] = {
    "id": lambda story, given: story.says("redirect-set", redirect_to="x", id=given),
    "account_id": lambda story, given: story.says("redirect-set", redirect_to="x", account_id=given),
    "purchase_id": lambda story, given: story.buys(given, 5),
    "grant_id": lambda story, given: story.is_granted(5, given),
    "payment_method_id": lambda story, given: story.adds_card(given, token="tok"),
    "a purchase's payment_method_id": lambda story, given: story.buys("p1", 5, payment_method_id=given),
    "a refund's purchase_id": lambda story, given: story.says("credits-refund-requested", purchase_id=given),
}


@pytest.mark.parametrize("field", NARROW)
@pytest.mark.parametrize("given", ["a b", "a%2F", "x" * 513, "(a)", "caf\u00e9"])
def test_every_other_id_has_the_narrow_pattern(field: str, given: str) -> None:
    told = opened().adds_card()
    NARROW[field](told, given)
    assert told.refusal() == "schema_invalid"


def test_outputs_of_a_refused_start_are_one_answer_and_one_letter() -> None:
    outcome = Partition().take({**Story().starts("c1", direction="sideways").inputs[-1]})
    assert (len(outputs_to(outcome, "call-decisions")), len(outputs_to(outcome, "dead-letters"))) == (1, 1)

"""What the gate answers while the engine runs: every decision, every refusal, and one start per call."""

import pytest

from schemas.instant import MINUTE_MS, format_instant
from tests.gateway.gate.calls import (
    AUTHORIZE,
    Answer,
    asked,
    authorize,
    authorize_all,
    body,
    decisions,
    ending,
    facts_of,
    now_ms,
    opened,
    opening,
    sample,
    send,
    starting,
    starts,
)
from tests.gateway.stage import GatewayStage
from tests.lane.stage import wait_until

HOLD_MICROS = 3_000_000
# So long that a busy machine does not make the policy answer.
PATIENT_MS = 10_000


@pytest.fixture(scope="module")
def running(stage: GatewayStage) -> GatewayStage:
    """A worker, views and two gateways, with the accounts of this module."""
    stage.worker()
    stage.views()
    stage.gateway(gate_timeout_ms=PATIENT_MS)
    stage.gateway(gate_timeout_ms=PATIENT_MS)
    opened(
        stage,
        [
            *opening("plain"),
            *opening("rich", "live_agent", credit=20),
            *opening("used-up", "extra_calls", credit=1),
            *opening("busy"),
            *opening("minutes", plan="professional"),
            *opening("second", "live_agent", credit=20),
        ],
    )
    return stage


def engine(decision: str, reason: str, features: tuple[str, ...] = (), hold_micros: int = 0) -> Answer:
    return {
        "decision": decision,
        "reason": reason,
        "features_enabled": list(features),
        "hold_micros": hold_micros,
        "source": "engine",
    }


# account, fields beside account, call and direction -> answer
ANSWERS = [
    ("plain", {}, engine("allow", "included")),
    ("plain", {"leg_id": "a", "from": "+1555", "to": "+1556", "direction": "web"}, engine("allow", "included")),
    ("rich", {}, engine("allow", "included", ("live_agent",), HOLD_MICROS)),
    ("minutes", {}, engine("allow", "subscription")),
    ("nobody", {}, engine("redirect", "unknown_account")),
    ("plain", {"occurred_at": "1999-01-01T00:00:00Z"}, engine("redirect", "refused")),
]


@pytest.mark.parametrize(("account", "fields", "expected"), ANSWERS)
def test_the_engine_decides(running: GatewayStage, account: str, fields: dict[str, str], expected: Answer) -> None:
    call_id = f"decided-{account}-{'-'.join(fields)}"
    answer = authorize(running, account, call_id, **fields)
    assert facts_of(answer) == expected
    assert answer["logged"]


def test_calls_beyond_the_included_ones_follow_switch_wallet_and_redirect(running: GatewayStage) -> None:
    calls = [(account, f"{account}-{number}") for number in range(25) for account in ("busy", "used-up")]
    assert {answer["reason"] for answer in authorize_all(running, calls).values()} == {"included"}
    assert facts_of(authorize(running, "busy", "busy-26")) == engine("redirect", "extra_calls_off")
    # One dollar is above zero: this call is admitted, and its hold leaves nothing for the next.
    extra = engine("allow", "credits", ("extra_calls",), HOLD_MICROS)
    assert facts_of(authorize(running, "used-up", "used-up-26")) == extra
    answer = authorize(running, "used-up", "used-up-27")
    assert facts_of(answer) == engine("redirect", "insufficient_balance")


def test_a_call_that_was_reported_before_is_allowed(running: GatewayStage) -> None:
    send(running, [ending("plain", "ended-alone")])
    answer = authorize(running, "plain", "ended-alone")
    assert facts_of(answer) == engine("allow", "already_reported")
    assert answer["logged"]


def test_a_call_that_telephony_started_has_the_engines_decision(running: GatewayStage) -> None:
    """The engine takes the gate's start for a repeat, and the views have the decision on the other one."""
    send(running, [starting("rich", "theirs")])
    answer = authorize(running, "rich", "theirs")
    assert facts_of(answer) == engine("allow", "included", ("live_agent",), HOLD_MICROS)


def test_asked_again_the_answer_is_the_same_and_nothing_is_written(running: GatewayStage) -> None:
    first = authorize(running, "rich", "again")
    headers = {"Idempotency-Key": "ignored"}
    again = running.post(AUTHORIZE, body("rich", "again", direction="web"), headers=headers).json()
    assert facts_of(first) == facts_of(again)
    assert len(starts(running, "rich", "again")) == 1


def test_a_call_that_leaves_no_trace_is_decided_anew(running: GatewayStage) -> None:
    """An account that does not exist yet, and a time that is refused: nothing is remembered anywhere."""
    assert authorize(running, "plain", "retried", occurred_at="1999-01-01T00:00:00Z")["reason"] == "refused"
    assert authorize(running, "plain", "retried")["reason"] == "included"
    assert authorize(running, "later", "too-soon")["reason"] == "unknown_account"
    assert authorize(running, "later", "too-soon")["reason"] == "unknown_account"
    opened(running, opening("later"))
    assert authorize(running, "later", "too-soon")["reason"] == "included"


def test_requests_at_the_same_time_share_one_start(running: GatewayStage) -> None:
    answers = authorize_all(running, [("minutes", "at-once")] * 20, at_once=20)
    assert {answer["reason"] for answer in answers.values()} == {"subscription"}
    assert len(starts(running, "minutes", "at-once")) == 1


def test_two_gateways_and_the_same_calls_give_one_decision(running: GatewayStage) -> None:
    """Both write a start under the same id; the engine decides the first. A gateway whose start came second finds the
    decision in the log or in the views.
    """
    raced = [("second" if number % 2 else "minutes", f"raced-{number}") for number in range(60)]
    answers = authorize_all(running, [call for call in raced for _ in range(2)], at_once=8, gateways=running.gateways)
    found = decisions(running)
    for call in raced:
        [fact] = found[call]
        assert answers[call]["source"] == "engine"
        assert answers[call]["reason"] == fact["reason"]
        assert answers[call]["hold_micros"] == fact.get("hold_micros", 0)


# body, status, code, field
REFUSED = [
    (b"{", 400, "malformed_json", None),
    (b"\xff", 400, "not_utf8", None),
    (b"[]", 400, "not_an_object", None),
    (b'{"call_id": "a", "call_id": "b"}', 400, "malformed_json", None),
    (b"", 422, "schema_invalid", "account_id"),
    ({"account_id": "plain", "direction": "inbound"}, 422, "schema_invalid", "call_id"),
    ({"account_id": 5, "call_id": "c", "direction": "inbound"}, 422, "schema_invalid", "account_id"),
    ({"account_id": "a b", "call_id": "c", "direction": "inbound"}, 422, "schema_invalid", "account_id"),
    (body("plain", "c", direction="up"), 422, "schema_invalid", "direction"),
    (body("plain", "c", occurred_at="now"), 422, "schema_invalid", "occurred_at"),
    (body("plain", "c", **{"from": 15551234567}), 422, "schema_invalid", "from"),
    (body("*", "c"), 404, "not_found", None),
    (body("plain", "c", to="5" * 65_400), 413, "too_large", None),
    (body("plain", "c", to="5" * 66_000), 413, "too_large", None),
]


@pytest.mark.parametrize(("sent", "status", "code", "field"), REFUSED)
def test_what_the_schema_refuses_is_not_written(
    running: GatewayStage, sent: object, status: int, code: str, field: str | None
) -> None:
    reply = running.post(AUTHORIZE, sent)
    assert (reply.status, reply.code, reply.json().get("field")) == (status, code, field)


def test_a_time_more_than_five_minutes_ahead_is_refused(running: GatewayStage) -> None:
    ahead = format_instant(now_ms() + 6 * MINUTE_MS)
    reply = running.post(AUTHORIZE, body("plain", "ahead", occurred_at=ahead))
    assert (reply.status, reply.code, reply.json()["field"]) == (422, "future_time", "occurred_at")
    assert starts(running, "plain", "ahead") == []


def test_a_key_needs_its_scope_and_reaches_its_accounts_alone(running: GatewayStage) -> None:
    reads = running.keys.add("reads", "accounts:read")
    calls = running.keys.add("calls", "calls", accounts=["pl*"])
    wait_until(lambda: running.post(AUTHORIZE, b"", key=calls).status == 422, "the new keys")
    assert running.post(AUTHORIZE, body("plain", "mine"), key=None).status == 401
    assert running.post(AUTHORIZE, body("plain", "mine"), key=reads).status == 403
    assert asked(running, running.gateways[0], "plain", "mine", calls)["source"] == "engine"
    outside, invented = (running.post(AUTHORIZE, body(account, "foreign"), key=calls) for account in ("rich", "none"))
    assert outside.code == invented.code == "not_found"
    different = {"request_id": "differs"}
    assert outside.json() | different == invented.json() | different
    # The account comes before anything else in the body.
    assert running.post(AUTHORIZE, {"account_id": "rich"}, key=calls).code == "not_found"
    assert starts(running, "rich", "foreign") == []


def test_answers_are_counted_by_source_and_reason(running: GatewayStage) -> None:
    gateway, name = running.gateways[0], "tollgate_gate_decisions_total"
    before = sample(gateway, name, source="engine", reason="subscription")
    authorize(running, "minutes", "counted")
    assert sample(gateway, name, source="engine", reason="subscription") == before + 1
    assert sample(gateway, "tollgate_gate_seconds_count", source="engine") > 0
    wait_until(lambda: sample(gateway, "tollgate_gate_undecided_starts") == 0, "no start under way")
    assert sample(gateway, "tollgate_gate_unwritten_starts") == 0

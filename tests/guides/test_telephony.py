"""What docs/guides/telephony.md promises about calls without a decision, legs and repeats."""

import json
from typing import Any

import pytest

from backoffice.replay import replay_lines
from tests.guides.pages import events_of, text_of
from tests.wire.published import TYPES

Event = dict[str, Any]
ACCOUNT = "acct-7f3"


def event(kind: str, event_id: str, at: str, **fields: Any) -> Event:
    return {"type": kind, "id": event_id, "account_id": ACCOUNT, "occurred_at": at, **fields}


def opened(credit_micros: int = 20_000_000) -> list[Event]:
    at = "2026-02-01T13:00:00Z"
    events = [event("account-opened", "open", at, plan="free")]
    events += [event("feature-set", f, at, feature=f, enabled=True) for f in ("extra_calls", "live_agent")]
    if credit_micros:
        grant = {"grant_id": "g", "amount_micros": credit_micros, "reason": "r", "actor": "a"}
        events.append(event("credits-granted", "grant", at, **grant))
    return events


def start(call_id: str = "c1", at: str = "2026-02-01T14:00:00Z") -> Event:
    return event("call-started", f"{call_id}:start", at, call_id=call_id, direction="inbound")


def end(
    call_id: str = "c1", outcome: str = "completed", features: tuple[str, ...] = (), hour: str = "2026-02-01T14"
) -> Event:
    times = {"started_at": f"{hour}:00:00Z", "answered_at": f"{hour}:00:04Z"}
    call = {"call_id": call_id, "direction": "inbound", "outcome": outcome, "features": list(features)}
    return event("call-ended", f"{call_id}:end", f"{hour}:03:00Z", **times, **call)


def included_calls_used() -> list[Event]:
    return [end(f"used-{number}", hour="2026-02-01T13") for number in range(25)]


def replayed(events: list[Event]) -> list[Event]:
    return list(replay_lines(json.dumps(event).encode() for event in events))


def charged(events: list[Event]) -> int:
    (charge,) = [e for e in replayed(events) if e["type"] == "call-charged" and e["call_id"] == "c1"]
    return int(charge["amount_micros"])


@pytest.mark.parametrize(
    ("events", "decision", "micros"),
    [
        # Admitted later: the extra call, without the paid features that it did not use.
        ([*opened(), *included_calls_used(), start(), end()], "call-admitted", 3_000_000),
        # Redirected later: connected all the same, it costs nothing.
        ([*opened(0), *included_calls_used(), start(), end()], "call-redirected", 0),
        # The start never arrived.
        ([*opened(), *included_calls_used(), end()], None, 3_000_000),
        # Redirected by the telephony system, and admitted later.
        ([*opened(), *included_calls_used(), start(), end(outcome="redirected")], "call-admitted", 0),
    ],
    ids=["admitted", "redirected", "no start", "redirected without a decision"],
)
def test_what_a_call_without_a_decision_costs(events: list[Event], decision: str | None, micros: int) -> None:
    decided = [e["type"] for e in replayed(events) if e["type"] in ("call-admitted", "call-redirected")]
    assert decided == ([decision] if decision else [])
    assert charged(events) == micros


def test_the_examples_are_one_history() -> None:
    shown = events_of(text_of("telephony.md"))
    outputs = {"call-admitted"}
    inputs = [e for e in shown if e["type"] not in outputs]
    answers = replayed([*opened(), *included_calls_used(), *inputs])
    assert {e["type"] for e in inputs} <= set(TYPES)
    assert [e for e in shown if e["type"] in outputs] == [e for e in answers if e["type"] == "call-admitted"]
    legs = [e for e in answers if e.get("call_id") == "c-90aa" and "amount_micros" in e]
    # The first leg was not answered: a charge of 0, then the difference. One call.
    assert [(e["type"], e["amount_micros"]) for e in legs] == [("call-charged", 0), ("charge-adjusted", 3_000_000)]
    given_back = [e for e in answers if e["type"] == "charge-adjusted" and e["call_id"] == "c-81f2"]
    assert [e["amount_micros"] for e in given_back] == [-6_000_000]
    assert not [e for e in answers if e["type"] == "dead-letter"]


def test_an_event_sent_again_changes_nothing() -> None:
    once = [*opened(), start(), end()]
    assert replayed([*once, start(), end(), end(features=("live_agent",))]) == replayed(once)

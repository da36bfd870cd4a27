"""`GET /v1/accounts/{account_id}/explain`: what `tollgate explain` prints of a call, from what Redis has."""

from typing import Any

import orjson
import pytest

from backoffice.explain.command import explain
from tests.backoffice.explain.histories import ALL, Facts, calls, opened, replay
from tests.gateway.reads.events import admission, snapshot
from tests.gateway.reads.filled import Filled, topic_of
from tests.gateway.reads.test_lists import refused
from tests.gateway.stage import GatewayStage

OF_A_CALL = {"call-admitted", "call-redirected", "call-charged", "charge-adjusted"}
LEDGER = {"ledger-entry-posted"}


def adjusted_facts(account: str) -> Facts:
    """The 26th call of a period, whose end is reported twice with different content."""
    history = opened(*ALL, dollars=40)
    calls(history, 26)
    history.end("c26", "a1", started_ms=history.now_ms, features=["live_agent"])
    return [fact | {"account_id": account} for fact in replay(history)]


@pytest.fixture
def facts(filled: Filled, account: str) -> Facts:
    found = adjusted_facts(account)
    values = [orjson.dumps(fact) for fact in found if fact["type"] in OF_A_CALL | LEDGER]
    filled.write([snapshot(account, time_zone="Europe/Berlin"), *((topic_of(value), value) for value in values)])
    return found


def explained(stage: GatewayStage, account: str, call_id: str) -> dict[str, Any]:
    reply = stage.get(f"/v1/accounts/{account}/explain?call_id={call_id}")
    assert reply.status == 200, reply.body
    body: dict[str, Any] = reply.json()
    assert set(body) == {"sentence", "text", "recomputed_micros", "agrees"}
    return body


def test_a_call_as_it_now_stands(stage: GatewayStage, account: str, facts: Facts) -> None:
    """Charge and adjustment, in the account's time zone: what the command prints of the same events."""
    body = explained(stage, account, "c26")
    shown = printed(facts, "c26", OF_A_CALL | LEDGER)
    assert body["text"] == shown
    assert "the ledger moved by the same amounts" in shown
    assert body["sentence"] == shown.partition("\n")[0]
    assert "(Europe/Berlin)" in body["sentence"]
    adjusted = [fact for fact in facts if fact["type"] == "charge-adjusted" and fact["call_id"] == "c26"]
    assert len(adjusted) == 1
    assert body["recomputed_micros"] == adjusted[0]["receipt"]["amount_micros"] > 0
    assert body["agrees"] is True


def test_a_call_that_moved_nothing(stage: GatewayStage, account: str, facts: Facts) -> None:
    assert explained(stage, account, "c1")["text"] == printed(facts, "c1", OF_A_CALL | LEDGER)


def test_a_call_whose_ledger_entries_are_no_longer_kept(stage: GatewayStage, account: str, facts: Facts) -> None:
    entries = [fact for fact in facts if fact["type"] in LEDGER and fact["reference"] == "c26"]
    assert len(entries) > 1
    stage.redis.zrem(f"tg:1:{{{account}}}:ledger", orjson.dumps(entries[0]))
    body = explained(stage, account, "c26")
    assert body["text"] == printed(facts, "c26", OF_A_CALL)
    assert body["agrees"] is True


def printed(facts: Facts, call_id: str, types: set[str]) -> str:
    """What the command prints, of events of these types, in the time zone of Berlin."""
    account = facts[0]["account_id"]
    zone = {"type": "any", "account_id": account, "time_zone": "Europe/Berlin"}
    return explain([zone, *(fact for fact in facts if fact["type"] in types)], call_id, account)


def test_a_call_that_does_not_add_up(stage: GatewayStage, filled: Filled, account: str, facts: Facts) -> None:
    charge = next(fact for fact in facts if fact["type"] == "call-charged" and fact["call_id"] == "c25")
    wrong = charge | {"call_id": "c25x", "amount_micros": charge["amount_micros"] + 10_000}
    filled.write([(topic_of(orjson.dumps(wrong)), orjson.dumps(wrong))])
    body = explained(stage, account, "c25x")
    assert body["agrees"] is False
    assert "DIFFERS" in body["text"]


def test_a_call_without_a_charge(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account), admission(account, "open", 0)])
    for call_id in ("open", "unknown", "%00", "c%C3%A4"):
        assert stage.get(f"/v1/accounts/{account}/explain?call_id={call_id}").code == "not_found"
    for query in ("", "?call_id="):
        refused(stage.get(f"/v1/accounts/{account}/explain{query}"), "call_id")


def test_a_call_id_with_a_slash(stage: GatewayStage, filled: Filled, account: str, facts: Facts) -> None:
    charge = next(fact for fact in facts if fact["type"] == "call-charged" and fact["call_id"] == "c1")
    odd = orjson.dumps(charge | {"call_id": "a/b%2F?&=#", "id": "odd"})
    filled.write([(topic_of(odd), odd)])
    assert "a/b%2F?&=#" in explained(stage, account, "a/b%252F%3F%26%3D%23")["sentence"]

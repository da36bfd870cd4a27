"""Commands through a gateway, with a worker and the views: outcomes, refusals and time."""

import json
import re
from typing import Any

import pytest

from tests.gateway.commands.accounts import in_minutes, opened
from tests.gateway.stage import GatewayStage
from tests.lane.stage import wait_until

CARD = "4242424242424242"


def test_an_account_is_opened_once(running: GatewayStage) -> None:
    body = {"account_id": "open:1@a", "plan": "free", "id": "open-1"}
    first = running.post("/v1/accounts", body)
    assert first.status == 201
    assert first.headers["location"] == "/v1/accounts/open%3A1%40a"
    answer = first.json()
    assert (answer["id"], answer["outcome"], answer["version"]) == ("open-1", "accepted", 1)
    assert "idempotent-replayed" not in first.headers
    again = running.post("/v1/accounts", body, gateway=running.gateways[1])
    assert (again.status, again.json(), again.headers["idempotent-replayed"]) == (200, answer, "true")
    other = running.post("/v1/accounts", {"account_id": "open:1@a", "plan": "free"})
    assert (other.status, other.code) == (409, "account_exists")
    for wrong in (".", ".."):
        refused = running.post("/v1/accounts", {"account_id": wrong, "plan": "free"})
        assert (refused.status, refused.code, refused.json()["field"]) == (422, "schema_invalid", "account_id")
    missing = running.post("/v1/accounts", {"plan": "free"})
    assert (missing.status, missing.code, missing.json()["field"]) == (422, "schema_invalid", "account_id")


def test_a_command_answers_with_what_it_caused(running: GatewayStage) -> None:
    opened(running, "facts-1")
    granted = running.post(
        "/v1/accounts/facts-1/credits-granted",
        {"grant_id": "g-1", "amount_micros": 5_000_000, "reason": "hello", "actor": "somebody else"},
    )
    assert granted.status == 200, granted.body
    answer = granted.json()
    assert answer["id"].startswith("gw-")
    assert [fact["type"] for fact in answer["facts"]] == ["ledger-entry-posted"]
    assert {fact["caused_by"] for fact in answer["facts"]} == {answer["id"]}
    snapshot = running.get("/v1/accounts/facts-1/inputs/" + answer["id"])
    assert (snapshot.status, snapshot.json()) == (200, answer)
    started = running.post("/v1/accounts/facts-1/call-started", {"call_id": "c-1", "direction": "inbound"})
    assert [fact["type"] for fact in started.json()["facts"]] == ["call-admitted"]
    ended = running.post(
        "/v1/accounts/facts-1/call-ended",
        {
            "call_id": "c-1",
            "direction": "inbound",
            "started_at": in_minutes(-2),
            "answered_at": in_minutes(-1),
            "outcome": "completed",
        },
    )
    assert [fact["type"] for fact in ended.json()["facts"]] == ["call-charged"]
    assert ended.json()["version"] > started.json()["version"] > answer["version"]


def test_a_command_nobody_sent_is_not_found_like_its_account(running: GatewayStage) -> None:
    """For an account that is not there the answer is that for one outside the key's accounts."""
    key = running.keys.add("looker", "accounts:read", accounts=["look-*"])
    opened(running, "look-1")
    wait_until(lambda: running.get("/v1/accounts/look-1", key=key).status == 200, "the key and the account")

    def told(path: str) -> dict[str, Any]:
        reply = running.get(f"/v1/accounts/{path}", key=key)
        assert (reply.status, reply.code) == (404, "not_found")
        document: dict[str, Any] = reply.json()
        return document | {"request_id": ""}

    assert told("look-nobody/inputs/a") == told("other-1/inputs/a") == told("look-nobody/inputs/a%20b")
    assert told("look-1/inputs/a") != told("look-nobody/inputs/a")


def test_a_body_may_be_longer_than_what_is_written_of_it(running: GatewayStage) -> None:
    opened(running, "long-1")
    path, note = "/v1/accounts/long-1/redirect-set", "A" * 65_000
    escaped = note.replace("A", "\\u0041")
    assert running.post(path, f'{{"redirect_to": "+1", "note": "{escaped}"}}'.encode()).status == 200
    # As written it has 65 536 bytes, or one more.
    body = {"redirect_to": "+1", "id": "long-0", "type": "redirect-set", "account_id": "long-1", "note": ""}
    body["occurred_at"] = in_minutes(0)
    room = 65_536 - len(json.dumps(body, separators=(",", ":")))
    for number, (length, status) in enumerate(((room + 1, 413), (room, 200))):
        reply = running.post(path, body | {"id": f"long-{number}", "note": "x" * length})
        assert reply.status == status, reply.body


def test_no_token_is_in_an_answer(running: GatewayStage) -> None:
    opened(running, "pay-1")
    method = {
        "payment_method_id": "pm-1",
        "token": "tok-secret",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 12,
        "exp_year": 2040,
    }
    added = running.post("/v1/accounts/pay-1/payment-method-added", method)
    bought = running.post(
        "/v1/accounts/pay-1/credits-purchase-requested", {"purchase_id": "p-1", "amount_micros": 20_000_000}
    )
    assert (added.status, bought.status) == (200, 200)
    assert b"tok-secret" not in added.body + bought.body
    assert b"payment-requested" not in bought.body
    answered = running.post(
        "/v1/accounts/pay-1/payment-succeeded", {"payment_id": "pay-1/p-1/purchase", "provider_reference": "ch_1"}
    )
    assert answered.status in {200, 422}


@pytest.mark.parametrize(
    ("headers", "body", "status", "field"),
    [
        ({"Idempotency-Key": "gate:1"}, {}, 400, "Idempotency-Key"),
        ({"Idempotency-Key": "a b"}, {}, 400, "Idempotency-Key"),
        ({"Idempotency-Key": ""}, {}, 400, "Idempotency-Key"),
        ({"Idempotency-Key": "a"}, {"id": "b"}, 400, "Idempotency-Key"),
        ({}, {"id": "gate:1"}, 422, "id"),
        ({}, {"id": "a b"}, 422, "id"),
        ({}, {"id": 7}, 422, "id"),
        ({}, {"redirect_to": 7}, 422, "redirect_to"),
        ({}, {"redirect_to": None}, 422, "redirect_to"),
        ({}, {"occurred_at": "yesterday"}, 422, "occurred_at"),
    ],
)
def test_what_the_schema_refuses_is_not_written(
    running: GatewayStage, headers: dict[str, str], body: dict[str, Any], status: int, field: str
) -> None:
    reply = running.post("/v1/accounts/nobody-1/redirect-set", {"redirect_to": "+1", **body}, headers=headers)
    assert (reply.status, reply.code, reply.json()["field"]) == (status, "schema_invalid", field)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("redirect-set", {"redirect_to": "+1", "type": "feature-set"}, 422, "key_mismatch"),
        ("redirect-set", {"redirect_to": "+1", "account_id": "nobody-2"}, 422, "key_mismatch"),
        ("redirect-set", {"redirect_to": "+1", "occurred_at": in_minutes(600)}, 422, "future_time"),
        ("redirect-set", {"redirect_to": "+1", "more": "x" * 70_000}, 413, "too_large"),
        ("payment-method-removed", {"payment_method_id": "pm", "note": CARD}, 422, "card_number_refused"),
        ("redirect-set", {"redirect_to": "+1"}, 404, "not_found"),
        ("call-started", {"call_id": "c", "direction": "web"}, 404, "not_found"),
        ("clock-ticked", {}, 404, "not_found"),
        ("account-opened", {"plan": "free"}, 404, "not_found"),
        ("no-such-thing", {}, 404, "not_found"),
    ],
)
def test_refusals(running: GatewayStage, path: str, body: dict[str, Any], status: int, code: str) -> None:
    reply = running.post(f"/v1/accounts/nobody-1/{path}", body)
    assert (reply.status, reply.code) == (status, code)
    assert CARD.encode() not in reply.body


def test_an_unknown_account_is_told_like_one_of_others(running: GatewayStage) -> None:
    key = running.keys.add("narrow", "accounts:write", accounts=["mine-*"])
    wait_until(lambda: running.post("/v1/accounts", {}, key=key).status != 401, "the new key")

    def told(account: str) -> dict[str, Any]:
        document: dict[str, Any] = running.post(
            f"/v1/accounts/{account}/redirect-set", {"redirect_to": "+1"}, key=key
        ).json()
        return document | {"request_id": ""}

    opened(running, "theirs-1")
    assert told("mine-nobody") == told("theirs-1") == told("*")
    assert running.post("/v1/accounts", {"account_id": "theirs-2", "plan": "free"}, key=key).status == 404


def test_a_command_is_not_a_cloudevent(running: GatewayStage) -> None:
    """Its data would be an input of another type or account, past the checks of scope and account."""
    opened(running, "cloud-1")
    data = {"type": "credits-granted", "account_id": "cloud-1", "grant_id": "g", "amount_micros": 1, "reason": "r"}
    reply = running.post("/v1/accounts/cloud-1/redirect-set", {"specversion": "1.0", "redirect_to": "+1", "data": data})
    assert (reply.status, reply.json()["facts"]) == (200, [])


def test_with_respond_async_a_command_is_answered_before_its_outcome(running: GatewayStage) -> None:
    opened(running, "async-1")
    body = {"id": "a:1", "grant_id": "a-1", "amount_micros": 1_000_000, "reason": "r"}
    path = "/v1/accounts/async-1/credits-granted"
    pending = running.post(path, body, headers={"Prefer": "wait=3, respond-async"})
    assert (pending.status, pending.json()) == (202, {"id": "a:1", "status": "pending"})
    assert pending.headers["retry-after"] == "1"
    where = pending.headers["location"]
    assert where == "/v1/accounts/async-1/inputs/a%3A1"
    wait_until(lambda: running.get(where).status == 200, "the outcome")
    assert running.get(where).json()["facts"][0]["amount_micros"] == 1_000_000
    assert running.post(path, body).headers["idempotent-replayed"] == "true"


def test_the_gateways_own_fault_is_a_500(running: GatewayStage) -> None:
    """A gateway with a key that the worker does not know."""
    opened(running, "fault-1")
    strange = running.gateway(signing_keys="strange")
    grant = {"grant_id": "g", "amount_micros": 1, "reason": "r"}
    reply = running.post("/v1/accounts/fault-1/credits-granted", grant, gateway=strange)
    assert (reply.status, reply.code) == (500, "internal")
    assert "tollgate_gateway_own_faults_total 1.0" in strange.metrics()
    strange.stop()


VIEWS = re.compile(
    rb"tg:1:(meta|accounts:\d+|\{[^}]+\}:(snapshot|charges|ledger|alerts|invoices|decisions|refills|calls|call:.+|at))"
)


def test_in_redis_it_writes_below_its_own_prefix_alone(running: GatewayStage) -> None:
    """Whatever else is there is a stray of the views, and a rebuild removes it."""
    opened(running, "prefix-1")
    keys = list(running.redis.scan_iter())
    assert any(key.startswith(b"tg:1:gw:{prefix-1}:input:") for key in keys)
    assert [key for key in keys if not key.startswith(b"tg:1:gw:") and not VIEWS.fullmatch(key)] == []

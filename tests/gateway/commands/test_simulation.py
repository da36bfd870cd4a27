"""`TOLLGATE_CLOCK=simulation`: the gateway's clock is the greatest time of the events that it has seen."""

import pytest

from tests.gateway.stage import GatewayProcess, GatewayStage, Reply

CENT = 10_000


@pytest.fixture(scope="module")
def gateway(stage: GatewayStage) -> GatewayProcess:
    stage.worker(clock="simulation")
    return stage.gateway(clock="simulation")


def granted_at(stage: GatewayStage, account: str, grant: str, gateway: GatewayProcess) -> str:
    """The time that a grant without one was given."""
    body = {"grant_id": grant, "amount_micros": CENT, "reason": "to see the time"}
    reply = stage.post(f"/v1/accounts/{account}/credits-granted", body, gateway=gateway)
    assert reply.status == 200, reply.body
    return str(reply.json()["facts"][0]["occurred_at"])


def redirect(stage: GatewayStage, at: str) -> Reply:
    return stage.post("/v1/accounts/a/redirect-set", {"redirect_to": "+1", "occurred_at": at})


def test_a_simulation_may_begin_at_any_time(stage: GatewayStage, gateway: GatewayProcess) -> None:
    """Also in years that the wall clock has not reached. `nobody` leaves no event that tells a time."""
    sent = {"type": "redirect-set", "id": "x", "account_id": "nobody", "redirect_to": "+1"}
    assert stage.post("/v1/events", sent | {"occurred_at": "2500-01-01T00:00:00Z"}).status == 202


def test_a_command_without_a_time_gets_the_greatest_that_was_seen(stage: GatewayStage, gateway: GatewayProcess) -> None:
    for account, at in (("a", "2026-03-01T10:00:00Z"), ("b", "2026-01-01T10:00:00Z")):
        opened = stage.post("/v1/accounts", {"account_id": account, "plan": "free", "occurred_at": at})
        assert opened.status == 201, opened.body
        assert granted_at(stage, account, "g-1", gateway) == "2026-03-01T10:00:00Z"
    early, late = redirect(stage, "2026-03-01T10:05:00.001Z"), redirect(stage, "2026-03-01T10:05:00Z")
    assert (early.status, early.code, early.json()["field"]) == (422, "future_time", "occurred_at")
    assert late.status == 200
    assert granted_at(stage, "b", "g-2", gateway) == "2026-03-01T10:05:00Z"
    # What the engine refuses tells no time.
    sent = {"type": "redirect-set", "id": "x", "account_id": "nobody", "redirect_to": "+1"}
    assert stage.post("/v1/events", sent | {"occurred_at": "2026-03-01T10:09:00Z"}).status == 202
    # Nor does one that is older.
    assert redirect(stage, "2026-02-01T10:00:00Z").status == 200
    assert granted_at(stage, "a", "g-3", gateway) == "2026-03-01T10:05:00Z"
    # A gateway that starts now has seen the newest events.
    later = stage.gateway(clock="simulation")
    assert granted_at(stage, "b", "g-4", later) == "2026-03-01T10:05:00Z"

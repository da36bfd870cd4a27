"""A command's id: sent again, also at the same time and to another gateway, it has one effect."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.commands.accounts import opened
from tests.gateway.stage import GatewayProcess, GatewayStage, Reply
from tests.lane.stage import wait_until
from tests.views.stage import ViewsProcess


@pytest.mark.parametrize("twice", [False, True])
def test_the_same_id_has_one_effect(running: GatewayStage, twice: bool) -> None:
    account = f"same-{twice}"
    opened(running, account)
    path = f"/v1/accounts/{account}/feature-set"
    body = {"feature": "live_agent", "enabled": True}
    headers = {"Idempotency-Key": "once"}
    first = running.post(path, body, headers=headers)
    assert first.status == 200
    # The order of keys does not count, nor what was left out the first time.
    second = running.post(
        path, b'{"enabled": true, "type": "feature-set", "id": "once", "feature": "live_agent"}',
        headers={} if twice else headers, gateway=running.gateways[int(twice)],
    )  # fmt: skip
    assert (second.status, second.json()) == (200, first.json())
    assert second.headers["idempotent-replayed"] == "true"
    for other in (body | {"enabled": False}, body | {"more": 1}):
        mismatch = running.post(path, other, headers=headers)
        assert (mismatch.status, mismatch.code) == (409, "idempotency_mismatch")
    other_type = running.post(f"/v1/accounts/{account}/redirect-set", {"redirect_to": "+1"}, headers=headers)
    assert (other_type.status, other_type.code) == (409, "idempotency_mismatch")
    # Signed inputs are a class of their own.
    grant = {"grant_id": "g", "amount_micros": 1_000_000, "reason": "r"}
    signed = running.post(f"/v1/accounts/{account}/credits-granted", grant, headers=headers)
    assert (signed.status, signed.json()["outcome"]) == (200, "accepted")


def test_what_is_kept_of_a_command_names_its_place_in_the_log(running: GatewayStage) -> None:
    opened(running, "place-1")
    for name in ("p-1", "p-2"):
        assert running.post("/v1/accounts/place-1/redirect-set", {"id": name, "redirect_to": "+1"}).status == 200
    wait_until(lambda: running.get("/v1/accounts/place-1/inputs/p-2").status == 200, "the records")
    kept = [running.redis.hgetall(f"tg:1:gw:{{place-1}}:input:{name}") for name in ("p-1", "p-2")]
    places = [(int(record[b"partition"]), int(record[b"offset"])) for record in kept]
    [(partition, first), (same, second)] = places
    assert partition == same
    assert second > first


def test_an_id_that_is_no_longer_kept_is_a_repeat(running: GatewayStage) -> None:
    opened(running, "repeat-1")
    path, body = "/v1/accounts/repeat-1/feature-set", {"id": "r-1", "feature": "live_agent", "enabled": True}
    first = running.post(path, body).json()
    later = running.post(path, {"feature": "live_agent", "enabled": False}).json()
    assert later["version"] > first["version"]
    wait_until(lambda: running.get("/v1/accounts/repeat-1/inputs/r-1").status == 200, "the record")
    running.redis.delete("tg:1:gw:{repeat-1}:input:r-1")
    assert running.get("/v1/accounts/repeat-1/inputs/r-1").code == "not_found"
    again = running.post(path, body)
    assert (again.status, "idempotent-replayed" in again.headers) == (200, False)
    assert again.json() == {"id": "r-1", "outcome": "repeat", "version": later["version"], "facts": []}


def test_a_repeat_waits_for_views_that_are_behind(running: GatewayStage) -> None:
    """It names the version that the account has now, not one that it had."""
    path, body = "/v1/accounts/behind-1/feature-set", {"feature": "live_agent", "enabled": True}
    opened(running, "behind-1")
    first = running.post(path, body | {"id": "b-1"}).json()
    wait_until(lambda: running.get("/v1/accounts/behind-1").json().get("version") == first["version"], "the views")
    views = next(one for one in running.processes if isinstance(one, ViewsProcess))
    running.redis.delete("tg:1:gw:{behind-1}:input:b-1")
    with ThreadPoolExecutor(1) as pool:
        views.process.send_signal(signal.SIGSTOP)
        try:
            later = running.post(path, body | {"enabled": False}).json()
            again = pool.submit(lambda: running.post(path, body | {"id": "b-1"}))
            wait_until(lambda: running.redis.exists("tg:1:gw:{behind-1}:input:b-1") == 1, "the repeat is under way")
        finally:
            views.process.send_signal(signal.SIGCONT)
        answer = again.result().json()
    assert later["version"] > first["version"]
    assert (answer["outcome"], answer["version"]) == ("repeat", later["version"])


def test_a_refused_id_is_free_again(running: GatewayStage) -> None:
    opened(running, "free-1")
    path = "/v1/accounts/free-1/plan-change-requested"
    refused = running.post(path, {"plan": "no-such-plan"}, headers={"Idempotency-Key": "f-1"})
    assert (refused.status, refused.code) == (422, "unknown_plan")
    looked_up = running.get("/v1/accounts/free-1/inputs/f-1")
    assert (looked_up.status, looked_up.code) == (422, "unknown_plan")
    other = running.post("/v1/accounts/free-1/redirect-set", {"redirect_to": "+1"}, headers={"Idempotency-Key": "f-1"})
    assert (other.status, other.json()["outcome"]) == (200, "accepted")
    assert running.get("/v1/accounts/free-1/inputs/f-1").json() == other.json()


@pytest.mark.parametrize(("until", "status"), [(1, 404), (99_999_999_999_999, 202)])
def test_a_command_whose_gateway_died_in_its_write_is_unknown(running: GatewayStage, until: int, status: int) -> None:
    """Nobody knows whether the log has it. While its gateway may live it is pending."""
    record = {"type": "redirect-set", "hash": "h", "occurred": "", "state": "writing", "until": until}
    running.redis.hset(f"tg:1:gw:{{doubt-{until}}}:input:d-1", mapping=record)
    assert running.get(f"/v1/accounts/doubt-{until}/inputs/d-1").status == status


def test_requests_with_one_id_at_once_have_one_effect(running: GatewayStage) -> None:
    opened(running, "race-1")
    body = {"id": "g-1", "grant_id": "g-1", "amount_micros": 1_000_000, "reason": "r"}

    def send(number: int) -> Reply:
        gateway: GatewayProcess = running.gateways[number % 2]
        return running.post("/v1/accounts/race-1/credits-granted", body, gateway=gateway)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(send, range(8)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert sum("idempotent-replayed" not in reply.headers for reply in replies) == 1
    assert replies[0].json()["facts"][0]["balance_after_micros"] == 1_000_000

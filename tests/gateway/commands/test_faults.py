"""Commands while their surroundings fail: the worker, the gateway, Redis, the broker."""

import http.client
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from devkit.broker import DevBroker
from devkit.redis import DevRedis
from tests.gateway.stage import GatewayStage, Reply
from tests.lane.stage import own_name, wait_until

CENT = 10_000
GRANT = {"grant_id": "g-1", "amount_micros": 1_000_000, "reason": "r"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    with DevBroker(tmp_path_factory.mktemp("own-kafka")) as running:
        yield running


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    with DevRedis(tmp_path_factory.mktemp("own-redis")) as running:
        yield running


@pytest.fixture
def failing(
    broker: DevBroker, redis: DevRedis, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[GatewayStage]:
    """A stage on a broker and a Redis of the module's own, which a test may stop and must start again."""
    made = GatewayStage(broker.bootstrap, redis.url, own_name(request.node), tmp_path)
    made.redis.flushall()
    yield made
    made.close()


def opened(stage: GatewayStage, account: str) -> None:
    reply = stage.post("/v1/accounts", {"account_id": account, "plan": "free"})
    if reply.status != 201:
        # A busy machine takes longer than the short time-outs of these tests.
        wait_until(lambda: stage.get(reply.headers["location"]).status == 200, "an account")


def in_background(
    pool: ThreadPoolExecutor, stage: GatewayStage, path: str, body: object, gateway: int = 0
) -> Future[Reply]:
    return pool.submit(lambda: stage.post(path, body, gateway=stage.gateways[gateway]))


def balance_after(stage: GatewayStage, account: str) -> int:
    """The balance, as a grant of one cent shows it."""
    body = {"grant_id": f"look-{time.monotonic_ns()}", "amount_micros": CENT, "reason": "to see the balance"}
    body["id"] = body["grant_id"]

    def grant() -> Reply:
        return stage.post(f"/v1/accounts/{account}/credits-granted", body, gateway=stage.gateways[-1])

    wait_until(lambda: grant().status == 200, "the balance")
    return int(grant().json()["facts"][0]["balance_after_micros"]) - CENT


def test_without_a_worker_commands_are_pending_and_a_killed_gateway_loses_none(failing: GatewayStage) -> None:
    """A worker that is away, gateways that are killed, and a worker that comes back: 40 s for six processes."""
    worker = failing.worker()
    failing.gateway(command_timeout_ms=500)
    failing.gateway(command_timeout_ms=500)
    opened(failing, "a")
    opened(failing, "b")
    failing.end(worker)
    worker.process.wait(60)
    path, body = "/v1/accounts/a/credits-granted", GRANT | {"id": "in-1"}
    with ThreadPoolExecutor(4) as pool:
        first, second = (in_background(pool, failing, path, body, gateway) for gateway in (0, 1))
        assert {first.result().status, second.result().status} == {202}
    where = first.result().headers["location"]
    assert (failing.get(where).status, failing.get(where).json()) == (202, {"id": "in-1", "status": "pending"})
    mismatch = failing.post(path, body | {"reason": "another"})
    assert (mismatch.status, mismatch.code) == (409, "idempotency_mismatch")
    assert failing.post("/v1/accounts/b/redirect-set", {"redirect_to": "+1", "id": "in-2"}).status == 202
    assert failing.post("/v1/accounts/b/plan-change-requested", {"plan": "nope", "id": "in-3"}).status == 202
    failing.gateways[0].kill()
    failing.worker()
    left = failing.gateways[1]
    wait_until(lambda: failing.get(where, gateway=left).status == 200, "the outcome that the killed gateway waited for")
    found = failing.get(where, gateway=left).json()
    assert (found["outcome"], [fact["amount_micros"] for fact in found["facts"]]) == ("accepted", [1_000_000])
    assert failing.post(path, body, gateway=left).json() == found
    wait_until(lambda: failing.get("/v1/accounts/b/inputs/in-2", gateway=left).status == 200, "the second one")
    wait_until(lambda: failing.get("/v1/accounts/b/inputs/in-3", gateway=left).status == 422, "the refused one")
    assert failing.get("/v1/accounts/b/inputs/in-3", gateway=left).code == "unknown_plan"
    assert balance_after(failing, "a") == 1_000_000


@pytest.mark.parametrize("state", ["writing", "written"])
def test_a_gateway_killed_between_write_and_answer_has_written_once(failing: GatewayStage, state: str) -> None:
    """`written`: Redis knows where the command is in the log; `writing`: nobody knows whether it is there."""
    worker = failing.worker()
    failing.gateway(command_timeout_ms=60_000)
    failing.gateway()
    opened(failing, "a")
    path = "/v1/accounts/a/credits-granted"
    with ThreadPoolExecutor(4) as pool:
        # Frozen, the worker neither decides nor loses its partitions before the gateway is killed.
        worker.process.send_signal(signal.SIGSTOP)
        asked = in_background(pool, failing, path, GRANT | {"id": "in-1"})
        wait_until(lambda: failing.redis.hget("tg:1:gw:{a}:signed:in-1", "state") == state.encode(), "the claim")
        failing.gateways[0].kill()
        with pytest.raises((OSError, http.client.HTTPException)):
            asked.result()
        worker.process.send_signal(signal.SIGCONT)
        retried = failing.post(path, GRANT | {"id": "in-1"}, gateway=failing.gateways[1])
        while retried.status == 202:
            retried = failing.post(path, GRANT | {"id": "in-1"}, gateway=failing.gateways[1])
    assert retried.status == 200
    assert retried.json()["outcome"] in ({"accepted"} if state == "written" else {"accepted", "repeat"})
    assert balance_after(failing, "a") == 1_000_000


def test_without_redis_commands_go_on(failing: GatewayStage, redis: DevRedis) -> None:
    failing.worker()
    failing.gateway()
    opened(failing, "a")
    path = "/v1/accounts/a/credits-granted"
    redis.stop()
    try:
        first = failing.post(path, GRANT | {"id": "in-1"})
        assert (first.status, first.json()["outcome"]) == (200, "accepted")
        again = failing.post(path, GRANT | {"id": "in-1"})
        assert again.json() == {"id": "in-1", "outcome": "repeat", "version": None, "facts": []}
        waited_for = failing.post(path, GRANT | {"id": "in-2", "grant_id": "g-2"}, headers={"Prefer": "respond-async"})
        assert (waited_for.status, waited_for.json()["outcome"]) == (200, "accepted")
        looked_up = failing.get("/v1/accounts/a/inputs/in-1")
        assert (looked_up.status, looked_up.code) == (503, "unavailable")
        assert looked_up.headers["retry-after"] == "1"
    finally:
        redis.start()
    assert balance_after(failing, "a") == 2_000_000


def test_redis_that_goes_in_the_middle_of_a_command(failing: GatewayStage, redis: DevRedis) -> None:
    worker = failing.worker()
    failing.gateway(command_timeout_ms=20_000)
    quick = failing.gateway(command_timeout_ms=300)
    opened(failing, "a")
    opened(failing, "b")
    with ThreadPoolExecutor(4) as pool:
        worker.process.send_signal(signal.SIGSTOP)
        asked = in_background(pool, failing, "/v1/accounts/a/credits-granted", GRANT | {"id": "in-1"})
        wait_until(lambda: failing.redis.exists("tg:1:gw:{a}:signed:in-1") == 1, "the claim")
        redis.stop()
        try:
            unsure = failing.post("/v1/accounts/b/redirect-set", {"redirect_to": "+1"}, gateway=quick)
            assert (unsure.status, unsure.code) == (503, "unavailable")
            worker.process.send_signal(signal.SIGCONT)
            answer = asked.result()
        finally:
            redis.start()
    assert (answer.status, answer.json()["outcome"]) == (200, "accepted")
    again = failing.post("/v1/accounts/a/credits-granted", GRANT | {"id": "in-1"})
    assert (again.status, again.json()["outcome"]) == (200, "repeat")
    assert balance_after(failing, "a") == 1_000_000


def test_a_command_across_a_restart_of_the_broker(failing: GatewayStage, broker: DevBroker) -> None:
    """The broker is away for some seconds. A worker that ends without it is started again: 60 s at most."""
    failing.worker()
    gateway = failing.gateway(command_timeout_ms=20_000)
    opened(failing, "a")
    path = "/v1/accounts/a/credits-granted"
    body = GRANT | {"id": "in-1"}
    with ThreadPoolExecutor(4) as pool:
        broker.stop()
        asked = in_background(pool, failing, path, body)
        refused = asked.result()
        assert (refused.status, refused.code) == (503, "unavailable")
        assert gateway.health("/readyz").status == 200
        asked = in_background(pool, failing, path, GRANT | {"id": "in-2", "grant_id": "g-2"})
        broker.start()
        second = asked.result()
    # Whether the engine was quick enough or not, both have one effect.
    assert second.status in {200, 202, 503}

    def settled(request: dict[str, object]) -> bool:
        reply = failing.post(path, request)
        return reply.status == 200

    wait_until(lambda: settled(body), "the outcome of the first", 60)
    wait_until(lambda: settled(GRANT | {"id": "in-2", "grant_id": "g-2"}), "the outcome of the second", 60)
    assert balance_after(failing, "a") == 2_000_000


def test_a_command_across_a_restart_of_the_worker(failing: GatewayStage) -> None:
    worker = failing.worker()
    failing.gateway(command_timeout_ms=50_000)
    opened(failing, "a")
    with ThreadPoolExecutor(4) as pool:
        worker.kill()
        asked = in_background(pool, failing, "/v1/accounts/a/credits-granted", GRANT | {"id": "in-1"})
        failing.worker()
        answer = asked.result()
    assert (answer.status, answer.json()["outcome"]) == (200, "accepted")
    assert balance_after(failing, "a") == 1_000_000

"""A gateway beside views, each as the user of Redis that the guide gives it: nothing that they do is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.redis import DevRedis
from tests.gateway.gate.calls import authorize, ending, opening, send
from tests.gateway.stage import GatewayStage
from tests.gateway.streams.reader import Reader
from tests.lane.stage import wait_until

GUIDE = Path(__file__).parents[2].joinpath("docs/views.md").read_text()
PASSWORD = "secret-7"
READS = (
    *("", "?min_version=1", "/charges", "/ledger?limit=1", "/alerts?type=balance-low", "/invoices", "/calls?limit=1"),
    *("/explain?call_id=c-1", "/calls?from=2026-01-01T00:00:00Z"),
)


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    """A Redis for these tests alone: they add users."""
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def stage(kafka: str, own_redis: DevRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayStage]:
    made = GatewayStage(kafka, own_redis.url, "gw-redis-user", tmp_path_factory.mktemp("gw-redis-user"))
    urls = {}
    for user in ("views", "gateway"):
        rights = GUIDE.split(f"`ACL SETUSER {user} ")[1].split("`")[0].replace("PASSWORD", PASSWORD)
        made.redis.execute_command("ACL", "SETUSER", user, *rights.split())
        urls[user] = own_redis.url.replace("redis://", f"redis://{user}:{PASSWORD}@")
    made.worker()
    made.views(redis_url=urls["views"])
    made.gateway(redis_url=urls["gateway"])
    yield made
    made.close()


def test_the_rights_of_the_guide_are_enough(stage: GatewayStage) -> None:
    """Takes half a minute on a busy machine: a worker, the views and a gateway start."""
    send(stage, opening("acme", "extra_calls", credit=20))
    wait_until(lambda: stage.get("/v1/accounts/acme").status == 200, "the account", 40)
    assert authorize(stage, "acme", "c-1")["source"] == "engine"
    assert authorize(stage, "nobody", "c-1")["reason"] == "unknown_account"
    send(stage, [ending("acme", "c-1"), ending("acme", "c-2")])
    wait_until(lambda: len(stage.get("/v1/accounts/acme/charges").json()["items"]) == 2, "two charges", 40)
    for path in READS:
        reply = stage.get(f"/v1/accounts/acme{path}")
        assert reply.status == 200, (path, reply.body)
    for name in ("charges", "calls"):
        cursor = stage.get(f"/v1/accounts/acme/{name}?limit=1").json()["next_cursor"]
        assert len(stage.get(f"/v1/accounts/acme/{name}?cursor={cursor}").json()["items"]) == 1
        assert stage.get(f"/v1/accounts/acme/{name}", headers={"Accept": "text/csv"}).status == 200
    assert stage.get("/v1/accounts").status == 200
    assert stage.get("/v1/accounts/acme/invoice.pdf?invoice_id=x").code == "not_found"
    with Reader(stage, "acme") as reader:
        last = reader.wait_for(1, "account-snapshot")[0].id
    switch = ("/v1/accounts/acme/feature-set", {"feature": "live_agent", "enabled": True})
    first = stage.post(*switch, headers={"Idempotency-Key": "i-1"})
    again = stage.post(*switch, headers={"Idempotency-Key": "i-1"})
    assert (first.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert stage.get("/v1/accounts/acme/inputs/i-1").status == 200
    grant = {"grant_id": "g-2", "amount_micros": 1_000_000, "reason": "test"}
    assert stage.post("/v1/accounts/acme/credits-granted", grant).status == 200
    with Reader(stage, "acme", last=last) as reader:
        reader.wait_for(1, "ledger-entry-posted")
    assert stage.post("/v1/accounts/acme/portal-links", {}).status == 201
    assert stage.request("DELETE", "/v1/accounts/acme/portal-sessions").status == 204
    for command in ("verify", "rebuild"):
        done = stage.command("views", command, redis_url=stage.redis_url.replace("//", f"//views:{PASSWORD}@"))
        assert done.returncode == 0, done.stdout
    assert stage.redis.acl_log() == []


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "tg:1:{acme}:snapshot", "{}"),
        ("DEL", "tg:1:{acme}:snapshot"),
        ("HSET", "tg:1:meta", "epoch", "x"),
        ("GET", "another program's"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
    ],
)
def test_a_gateway_cannot_change_what_is_shown(stage: GatewayStage, command: tuple[str, ...]) -> None:
    denied = stage.redis.execute_command("ACL", "DRYRUN", "gateway", *command)
    assert b"no permissions" in denied

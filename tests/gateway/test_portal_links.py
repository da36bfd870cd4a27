"""Links to the owner's page: who may make one, what Redis keeps of it, and how all of them end."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

import pytest

from devkit.redis import DevRedis
from tests.gateway.stage import GatewayStage, Reply
from tests.lane.stage import wait_until

URL = "https://billing.example.com/pay"
HOSTS = "app.example.com, Other.example:8443, localhost"
LINK_S = 900


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevRedis]:
    """A Redis for these tests alone: they stop it."""
    with DevRedis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def stage(kafka: str, own_redis: DevRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayStage]:
    """A worker, the views and a gateway with the account `owner-1`, and keys that may read or write accounts."""
    made = GatewayStage(kafka, own_redis.url, "gw-portal-links", tmp_path_factory.mktemp("gw-portal-links"))
    made.worker()
    made.views()
    made.gateway(portal_url=URL, portal_return_hosts=HOSTS)
    opened = made.post("/v1/accounts", {"account_id": "owner-1", "plan": "free"})
    assert made.shown("owner-1", opened).status == 201
    yield made
    made.close()


@pytest.fixture(scope="module")
def keys(stage: GatewayStage) -> dict[str, str]:
    made = {name: stage.keys.add(name, f"accounts:{name}") for name in ("read", "write")}
    made["calls"] = stage.keys.add("calls", "calls")
    wait_until(lambda: stage.get("/v1/plans", key=made["calls"]).status == 200, "the new keys")
    return made


@pytest.fixture(scope="module")
def narrow(stage: GatewayStage) -> dict[str, str]:
    """Keys of other accounts."""
    scopes = {"read": "accounts:read", "write": "accounts:write", "calls": "calls"}
    made = {name: stage.keys.add(f"narrow-{name}", scope, accounts=["mine-*"]) for name, scope in scopes.items()}
    wait_until(lambda: stage.get("/v1/plans", key=made["calls"]).status == 200, "the new keys")
    return made


def link(stage: GatewayStage, body: Any = None, account: str = "owner-1", key: str = "") -> Reply:
    return stage.post(f"/v1/accounts/{account}/portal-links", body, key=key)


def kept(stage: GatewayStage, reply: Reply) -> tuple[bytes, dict[str, Any]]:
    """The key of Redis that keeps a link, and its value."""
    token = str(reply.json()["url"]).rpartition("/")[2]
    key = b"tg:1:gw:link:" + sha256(token.encode()).hexdigest().encode()
    return key, json.loads(stage.redis.get(key))


def test_a_link_is_a_secret_that_redis_has_only_the_hash_of(stage: GatewayStage) -> None:
    before_s = time.time()
    reply = link(stage)
    assert reply.status == 201, reply.body
    assert reply.headers["cache-control"] == "no-store"
    answer = reply.json()
    assert set(answer) == {"url", "expires_at"}
    found = re.fullmatch(rf"{URL}/portal/[a-z]+/([A-Za-z0-9_-]{{43}})", answer["url"])
    assert found, answer["url"]
    expires_s = datetime.fromisoformat(answer["expires_at"]).timestamp()
    assert before_s + LINK_S - 1 <= expires_s <= time.time() + LINK_S
    key, value = kept(stage, reply)
    assert 0 < stage.redis.pttl(key) <= LINK_S * 1_000
    assert (value["account_id"], value["mode"], value["key_id"]) == ("owner-1", "manage", "stage")
    for name in stage.redis.scan_iter("tg:1:gw:*"):
        assert found[1].encode() not in name
        read = stage.redis.hgetall if stage.redis.type(name) == b"hash" else stage.redis.get
        assert found[1].encode() not in repr(read(name)).encode()
    assert found[1] not in stage.gateways[0].log()
    assert link(stage).json()["url"] != answer["url"]


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("write", None, 201),
        ("write", {}, 201),
        ("write", {"mode": "manage"}, 201),
        ("write", {"mode": "read"}, 403),
        ("write", {"mode": "all"}, 422),
        ("write", {"mode": None}, 422),
        ("read", {"mode": "read"}, 201),
        ("read", {"mode": "manage"}, 403),
        ("read", None, 403),
        # The scope comes before everything else in the body.
        ("read", {"return_url": "https://evil.example"}, 403),
        ("read", {"mode": ["read"]}, 422),
        ("calls", {"mode": "read"}, 403),
        ("calls", {"mode": "all"}, 403),
    ],
)
def test_the_mode_says_which_scope_is_needed(
    stage: GatewayStage, keys: dict[str, str], key: str, body: Any, status: int
) -> None:
    reply = link(stage, body, key=keys[key])
    assert reply.status == status, reply.body
    if status == 422:
        assert (reply.code, reply.json()["field"]) == ("schema_invalid", "mode")
    if status == 201:
        assert kept(stage, reply)[1]["mode"] == (body or {}).get("mode", "manage")


@pytest.mark.parametrize(
    ("scope", "body", "status"),
    [
        ("read", {}, 403),
        ("read", {"mode": "read"}, 404),
        ("read", {"mode": "all"}, 404),
        ("read", {"mode": "read", "return_url": 7}, 404),
        ("write", {"mode": "read"}, 403),
        ("write", {}, 404),
        ("calls", {}, 403),
        ("calls", {"mode": "all"}, 403),
    ],
)
def test_the_account_comes_after_the_scope_and_before_all_else(
    stage: GatewayStage, narrow: dict[str, str], scope: str, body: Any, status: int
) -> None:
    assert link(stage, body, key=narrow[scope]).status == status


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com",
        "https://APP.example.com/back?a=1#top",
        "https://app.example.com:8443/",
        "https://other.example:8443/",
        "http://localhost:3000/done",
    ],
)
def test_a_link_may_lead_back_to_these(stage: GatewayStage, url: str) -> None:
    reply = link(stage, {"return_url": url})
    assert reply.status == 201, reply.body
    assert kept(stage, reply)[1]["return_url"] == url


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://evil.example/app.example.com",
        "https://app.example.com@evil.example/",
        "https://evil.example\\@app.example.com/",
        "https://app.example.com\\.evil.example/",
        "https://other.example/",
        "http://app.example.com/",
        "javascript://app.example.com/%0Aalert(1)",
        "//app.example.com/",
        "/billing",
        "https://app.example.com/\n",
        "https://app.example.com:port/",
        "https://app.example.com/" + "a" * 2_048,
        "",
        7,
    ],
)
def test_a_link_leads_nowhere_else(stage: GatewayStage, url: Any) -> None:
    reply = link(stage, {"return_url": url})
    assert (reply.status, reply.code, reply.json()["field"]) == (422, "schema_invalid", "return_url")


def test_no_link_for_an_account_that_is_not_there(stage: GatewayStage) -> None:
    other = stage.keys.add("other", "admin", accounts=["mine-*"])
    wait_until(lambda: stage.get("/v1/plans", key=other).status == 200, "the new key")
    for account, key in (("nobody", ""), ("owner-1", other), ("mine-nobody", other)):
        assert link(stage, account=account, key=key).code == "not_found"
        ended = stage.request("DELETE", f"/v1/accounts/{account}/portal-sessions", key=key)
        assert (ended.status, ended.code) == (404, "not_found")
    for number in range(3):
        assert stage.post("/v1/accounts", {"account_id": f"new-{number}", "plan": "free"}).status == 201
        assert link(stage, account=f"new-{number}").status == 201


def test_all_links_of_an_account_end_together(stage: GatewayStage, keys: dict[str, str]) -> None:
    assert stage.post("/v1/accounts", {"account_id": "owner-2", "plan": "free"}).status == 201
    first, other = link(stage), link(stage, account="owner-2")
    path = "/v1/accounts/owner-1/portal-sessions"
    assert stage.request("DELETE", path, key=keys["read"]).code == "forbidden"
    assert holds(stage, first)
    ended = stage.request("DELETE", path, key=keys["write"])
    assert (ended.status, ended.body) == (204, b"")
    assert not holds(stage, first)
    assert holds(stage, other)
    assert holds(stage, link(stage))
    again = stage.request("DELETE", path)
    assert again.status == 204


def holds(stage: GatewayStage, reply: Reply) -> bool:
    """Whether a link is of the account's generation, as the page will check."""
    _, value = kept(stage, reply)
    generation = stage.redis.get(f"tg:1:gw:{{{value['account_id']}}}:portal")
    return bool(value["generation"] == int(generation or 0))


def test_a_short_pause_of_redis_costs_nobody_an_error(stage: GatewayStage) -> None:
    """Longer than the time-out: what may take effect twice is sent once more."""
    page = str(link(stage).json()["url"]).removeprefix(URL)
    for path in ("/v1/accounts/owner-1", "/v1/accounts/owner-1/charges", page):
        stage.redis.client_pause(700)
        assert stage.get(path).status == 200, path
    stage.redis.client_pause(700)
    assert link(stage).status == 201
    stage.redis.client_pause(700)
    assert stage.request("DELETE", "/v1/accounts/owner-1/portal-sessions").status == 204


def test_without_redis_there_are_no_links(stage: GatewayStage, own_redis: DevRedis) -> None:
    with own_redis.frozen():
        for reply in (link(stage), stage.request("DELETE", "/v1/accounts/owner-1/portal-sessions")):
            assert (reply.status, reply.code) == (503, "unavailable")
            assert int(reply.headers["retry-after"]) >= 1
    wait_until(lambda: link(stage).status == 201, "links again")

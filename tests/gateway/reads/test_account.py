"""`GET /v1/accounts/{account_id}`: the latest snapshot, how far the views are, and waiting for them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from schemas.instant import format_instant, parse_instant
from schemas.partitioning import partition_of
from tests.gateway.reads.events import admission, snapshot
from tests.gateway.reads.filled import Filled, now_ms
from tests.gateway.stage import PARTITIONS, GatewayStage


@contextmanager
def later(filled: Filled, version: int, account: str, seconds: float = 0.3) -> Iterator[None]:
    """The views have this version of the account after a moment."""
    timer = threading.Timer(seconds, lambda: filled.write([snapshot(account, version)]))
    timer.start()
    yield
    timer.join()


def other(account: str) -> int:
    """The partition that the account is not in."""
    return 1 - partition_of(account.encode(), PARTITIONS)


def test_the_snapshot_as_published_and_up_to_when_it_is(stage: GatewayStage, filled: Filled, account: str) -> None:
    topic_and_value = snapshot(account, 7, plan="free", note="ä")
    filled.write([snapshot(account, 3), topic_and_value])
    reply = stage.get(f"/v1/accounts/{account}")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["etag"] == 'W/"7"'
    assert "tollgate-stale" not in reply.headers
    as_of = reply.json()["as_of"]
    assert reply.body == topic_and_value[1][:-1] + f',"as_of":"{as_of}"}}'.encode()
    assert 0 <= now_ms() - parse_instant(as_of) < 10_000
    stored = stage.redis.hget("tg:1:meta", f"caught_up_at:{1 - other(account)}")
    assert as_of == format_instant(int(stored))


@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [('W/"7"', 304), ('"7"', 304), ('"x", W/"7"', 304), ("*", 304), ('W/"6"', 200), ('W/"77"', 200), ("", 200)],
)
def test_what_the_client_has_is_not_sent_again(
    stage: GatewayStage, filled: Filled, account: str, if_none_match: str, status: int
) -> None:
    filled.write([snapshot(account, 7)])
    reply = stage.get(f"/v1/accounts/{account}", headers={"If-None-Match": if_none_match})
    assert reply.status == status
    assert reply.headers["etag"] == 'W/"7"'
    assert (reply.body == b"") == (status == 304)


def test_an_account_without_a_snapshot_is_not_there(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([admission(account, "c1", 0)])
    assert stage.get(f"/v1/accounts/{account}").code == "not_found"
    assert stage.get(f"/v1/accounts/{account}-x").status == 404
    for odd in ("a%7D:charges", "%2A", "%C3%A4", "a%00b", "x" * 129):
        assert stage.get(f"/v1/accounts/{odd}").status == 404, odd


def test_an_id_with_every_character_that_ids_have(stage: GatewayStage, filled: Filled, account: str) -> None:
    odd = f"Az.0_:+@-{account}"
    filled.write([snapshot(odd, 1)])
    for path in (odd, odd.replace("+", "%2B").replace(":", "%3A").replace("@", "%40")):
        assert stage.get(f"/v1/accounts/{path}").json()["account_id"] == odd


def test_the_wait_for_a_version_ends_with_it(stage: GatewayStage, filled: Filled, account: str) -> None:
    with later(filled, 5, account):  # There is no such account yet.
        assert stage.get(f"/v1/accounts/{account}?min_version=4").json()["version"] == 5
    with later(filled, 9, account):
        assert stage.get(f"/v1/accounts/{account}?min_version=9").json()["version"] == 9
    began_s = time.monotonic()
    assert stage.get(f"/v1/accounts/{account}?min_version=9").json()["version"] == 9
    assert time.monotonic() - began_s < 1.5, "nothing to wait for"


def test_the_wait_ends_with_what_there_is(stage: GatewayStage, filled: Filled, account: str) -> None:
    began_s = time.monotonic()
    assert stage.get(f"/v1/accounts/{account}?min_version=1").code == "not_found"
    assert time.monotonic() - began_s >= 2
    filled.write([snapshot(account, 5)])
    reply = stage.get(f"/v1/accounts/{account}?min_version=6", headers={"If-None-Match": 'W/"5"'})
    assert reply.status == 304
    assert time.monotonic() - began_s >= 4


@pytest.mark.parametrize("wrong", ["-1", "x", "", "1.0", "%D9%A1", "1" * 17])
def test_a_version_is_a_number(stage: GatewayStage, account: str, wrong: str) -> None:
    reply = stage.get(f"/v1/accounts/{account}?min_version={wrong}")
    assert (reply.status, reply.code, reply.json()["field"]) == (400, "schema_invalid", "min_version")


def test_views_that_are_behind_say_so(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account)])
    filled.catch_up(behind_s=35)
    reply = stage.get(f"/v1/accounts/{account}")
    assert 35 <= int(reply.headers["tollgate-stale"]) < 60
    assert stage.get(f"/v1/accounts/{account}/charges").headers["tollgate-stale"]
    filled.catch_up(behind_s=0, partitions=[1 - other(account)])
    assert "tollgate-stale" not in stage.get(f"/v1/accounts/{account}").headers, "its own partition counts"
    assert stage.get("/v1/accounts").headers["tollgate-stale"], "the oldest of them all counts"


PATHS = ("", "/charges", "/ledger", "/alerts", "/invoices", "/calls", "/explain?call_id=c", "/invoice.pdf?invoice_id=i")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_of_a_partition_that_is_read_again(
    stage: GatewayStage, filled: Filled, account: str, path: str
) -> None:
    filled.write([snapshot(account)])
    filled.begin_again(other(account))
    assert stage.get(f"/v1/accounts/{account}{path}").status in {200, 404}, "another partition does not matter"
    filled.begin_again(1 - other(account))
    reply = stage.get(f"/v1/accounts/{account}{path}")
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "unavailable", "1")
    assert stage.get("/v1/accounts").status == 503


def test_nothing_is_shown_of_an_empty_redis(stage: GatewayStage, filled: Filled, account: str) -> None:
    stage.redis.flushall()
    reply = stage.get(f"/v1/accounts/{account}")
    assert (reply.status, reply.code) == (503, "unavailable")


@pytest.mark.parametrize("path", [*PATHS, "/events"])
def test_a_redis_that_refuses_the_gateway_is_unavailable(
    stage: GatewayStage, filled: Filled, account: str, path: str
) -> None:
    """Its password was changed: no caller can do anything about that."""
    filled.write([snapshot(account)])
    stage.redis.config_set("requirepass", "another")
    try:
        stage.redis.client_kill_filter(_type="normal", skipme=True)
        replies = [stage.get(f"/v1/accounts/{account}{path}") for _ in range(3)]
    finally:
        stage.redis.config_set("requirepass", "")
    assert {(reply.status, reply.code) for reply in replies} == {(503, "unavailable")}


@pytest.mark.parametrize("path", ["/v1/accounts", *(f"/v1/accounts/acme{path}" for path in PATHS)])
def test_reading_needs_its_scope(stage: GatewayStage, keys: dict[str, str], path: str) -> None:
    reply = stage.get(path, key=keys["calls"])
    assert (reply.status, reply.code) == (403, "forbidden")


def test_head_is_as_get(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account, 4)])
    reply = stage.request("HEAD", f"/v1/accounts/{account}")
    assert (reply.status, reply.body, reply.headers["etag"]) == (200, b"", 'W/"4"')


def test_json_is_what_there_is(stage: GatewayStage, filled: Filled, account: str) -> None:
    filled.write([snapshot(account)])
    assert stage.get(f"/v1/accounts/{account}", headers={"Accept": "text/csv"}).code == "not_acceptable"
    assert json.loads(stage.get(f"/v1/accounts/{account}", headers={"Accept": "*/*"}).body)

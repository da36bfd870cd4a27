"""What all calls have in common: the order of checks, problems, and limits."""

import json
from typing import Any

import pytest

from tests.gateway.http.served import CARD, PROGRAM
from tests.gateway.stage import GatewayProcess, GatewayStage

THING = "/v1/accounts/acme-1/thing"


@pytest.fixture(scope="module")
def keys(stage: GatewayStage) -> dict[str, str]:
    """The texts of some keys, by their ids."""
    return {
        "reader": stage.keys.add("reader", "accounts:read", accounts=["acme-*"]),
        "calls": stage.keys.add("calls", "calls"),
        "nothing": stage.keys.add("nothing", "admin", accounts=[]),
    }


@pytest.fixture(scope="module", autouse=True)
def gateway(stage: GatewayStage, keys: dict[str, str]) -> GatewayProcess:
    return stage.gateway(program=PROGRAM)


@pytest.mark.parametrize(
    ("method", "path", "key", "status", "code"),
    [
        ("GET", THING, None, 401, "unauthorized"),
        ("GET", "/v1/nothing", None, 401, "unauthorized"),
        ("GET", "/v1/nothing", "calls", 404, "not_found"),
        ("GET", "/", "calls", 404, "not_found"),
        ("GET", "/v1/shown/", "calls", 404, "not_found"),
        ("GET", "//v1/shown", "calls", 404, "not_found"),
        ("GET", THING + "/", "reader", 404, "not_found"),
        ("POST", "/v1/accounts/acme-1/redirect-unset", "reader", 404, "not_found"),
        ("POST", "/v1/accounts/acme-1/clock-ticked", "nothing", 404, "not_found"),
        ("GET", THING, "calls", 403, "forbidden"),
        ("GET", "/v1/accounts/other/thing", "calls", 403, "forbidden"),
        ("DELETE", THING, "reader", 403, "forbidden"),
        ("POST", "/v1/accounts/acme-1/redirect-set", "reader", 403, "forbidden"),
        ("PUT", THING, "calls", 403, "forbidden"),
        ("GET", "/v1/accounts/other/thing", "reader", 404, "not_found"),
        ("PUT", "/v1/accounts/other/thing", "reader", 404, "not_found"),
        ("GET", "/v1/accounts/*/thing", "reader", 404, "not_found"),
        ("GET", THING, "nothing", 404, "not_found"),
        ("PUT", THING, "reader", 405, "method_not_allowed"),
        ("OPTIONS", THING, "reader", 405, "method_not_allowed"),
        ("POST", THING, "reader", 405, "method_not_allowed"),
        ("GET", "/v1/accounts/acme-1/redirect-set", "nothing", 404, "not_found"),
        ("PATCH", "/open", None, 405, "method_not_allowed"),
        ("POST", "/v1/echo", "calls", 200, ""),
        ("GET", THING, "reader", 200, ""),
        ("GET", "/open", None, 200, ""),
    ],
)
def test_checks_come_in_their_order(
    stage: GatewayStage, keys: dict[str, str], method: str, path: str, key: str | None, status: int, code: str
) -> None:
    answer = stage.request(method, path, key=keys[key] if key else None)
    assert answer.status == status
    assert not code or answer.code == code


def test_a_method_that_is_not_served_names_those_that_are(stage: GatewayStage) -> None:
    assert stage.request("PUT", THING).headers["allow"] == "DELETE, GET, HEAD"
    assert stage.request("PUT", "/v1/echo").headers["allow"] == "POST"


def test_an_account_outside_and_none_have_the_same_answer(stage: GatewayStage, keys: dict[str, str]) -> None:
    outside = stage.get("/v1/accounts/other/thing", key=keys["reader"], headers={"X-Request-Id": "same"})
    invalid = stage.get("/v1/accounts/no%20id/thing", key=keys["reader"], headers={"X-Request-Id": "same"})
    assert outside.body == invalid.body


@pytest.mark.parametrize(
    ("raw", "segment"),
    [
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%61", "a"),
        ("a+b", "a+b"),
        ("%C3%A9", "é"),
        ("..", ".."),
        ("%00", "\0"),
    ],
)
def test_an_encoded_segment_stays_one(stage: GatewayStage, raw: str, segment: str) -> None:
    assert stage.get(f"/v1/shown/{raw}").json()["path"] == {"name": segment}


def test_a_segment_that_is_not_utf8_is_not_found(stage: GatewayStage) -> None:
    assert stage.get("/v1/shown/%ff").code == "not_found"


def test_a_literal_segment_is_meant_before_a_parameter(stage: GatewayStage) -> None:
    assert stage.get("/v1/accounts/acme-1/thing").json()["path"] == {"account_id": "acme-1"}


@pytest.mark.parametrize(
    ("query", "field"), [("?limt=1", "limt"), ("?limit=1&limit=2", "limit"), ("?=1", ""), ("?LIMIT=1", "LIMIT")]
)
def test_a_query_parameter_that_is_not_known_is_refused(stage: GatewayStage, query: str, field: str) -> None:
    answer = stage.get(f"/v1/shown{query}")
    assert (answer.status, answer.code, answer.json()["field"]) == (400, "schema_invalid", field)


def test_a_query_parameter_that_is_needed_is_named(stage: GatewayStage) -> None:
    assert stage.post("/v1/array").json()["field"] == "items"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/html, */*;q=0.1", "application/json"),
        ("TEXT/CSV", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/html", ""),
        ("application/json;q=0", ""),
    ],
)
def test_accept_chooses_a_media_type(stage: GatewayStage, accept: str | None, media_type: str) -> None:
    answer = stage.get("/v1/both", headers={} if accept is None else {"Accept": accept})
    if media_type:
        assert answer.json()["media_type"] == media_type
    else:
        assert (answer.status, answer.code) == (406, "not_acceptable")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "Application/JSON; charset=UTF-8"}, 200),
        ({"Content-Type": 'application/json; profile="a"; charset="utf-8"'}, 200),
        ({"Content-Type": "application/json;"}, 200),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/json; profile=a; charset=latin-1"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity"}, 200),
    ],
)
def test_bodies_are_json_and_not_compressed(stage: GatewayStage, headers: dict[str, str], status: int) -> None:
    answer = stage.post("/v1/echo", b"{}", headers=headers)
    assert answer.status == status
    assert status == 200 or answer.code == "unsupported_media_type"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
        (b'{"a": NaN}', "malformed_json"),
        (b'{"a": -Infinity}', "malformed_json"),
        (b'{"a": 1e999}', "malformed_json"),
        (b'{"a": 1, "a": 1}', "malformed_json"),
        (b'{"b": [{"a": 1, "a": 2}]}', "malformed_json"),
        (b'{"a": "\\ud800"}', "malformed_json"),
        (b'{"\\ud800": 1}', "malformed_json"),
        (b"[" * 60_000, "malformed_json"),
        (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, "malformed_json"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "malformed_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b"[]", "not_an_object"),
        (b"1", "not_an_object"),
        (b"null", "not_an_object"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(stage: GatewayStage, body: bytes, code: str) -> None:
    answer = stage.post("/v1/echo", body)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"", {}), (b" \n", {}), (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}), (b'{"a": 123456789012345678901}', None)],
)
def test_a_body_is_read(stage: GatewayStage, body: bytes, value: Any) -> None:
    answer = stage.post("/v1/echo", body)
    assert answer.status == 200
    assert answer.json()["received"] == (json.loads(body) if value is None else value)


def test_the_time_of_the_last_byte_is_known(stage: GatewayStage) -> None:
    assert 0 <= stage.post("/v1/echo", b"{}").json()["late_s"] < 60


def test_a_body_that_is_too_large_is_refused_and_the_connection_goes_on(stage: GatewayStage) -> None:
    fits = b'{"a": "' + b"x" * (65_536 - 9) + b'"}'
    assert stage.post("/v1/echo", fits).status == 200
    answer = stage.post("/v1/echo", fits + b" ")
    assert (answer.status, answer.code) == (413, "too_large")
    assert stage.post("/v1/large", b'{"a": "' + b"x" * (8 << 20) + b'"}').code == "too_large"
    assert stage.post("/v1/large", b'{"a": "' + b"x" * ((8 << 20) - 9) + b'"}').status == 200


def test_the_frameworks_own_refusals_are_problems(stage: GatewayStage) -> None:
    codes = {s: stage.get(f"/v1/framework/{s}").code for s in (404, 405, 406, 408, 413, 415, 500)}
    assert codes == {
        404: "not_found",
        405: "method_not_allowed",
        406: "not_acceptable",
        408: "request_timeout",
        413: "too_large",
        415: "unsupported_media_type",
        500: "internal",
    }


def test_a_bug_is_answered_without_what_it_met(stage: GatewayStage, gateway: GatewayProcess) -> None:
    answer = stage.get("/v1/broken", headers={"X-Request-Id": "the-broken-one"})
    assert (answer.status, answer.code, answer.json()["request_id"]) == (500, "internal", "the-broken-one")
    assert CARD.encode() not in answer.body
    assert b"Traceback" not in answer.body
    assert 'route="/v1/broken",status="5xx"} 1.0' in gateway.metrics()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc_-09", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("a.b", False),
        ("4242424242424242", False),
    ],
)
def test_a_request_keeps_its_own_id(stage: GatewayStage, given: str, *, kept: bool) -> None:
    answers = [
        stage.get(path, headers={"X-Request-Id": given}, key=key)
        for path, key in (("/v1/shown", ""), ("/v1/nothing", ""), ("/v1/shown", None), ("/open", None))
    ]
    for answer in answers:
        assert (answer.headers["x-request-id"] == given) is kept
        assert answer.headers["x-request-id"]


def test_no_answer_repeats_a_card_number(stage: GatewayStage) -> None:
    paths = (f"/v1/shown?{CARD}=1", f"/v1/nothing/{CARD}", f"/v1/accounts/{CARD}/nothing")
    for answer in (stage.get(path) for path in paths):
        assert 400 <= answer.status < 500
        assert CARD.encode() not in answer.body
    assert CARD.encode() not in stage.post("/v1/echo", f'{{"{CARD}": 1, "{CARD}": 2}}'.encode()).body


def test_head_is_get_without_the_body(stage: GatewayStage) -> None:
    get, head = stage.get("/v1/shown"), stage.request("HEAD", "/v1/shown")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", get.headers["content-length"])
    assert stage.request("HEAD", "/v1/stream").body == b""
    assert stage.request("HEAD", "/v1/echo").status == 405
    assert stage.request("HEAD", "/v1/nothing").status == 404

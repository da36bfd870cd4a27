"""Every call that the gateway serves: accounts outside a key's are not to be seen, and answers are as described.

Takes more than 20 s: it starts a worker, views and a gateway, and tries every call with made-up requests.
"""

import json
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from gateway.app import ENDPOINTS
from gateway.http.endpoint import Endpoint
from gateway.http.openapi import describe
from tests.gateway.stage import GatewayProcess, GatewayStage, Reply
from tests.lane.stage import wait_until

OPEN, OPENED_AT = "every-call-1", "2026-01-01T00:00:00Z"
MISSING = "every-call-missing"
OF_AN_ACCOUNT = [call for call in ENDPOINTS if "{account_id}" in call.path]
# What the required query parameters are, so that the account is what is wrong.
QUERY = {"call_id": "call-1", "invoice_id": "invoice-1", "receipt_id": "receipt-1"}
TRIES = 3

schema = schemathesis.openapi.from_dict(describe(ENDPOINTS))
# A stream does not end by itself, and `events` takes every input: all their limits would be 8,500 requests.
tried = schema.exclude(operation_id=["stream_events", "events"])
events = schema.include(operation_id="events")


@pytest.fixture(scope="module")
def other_key(stage: GatewayStage) -> str:
    """May do everything, with other accounts."""
    return stage.keys.add("other", accounts=["other-*"])


@pytest.fixture(scope="module", autouse=True)
def gateway(stage: GatewayStage, other_key: str) -> GatewayProcess:
    """A gateway with everything behind it, and one account."""
    stage.worker()
    stage.views()
    gateway = stage.gateway()
    opened = stage.post("/v1/accounts", {"account_id": OPEN, "plan": "free", "id": "in-1", "occurred_at": OPENED_AT})
    assert opened.status == 201, opened.body
    ended = next(call.body.example for call in ENDPOINTS if name_of(call) == "call_ended" and call.body is not None)
    assert stage.post(f"/v1/accounts/{OPEN}/call-ended", ended | {"call_id": QUERY["call_id"]}).status == 200
    # The last method of an account with refills cannot be removed.
    other = {"payment_method_id": "another", "token": "tok", "brand": "visa", "last4": "4242"}
    added = stage.post(f"/v1/accounts/{OPEN}/payment-method-added", other | {"exp_month": 12, "exp_year": 2040})
    assert added.status == 200, added.body
    explained = f"/v1/accounts/{OPEN}/explain?call_id={QUERY['call_id']}"
    wait_until(lambda: stage.get(explained).status == 200, "the views have the charge", 40)
    return gateway


# What these are about comes with payments, which the tests of documents and of payments bring about.
WITHOUT_PAYMENTS = {
    *("credits_refund_requested", "payment_succeeded", "payment_declined", "payment_reversed"),
    *("get_invoice_pdf", "get_receipt_pdf"),
}


def in_their_order() -> list[Endpoint]:
    """The account has its payment method before anything is bought with it, and until the end."""
    at = {"payment_method_added": -1, "payment_method_removed": 1}
    return sorted(ENDPOINTS, key=lambda call: at.get(name_of(call), 0))


def name_of(call: Endpoint) -> str:
    return call.operation.operation_id


@pytest.mark.parametrize("call", in_their_order(), ids=name_of)
def test_a_good_request_is_answered_as_described(stage: GatewayStage, gateway: GatewayProcess, call: Endpoint) -> None:
    """Made-up requests are nearly all refused, so each call is also made as its description shows it."""
    path = call.path.replace("{account_id}", OPEN).replace("{input_id}", "in-1")
    query = {one.name: QUERY[one.name] for one in call.query if one.required}
    body = None if call.body is None else json.dumps(call.body.example or {})
    with requests.request(
        call.method, gateway.url + path, params=query, data=body, headers=authorized(stage), stream=True, timeout=30
    ) as answer:
        if call.produces == ("text/event-stream",):
            assert (answer.status_code, next(answer.iter_lines())) == (200, b"retry: 2000")
            assert answer.headers["content-type"].startswith(call.produces[0])
        else:
            schema[call.path][call.method].validate_response(answer)
    assert (answer.status_code >= 400) == (name_of(call) in WITHOUT_PAYMENTS)


def authorized(stage: GatewayStage) -> dict[str, str]:
    return {"Authorization": f"Bearer {stage.key}"}


def ask(stage: GatewayStage, call: Endpoint, account_id: str, **options: Any) -> Reply:
    """The call for an account, with a good body where it takes one."""
    path = call.path.replace("{account_id}", account_id).replace("{input_id}", "in-1")
    query = "&".join(f"{one.name}={QUERY[one.name]}" for one in call.query if one.required)
    body = None if call.body is None else call.body.example or {}
    headers = {"X-Request-Id": "the-same"}
    return stage.request(call.method, f"{path}?{query}" if query else path, body, headers=headers, **options)


@pytest.mark.parametrize("call", OF_AN_ACCOUNT, ids=name_of)
def test_no_account_outside_the_keys_is_found(stage: GatewayStage, other_key: str, call: Endpoint) -> None:
    outside = ask(stage, call, OPEN, key=other_key)
    assert (outside.status, outside.code) == (404, "not_found")
    # Neither is it told apart from one that does not exist.
    assert outside.body == ask(stage, call, MISSING, key=other_key).body
    assert outside.body == ask(stage, call, "*", key=other_key).body == ask(stage, call, "*").body


@pytest.mark.parametrize("call", OF_AN_ACCOUNT, ids=name_of)
def test_an_account_that_does_not_exist_is_as_one_outside(stage: GatewayStage, other_key: str, call: Endpoint) -> None:
    missing, outside = ask(stage, call, MISSING), ask(stage, call, OPEN, key=other_key)
    assert (missing.status, missing.json()) == (outside.status, outside.json())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/calls/authorize", {"call_id": "call-1", "direction": "inbound"}),
        ("/v1/accounts", {"plan": "free"}),
        ("/v1/events", {"type": "redirect-set", "id": "in-1", "redirect_to": "+15550100"}),
    ],
)
def test_an_account_in_the_body_is_checked_too(
    stage: GatewayStage, other_key: str, path: str, body: dict[str, Any]
) -> None:
    for account_id in (OPEN, MISSING, "*"):
        refused = stage.post(
            path, {**body, "account_id": account_id, "occurred_at": "2026-01-01T00:00:00Z"}, key=other_key
        )
        assert (refused.status, refused.code) == (404, "not_found")
    assert stage.get("/v1/accounts", key=other_key).json()["items"] == []


# A shrunken request would be sent to the same process, whose accounts have changed: it would not fail in the same way.
BOUNDED = settings(
    max_examples=TRIES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@tried.parametrize()
@BOUNDED
def test_answers_are_as_described(stage: GatewayStage, gateway: GatewayProcess, case: Any) -> None:
    """Beside made-up requests those at the limits of each field."""
    if "account_id" in (case.path_parameters or {}):
        case.path_parameters["account_id"] = OPEN
    check(stage, gateway, case)


@events.parametrize()
@settings(BOUNDED, max_examples=10 * TRIES, phases=(Phase.generate,))
def test_answers_about_events_are_as_described(stage: GatewayStage, gateway: GatewayProcess, case: Any) -> None:
    check(stage, gateway, case)


def check(stage: GatewayStage, gateway: GatewayProcess, case: Any) -> None:
    answer = case.call(base_url=gateway.url, headers=authorized(stage))
    checks = CHECKS.get_by_names(
        [
            *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
            *("response_schema_conformance", "response_headers_conformance"),
        ]
    )
    case.validate_response(answer, checks=checks)

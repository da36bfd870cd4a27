"""Every call that the gateway serves: accounts outside a key's are not to be seen, and answers are as described.

Takes more than 20 s: it starts a worker, views and a gateway, and tries every call with made-up requests.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from gateway.app import ENDPOINTS
from gateway.http.endpoint import Endpoint
from gateway.http.openapi import describe
from gateway.streams.endpoint import MEDIA_TYPE
from tests.gateway.stage import GatewayProcess, GatewayStage, Reply
from tests.lane.stage import wait_until

OPEN = "every-call-1"
MISSING = "every-call-missing"
OF_AN_ACCOUNT = [call for call in ENDPOINTS if "{account_id}" in call.path]
# What the required query parameters are, so that the account is what is wrong.
QUERY = {"call_id": "call-1", "invoice_id": "invoice-1", "receipt_id": "receipt-1"}
TRIES = 3

schema = schemathesis.openapi.from_dict(describe(ENDPOINTS))


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
    opened = stage.post("/v1/accounts", {"account_id": OPEN, "plan": "free"})
    assert opened.status == 201, opened.body
    wait_until(lambda: stage.get(f"/v1/accounts/{OPEN}").status == 200, "the views have the account", 40)
    return gateway


def name_of(call: Endpoint) -> str:
    return call.operation.operation_id


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


@pytest.mark.parametrize("call", [call for call in OF_AN_ACCOUNT if name_of(call) != "command_outcome"], ids=name_of)
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


@schema.parametrize()
@BOUNDED
def test_answers_are_as_described(stage: GatewayStage, gateway: GatewayProcess, case: Any) -> None:
    if "account_id" in (case.path_parameters or {}):
        case.path_parameters["account_id"] = OPEN
    answer = case.call(base_url=gateway.url, headers={"Authorization": f"Bearer {stage.key}"})
    names = ["not_a_server_error", "status_code_conformance", "content_type_conformance"]
    # The schema of a stream is of its whole text; Schemathesis would hold each event of the stream against it.
    if not answer.headers.get("content-type", [""])[0].startswith(MEDIA_TYPE):
        names.append("response_schema_conformance")
    case.validate_response(answer, checks=CHECKS.get_by_names(names))

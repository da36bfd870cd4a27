"""Every read answers as its description says, with the events that are published as examples."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import orjson
import pytest

from agents.views import layout
from gateway.http.endpoint import JSON, Endpoint
from gateway.reads.endpoints import ENDPOINTS
from schemas.wire import generate
from tests.gateway.reads.filled import Event, Filled
from tests.gateway.stage import GatewayStage

EXAMPLES = Path(generate.__file__).parent / "examples" / "events.jsonl"
CHARGED = {"explain": ("call_id", "call-charged"), "invoice.pdf": ("invoice_id", "invoice-issued")}
CHARGED |= {"receipt.pdf": ("receipt_id", "receipt-issued")}


def examples() -> list[dict[str, Any]]:
    return [json.loads(line) for line in EXAMPLES.read_text().splitlines()]


def published() -> Iterator[Event]:
    """Each example on the topics of its type, and a snapshot of each account."""
    kinds = generate.fact_types()
    for event in examples():
        for topic in kinds[generate.document_of(event)].topics:
            if topic in layout.TOPICS:
                yield topic, orjson.dumps(event)
    a_snapshot = next(event for event in examples() if event["type"] == "account-snapshot")
    for account in {event["account_id"] for event in examples()}:
        yield layout.SNAPSHOTS, orjson.dumps(a_snapshot | {"account_id": account, "version": 1_000})


def paths(endpoint: Endpoint) -> list[str]:
    """The requests of an endpoint that the examples have something for."""
    name = endpoint.path.rpartition("/")[2]
    if name in CHARGED:
        field, kind = CHARGED[name]
        of = [event for event in examples() if event["type"] == kind]
        return [f"/v1/accounts/{event['account_id']}/{name}?{field}={quote(event[field], safe='')}" for event in of]
    accounts = sorted({event["account_id"] for event in examples()})
    return list(dict.fromkeys(endpoint.path.replace("{account_id}", account) for account in accounts))


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: str(endpoint.operation.operation_id))
def test_an_answer_is_as_described(stage: GatewayStage, filled: Filled, endpoint: Endpoint) -> None:
    filled.catch_up()
    filled.write(published())
    described = endpoint.operation.answers[200]
    items = 0
    assert paths(endpoint)
    for path in paths(endpoint):
        reply = stage.get(path)
        assert reply.status == 200, (path, reply.body)
        assert reply.headers["content-type"] == described.media_type
        if described.media_type == JSON:
            body = reply.json()
            jsonschema_rs.validator_for(dict(described.schema or {})).validate(body)
            items += len(body.get("items", body))
    assert items or described.media_type != JSON, "something was described"
    ids = [each.operation.operation_id for each in ENDPOINTS]
    assert len(ids) == len(set(ids))

"""`POST /v1/events`: inputs without waiting for their outcome, one or up to a thousand."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from aiokafka.errors import KafkaError
from starlette.responses import Response

from gateway.commands import schemas
from gateway.commands.inputs import Prepared
from gateway.events.items import BATCH, EVENT, ITEMS_MAX, Items, items_of, read_item, rejected
from gateway.http.endpoint import JSON, Answer, Body, Call, Endpoint, Operation
from gateway.http.problem import Problem, unavailable, wrong_parameter
from gateway.http.scopes import SCOPES

BODY_BYTES_MAX = 8 << 20
KEY = "Idempotency-Key"
# Items checked before other requests have a turn.
STRETCH = 50


async def receive(call: Call) -> Response:
    """Write the items that are valid, in their order, and answer once the brokers have them all."""
    if KEY in call.request.headers:
        raise wrong_parameter(KEY, "Every item has its own `id` here: leave the header out.")
    items = items_of(call.request, await call.body())
    if items.is_array and items.values:
        call.take_array(len(items.values))
    refused: list[dict[str, Any]] = []
    prepared = await _read_all(call, items, refused)
    call.parts.commands.metrics.events.labels("rejected").inc(len(refused))
    written = await _write_all(call, prepared)
    unknown = [index for index, done in zip(prepared, written, strict=True) if not done]
    ids = [item.id for item, done in zip(prepared.values(), written, strict=True) if done]
    call.parts.commands.metrics.events.labels("accepted").inc(len(ids))
    call.parts.commands.metrics.events.labels("unknown").inc(len(unknown))
    answer = {"accepted": len(ids), "ids": ids, "rejected": refused}
    if unknown:
        detail = "Not every item was acknowledged. Send all again: their ids make that safe."
        raise unavailable(detail, **answer, unknown=unknown)
    return Response(orjson.dumps(answer), 202, media_type=JSON)


async def _read_all(call: Call, items: Items, refused: list[dict[str, Any]]) -> Mapping[int, Prepared]:
    """The valid items by their index; the others go to `refused`. A single input that is refused is a Problem."""
    parts, found = call.parts, {}
    signing_key = next(iter(parts.settings.keys()), None)
    now_ms, latest_ms = parts.clock_ms(), parts.latest_ms()
    for index, item in enumerate(items.values):
        try:
            found[index] = read_item(item, items.attributes, call.key, signing_key, now_ms, latest_ms)
        except Problem as problem:
            if not items.is_array:
                raise
            refused.append(rejected(index, problem))
        if index % STRETCH == STRETCH - 1:
            await asyncio.sleep(0)
    return found


async def _write_all(call: Call, prepared: Mapping[int, Prepared]) -> list[bool]:
    """Whether each item is known to be in the log."""
    writer = call.parts.writer
    writes = [writer.write(item.account_id, item.value, item.headers) for item in prepared.values()]
    results = await asyncio.gather(*writes, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, KafkaError):
            raise result
    return [not isinstance(result, BaseException) for result in results]


_REJECTED = {
    "type": "object",
    "required": ["index", "code", "detail"],
    "properties": {"index": {"type": "integer"}, "code": {"type": "string"}, "detail": {"type": "string"}},
}
_ACCEPTED = {
    "type": "object",
    "required": ["accepted", "ids", "rejected"],
    "properties": {
        "accepted": {"type": "integer", "minimum": 0},
        "ids": {"type": "array", "items": schemas.ID, "description": "Of the items that were written, in order."},
        "rejected": {"type": "array", "items": _REJECTED},
    },
}
_INPUT = {"oneOf": [schemas.input_schema(kind) for kind in SCOPES]}

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/events",
        receive,
        None,
        Operation(
            operation_id="events",
            summary="Send inputs without waiting for what becomes of them",
            description="One input, an array of up to 1,000, or CloudEvents 1.0 (structured, batch or binary). Items "
            "are checked one by one. What the account's state refuses becomes a dead letter. The key needs the scope "
            "of each item's type.",
            answers={202: Answer("The log has every item that is not listed as rejected.", _ACCEPTED)},
            codes=("schema_invalid", "unknown_type", "forbidden", "not_found", "too_large", "future_time"),
        ),
        body=Body(
            {"anyOf": [_INPUT, {"type": "array", "maxItems": ITEMS_MAX, "items": _INPUT}]},
            media_types=(JSON, EVENT, BATCH),
            bytes_max=BODY_BYTES_MAX,
            example=[{"type": "call-started", **schemas.example_of("call-started", "id", "account_id", "occurred_at")}],
        ),
    ),
)

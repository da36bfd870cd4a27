"""The inputs in a request to `/v1/events`: plain JSON or CloudEvents 1.0, one or many."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from gateway.commands.inputs import Prepared, prepare
from gateway.http.body import parse
from gateway.http.keys import Key
from gateway.http.problem import Problem, lacks, no_such_account
from gateway.http.scopes import SCOPES
from schemas.codec import Unreadable, flatten_event

JSON, EVENT, BATCH = "application/json", "application/cloudevents+json", "application/cloudevents-batch+json"
ITEMS_MAX = 1_000
_HEADER = "ce-"
_TIMED_BY_CALLER = "call-"

_TYPE, _VERSION = "content-type", "ce_specversion"

Attributes = Mapping[str, bytes | None]


class Items(NamedTuple):
    """The items of a request, unchecked. `attributes` are those that the request gives to a CloudEvent in it."""

    values: list[Any]
    attributes: Attributes
    is_array: bool


def items_of(request: Request, body: bytes) -> Items:
    """The items of a request. Raises Problem."""
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    attributes = _attributes(request, kind)
    # An event in binary mode may have no data.
    value: Any = parse(body) if body or kind != JSON or _VERSION not in attributes else {}
    is_array = isinstance(value, list)
    if kind == EVENT and is_array:
        raise Problem("not_an_object", f"Expected one JSON object as {kind}.")
    if kind == BATCH and not is_array:
        raise Problem("schema_invalid", f"Expected an array as {kind}.")
    if not is_array:
        return Items([value], attributes, is_array=False)
    if len(value) > ITEMS_MAX:
        raise Problem("too_large", f"An array may have at most {ITEMS_MAX:,} items; nothing was written.")
    return Items(value, {_TYPE: EVENT.encode()} if kind == BATCH else {}, is_array=True)


def _attributes(request: Request, kind: str) -> Attributes:
    """The attributes of a CloudEvent in binary mode, by the names that they have on Kafka."""
    found: dict[str, bytes | None] = {
        f"ce_{name.removeprefix(_HEADER)}": unquote_to_bytes(value)
        for name, value in request.headers.items()
        if name.startswith(_HEADER)
    }
    return found | {_TYPE: kind.encode()}


def read_item(
    item: Any, attributes: Attributes, key: Key, signing_key: bytes | None, now_ms: int, latest_ms: float
) -> Prepared:
    """The input in an item, if the key may send it; the times are those of `prepare`. Raises Problem."""
    if not isinstance(item, dict):
        raise Problem("not_an_object", "Expected one JSON object.")
    fields = flatten_event(_with_data(item), attributes)
    if isinstance(fields, Unreadable):
        raise Problem(fields.code, fields.message)
    kind, account_id = fields.get("type"), fields.get("account_id")
    scope = SCOPES.get(kind) if isinstance(kind, str) else None
    if scope is None or not isinstance(kind, str):
        raise Problem("unknown_type", "`type` is none of the inputs that may be sent", field="type")
    if not key.may(scope):
        raise lacks(scope)
    if isinstance(account_id, str) and not key.reaches(account_id):
        raise no_such_account()
    needed = ("account_id", "id", *(("occurred_at",) if kind.startswith(_TIMED_BY_CALLER) else ()))
    for name in needed:
        if fields.get(name) is None:
            raise Problem("schema_invalid", f"Object missing required field `{name}`", field=name)
    return prepare(fields, f"key:{key.id}", signing_key, now_ms, latest_ms)


def _with_data(item: dict[str, Any]) -> dict[str, Any]:
    """A CloudEvent with its data, if it has them in base64: they are read like every body. Raises Problem."""
    if "specversion" not in item or item.get("data") is not None or not isinstance(item.get("data_base64"), str):
        return item
    try:
        return item | {"data": parse(base64.b64decode(item["data_base64"], validate=True))}
    except ValueError:
        raise Problem("malformed_json", "`data_base64` is not JSON in base64", field="data_base64") from None


def rejected(index: int, problem: Problem) -> dict[str, Any]:
    """An item that was not written, in the answer."""
    return {"index": index, "code": problem.code, "detail": problem.document("")["detail"]}

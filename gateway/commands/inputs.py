"""Completes what a caller sent to an input, checks it as the engine will, and signs it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from agents.wallet.signature import HEADER, sign
from gateway.http.problem import Problem
from schemas.codec import Unreadable, decode_input
from schemas.inputs import AnyInput, Id, input_type, moves_money
from schemas.instant import MINUTE_MS, format_instant

# The engine itself refuses what is further ahead, with the same limit.
AHEAD_MAX_MS = 5 * MINUTE_MS
# Ids of the calls that the gate starts: with them a key could take the gate's place.
RESERVED = "gate:"
OPENED = "account-opened"
_NO_PATH_SEGMENT = (".", "..")
_ACTED = frozenset(str(kind.__struct_config__.tag) for kind in AnyInput.__args__ if "actor" in kind.__struct_fields__)
_FIELD = re.compile(r"(?:at|field) `(\w+)[^`]*`$|^`(\w+)")


class Prepared(msgspec.Struct, frozen=True):
    """An input as it will be written. `timed_here`: the caller left `occurred_at` out."""

    account_id: str
    id: str
    type: str
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    timed_here: bool


def usable_id(given: object) -> bool:
    """Whether a caller may give an input this id."""
    try:
        return not msgspec.convert(given, Id).startswith(RESERVED)
    except msgspec.ValidationError:
        return False


def prepare(
    fields: Mapping[str, Any], actor: str, signing_key: bytes | None, now_ms: int, latest_ms: float
) -> Prepared:
    """The input of `fields`, which have `type`, `id` and `account_id`. Raises Problem for what the schema refuses.

    `actor` replaces the one in `fields`, where inputs of the type have one. A missing `occurred_at` becomes `now_ms`;
    one after `latest_ms` is refused.
    """
    # With this field the value would be a CloudEvent, whose data is the input.
    flat = {name: value for name, value in fields.items() if name != "specversion"}
    if not usable_id(flat["id"]):
        detail = f"`id` must be 1 to 128 of A-Z a-z 0-9 . _ : + @ - and not begin with {RESERVED}"
        raise Problem("schema_invalid", detail, field="id")
    if flat["type"] == OPENED and flat["account_id"] in _NO_PATH_SEGMENT:
        raise Problem("schema_invalid", "`account_id` must not be . or ..", field="account_id")
    timed_here = flat.get("occurred_at") is None
    if timed_here:
        flat["occurred_at"] = format_instant(now_ms)
    if flat["type"] in _ACTED:
        flat["actor"] = actor
    value = _encoded(flat)
    event = _checked(decode_input(value))
    read = (input_type(event), event.account_id, event.id)
    assert read == (flat["type"], flat["account_id"], flat["id"]), "the engine reads another input"
    if event.occurred_at_ms > latest_ms:
        detail = "`occurred_at` is more than 5 minutes ahead of the gateway's clock"
        raise Problem("future_time", detail, field="occurred_at")
    signed = signing_key is not None and moves_money(flat["type"])
    headers = [(HEADER, sign(value, signing_key))] if signed and signing_key is not None else []
    return Prepared(event.account_id, event.id, flat["type"], value, headers, timed_here)


def _encoded(flat: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(flat, ensure_ascii=False, separators=(",", ":")).encode()
    except RecursionError:
        raise Problem("malformed_json", "nested too deeply") from None


def _checked(event: AnyInput | Unreadable) -> AnyInput:
    if isinstance(event, Unreadable):
        raise Problem(event.code, event.message, field=field_of(event.message))
    return event


def field_of(message: str) -> str | None:
    """The field that a refusal of the schema names."""
    found = _FIELD.search(message)
    return None if found is None else found[1] or found[2]

"""The `call-started` that an authorization writes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.commands.inputs import AHEAD_MAX_MS
from schemas.codec import Unreadable, decode_input
from schemas.inputs import CallStarted
from schemas.instant import format_instant

_REQUIRED = ("call_id", "direction")
_OPTIONAL = ("leg_id", "from", "to")
_ID_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Start:
    """A valid start. `value` is what is written."""

    account_id: str
    call_id: str
    input_id: str
    value: bytes


def input_id(account_id: str, call_id: str) -> str:
    """The id of the start of a call: the same in every gateway, and one that no caller may choose."""
    return "gate:" + hashlib.sha256(f"{account_id}\n{call_id}".encode()).hexdigest()[:_ID_DIGITS]


def compose(body: Mapping[str, Any], now_ms: int) -> Start | Unreadable:
    """The start that the body of a request asks for. A body without `occurred_at` is about a call of `now_ms`.

    The refusals are those of the engine's own check of an input, and `future_time`.
    """
    account_id, call_id = body.get("account_id"), body.get("call_id")
    given = {name: _flat(body[name]) for name in _REQUIRED if name in body}
    given |= {name: _flat(body[name]) for name in _OPTIONAL if body.get(name) is not None}
    occurred_at = body.get("occurred_at")
    fields = {
        "type": CallStarted.__struct_config__.tag,
        "id": input_id(str(account_id), str(call_id)),
        **({"account_id": _flat(account_id)} if "account_id" in body else {}),
        "occurred_at": format_instant(now_ms) if occurred_at is None else _flat(occurred_at),
        **given,
    }
    value = msgspec.json.encode(fields)
    event = decode_input(value)
    if isinstance(event, Unreadable):
        return event
    assert isinstance(event, CallStarted)
    if event.occurred_at_ms > now_ms + AHEAD_MAX_MS:
        return Unreadable("future_time", "`occurred_at` is more than 5 minutes ahead of the gateway's clock")
    return Start(event.account_id, event.call_id, event.id, value)


def _flat(value: Any) -> Any:
    """An array or an object is wrong in every field. An empty one is refused like a deep one, and is cheap to read."""
    return type(value)() if isinstance(value, list | dict) else value

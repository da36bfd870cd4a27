"""The lines of an exported file: what is written of a record, as one JSON object."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
import orjson

from agents.wallet.dead_letter import OURS
from backoffice.export.pseudonym import MASKED, token_pseudonym
from schemas.batch import Headers
from schemas.codec import flat_input
from schemas.inputs import AnyInput, PaymentMethodAdded, input_type
from schemas.instant import Instant, format_instant

PAYMENT_REQUESTS = "payment-requests"


def input_line(event: AnyInput, arrived_ms: int | None, partitions: Sequence[int] | None = None) -> bytes:
    """An input in flat form, as `replay` reads it. It has the contract's fields and no others: the rules ignore unknown
    fields, which could hold anything. Times are written in UTC; optional fields without a value are left out.

    `partitions` are those that have a tick, None when all have it.
    """
    line: dict[str, Any] = {"type": input_type(event)}
    for field in msgspec.structs.fields(event):
        value = getattr(event, field.name)
        if value is not None or field.required:
            line[field.encode_name] = format_instant(value) if isinstance(value, Instant) else value
    if isinstance(event, PaymentMethodAdded):
        line["token"] = token_pseudonym(event.account_id, event.payment_method_id, event.token)
    if arrived_ms is not None:
        line["arrived_at"] = format_instant(arrived_ms)
    if partitions is not None:
        line["partitions"] = partitions
    return orjson.dumps(line)


def fact_line(topic: str, value: bytes) -> bytes:
    """A published event byte for byte, except that a payment request has the token's pseudonym."""
    if topic != PAYMENT_REQUESTS:
        return value
    fact = orjson.loads(value)
    fact["token"] = token_pseudonym(fact["account_id"], fact["payment_method_id"], fact["token"])
    return orjson.dumps(fact)


def letter_line(key: bytes | None, value: bytes | None, headers: Headers) -> bytes:
    """A dead letter: what its `errors.*` headers say, and the refused input in flat form where it is a JSON object.

    Of any other value only its size and its SHA-256 are written, because a token could stand anywhere in it.
    """
    ours = {name.removeprefix(OURS): _text(text) for name, text in headers if name.startswith(OURS)}
    came_with = tuple((name, text) for name, text in headers if not name.startswith(OURS))
    line: dict[str, Any] = {"type": "dead-letter", "code": ours.pop("code", ""), "message": ours.pop("message", "")}
    line["account_id"] = None if key is None else _text(key)
    line |= {name: int(text) if name in {"partition", "offset", "size"} else text for name, text in ours.items()}
    if "timestamp" in ours:
        line["timestamp"] = _instant(ours["timestamp"])
    flat = flat_input(value, came_with)
    if flat is not None:
        line["input"] = _masked(flat, str(flat.get("account_id")), str(flat.get("payment_method_id")))
    elif value:
        line |= {"value_bytes": len(value), "value_sha256": sha256(value).hexdigest()}
    return orjson.dumps(line)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _instant(millis: str) -> str | None:
    """Broker timestamps of odd records may be negative or far in the future."""
    try:
        return format_instant(int(millis))
    except (ValueError, OverflowError):
        return None


def _masked(value: Any, account_id: str, payment_method_id: str) -> Any:
    """`value` without tokens, however deep. The data of a CloudEvent that could not be unpacked is left out."""
    if isinstance(value, list):
        return [_masked(one, account_id, payment_method_id) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: one for name, one in value.items() if name != "data_base64"}
    return {
        name: _token(one, account_id, payment_method_id)
        if name == "token"
        else _masked(one, account_id, payment_method_id)
        for name, one in kept.items()
    }


def _token(token: object, account_id: str, payment_method_id: str) -> str:
    return token_pseudonym(account_id, payment_method_id, token) if isinstance(token, str) else MASKED

"""What the reads answer, as JSON schemas. Events are as published; their own schemas are in `schemas/wire`."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.facts import fact_type
from schemas.wire.generate import fact_types

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
MICROS: Schema = {"type": "integer"}
LIMIT: Schema = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
COUNT: Schema = {"type": "integer", "minimum": 0}


def types_of(topic: str) -> tuple[str, ...]:
    """The types of the events that a topic carries."""
    return tuple(sorted({fact_type(kind) for kind in fact_types().values() if topic in kind.topics}))


def event_of(types: Sequence[str]) -> Schema:
    """An event of one of these types."""
    return {
        "type": "object",
        "properties": {"type": {"enum": list(types)}, "id": TEXT, "account_id": TEXT, "occurred_at": TIME},
        "required": ["type", "id", "account_id", "occurred_at"],
    }


def list_of(item: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}, "next_cursor": TEXT},
        "required": ["items"],
    }


SNAPSHOT = event_of(["account-snapshot"])
ACCOUNT: Schema = {
    **SNAPSHOT,
    "properties": {**SNAPSHOT["properties"], "version": COUNT, "as_of": TIME},
    "required": [*SNAPSHOT["required"], "version", "as_of"],
}
CALL: Schema = {
    "type": "object",
    "properties": {
        "call_id": TEXT,
        "first_at": TIME,
        "decision": event_of(["call-admitted", "call-redirected"]),
        "charge": event_of(["call-charged"]),
        "adjustments": {"type": "array", "items": event_of(["charge-adjusted"])},
        "net_micros": MICROS,
        "currency": TEXT,
    },
    "required": ["call_id", "first_at", "adjustments"],
}
EXPLANATION: Schema = {
    "type": "object",
    "properties": {"sentence": TEXT, "text": TEXT, "recomputed_micros": MICROS, "agrees": {"type": "boolean"}},
    "required": ["sentence", "text", "recomputed_micros", "agrees"],
}
PLANS: Schema = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"plan": TEXT, "family": {"enum": ["credits", "minutes"]}, "display_name": TEXT},
                "required": ["plan", "family"],
            },
        },
        "version": COUNT,
    },
    "required": ["items", "version"],
}

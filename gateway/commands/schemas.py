"""What commands take and answer, as JSON schemas for the description of the API."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Schema = Mapping[str, Any]

_PATH_GIVES = frozenset({"type", "id", "account_id", "occurred_at"})
_GATEWAY_GIVES = frozenset({"actor"})

ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9._:+@-]{1,128}$"}
ANSWER: Schema = {
    "type": "object",
    "required": ["id", "outcome", "version", "facts"],
    "properties": {
        "id": ID,
        "outcome": {
            "enum": ["accepted", "repeat"],
            "description": "`repeat`: an input with this id took effect before, and this one changed nothing.",
        },
        "version": {
            "type": ["integer", "null"],
            "description": "The account's `version` behind the command, for `min_version`. Null when it is not known.",
        },
        "facts": {
            "type": "array",
            "items": {"type": "object"},
            "description": "The events that the command caused, as published.",
        },
    },
}
PENDING: Schema = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": ID, "status": {"const": "pending"}},
}


@cache
def _document(kind: str) -> dict[str, Any]:
    text = (files("schemas.wire") / f"{kind}.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def input_schema(kind: str) -> dict[str, Any]:
    """The schema of an input of this type, as it is published."""
    return {name: part for name, part in _document(kind).items() if name not in {"$schema", "$id", "examples"}}


def body_schema(kind: str, *required: str) -> Schema:
    """The schema of a command's body: what the path or the gateway knows may be left out, but for `required`."""
    schema = input_schema(kind)
    properties = {name: part for name, part in schema["properties"].items() if name not in _GATEWAY_GIVES}
    needed = [name for name in schema["required"] if name not in _PATH_GIVES | _GATEWAY_GIVES or name in required]
    return schema | {"properties": properties, "required": needed}


def example_of(kind: str, *kept: str) -> dict[str, Any]:
    """The first published example of an input, as a command's body."""
    left_out = (_PATH_GIVES | _GATEWAY_GIVES) - set(kept)
    return {name: value for name, value in _document(kind)["examples"][0].items() if name not in left_out}


def summary_of(kind: str) -> str:
    """The first sentence of what an input of this type means."""
    return str(_document(kind)["description"]).partition(". ")[0].rstrip(".")

"""The published schemas as tests read them: from the files, never from the types that they were made from."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from schemas.wire.generate import document_of

WIRE = Path(__file__).parents[2] / "schemas" / "wire"
SUFFIX = ".schema.json"
TYPES = sorted(path.name.removesuffix(SUFFIX) for path in WIRE.glob(f"*{SUFFIX}"))


def read_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((WIRE / f"{name}{SUFFIX}").read_text(encoding="utf-8"))
    return schema


@cache
def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(read_schema(name), validate_formats=True)


def is_published(event: Any) -> bool:
    """Whether the schema of its type accepts a decoded input or fact. False where no schema has its type."""
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return False
    kind = document_of(event)
    return kind in TYPES and validator(kind).is_valid(event)


def errors(event: Any) -> list[str]:
    """What its schema says against a decoded input or fact."""
    return [f"{error.instance_path}: {error.message}" for error in validator(document_of(event)).iter_errors(event)]

"""The published JSON Schemas, generated from the types that read inputs and write facts, so that the two cannot differ.

Wire version 1. Models are open: we ignore fields that a schema does not name, and other readers must do the same.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from schemas import alerts, invoices, snapshots
from schemas.facts import Fact
from schemas.inputs import AnyInput, CallId, Id
from schemas.instant import Instant

HERE = Path(__file__).parent
SUFFIX = ".schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ID_BASE = "urn:tollgate:wire:1:"

Schema = dict[str, Any]

_DATE = r"^(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_OFFSET = r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"

# The times that parse_instant reads, and those that we write. `format` covers the days of the calendar. Validators
# differ about which seconds 60 are a date and time, so those are accepted by the pattern alone.
INSTANT: Schema = {
    "type": "string",
    "pattern": _DATE + r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,9})?" + _OFFSET,
    "anyOf": [{"format": "date-time"}, {"pattern": r":[0-5][0-9]:60"}],
}
WRITTEN: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": _DATE + r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,3})?Z$",
}


def input_types() -> dict[str, type[msgspec.Struct]]:
    """The types of inputs by their name on the wire."""
    return {_tag(kind): kind for kind in AnyInput.__args__}


# A fact with the `type` of an input: its schema needs a name of its own.
_DOCUMENTS: dict[type[Fact], str] = {alerts.PaymentReversedAlert: "payment-reversed-alert"}

# The modules that declare further types of facts. Importing them makes their types subclasses of Fact.
DECLARED = (alerts, invoices, snapshots)


def fact_types() -> dict[str, type[Fact]]:
    """The types of facts by their name on the wire, without the base classes that only hold common fields."""
    return {_DOCUMENTS.get(kind, _tag(kind)): kind for kind in _leaves(Fact)}


def documents() -> dict[str, str]:
    """The text of every schema file by its name."""
    words = tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))
    examples = _examples()
    schemas = {name: _schema(name, kind, words) for name, kind in (input_types() | fact_types()).items()}
    schemas["dead-letter"] = _dead_letter(words)
    return {
        f"{name}{SUFFIX}": json.dumps(schema | {"examples": examples.get(name, [])}, indent=2, ensure_ascii=False)
        + "\n"
        for name, schema in sorted(schemas.items())
    }


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def document_of(event: dict[str, Any]) -> str:
    """The name of the schema of an input or a fact. Only a fact has `caused_by`."""
    names = {_tag(kind): name for kind, name in _DOCUMENTS.items()} if "caused_by" in event else {}
    return names.get(event["type"], str(event["type"]))


def _leaves(kind: type[Fact]) -> Iterator[type[Fact]]:
    children = kind.__subclasses__()
    if not children:
        yield kind
    for child in children:
        yield from _leaves(child)


def _examples() -> dict[str, list[Any]]:
    """The examples of each type, in the order of the files."""
    found: dict[str, list[Any]] = {}
    for path in sorted((HERE / "examples").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            example = json.loads(line)
            found.setdefault(document_of(example), []).append(example)
    found["dead-letter"] = [
        {"type": "dead-letter", "code": "unknown_account", "message": "`account_id` names no account", "line": 7}
    ]
    return found


def _schema(name: str, kind: type[msgspec.Struct], words: dict[str, Any]) -> Schema:
    """One self-contained schema. Only facts get the keywords of words.toml; inputs are checked by their types."""
    raw = msgspec.json.schema(kind, schema_hook=_instant, ref_template="#/$defs/{name}")
    definitions: dict[str, Schema] = raw.pop("$defs")
    root = definitions.pop(kind.__name__)
    keywords = words["keywords"] if issubclass(kind, Fact) else {}
    fields = words["fields"] | (words["fields_of_facts"] if issubclass(kind, Fact) else {})
    properties = _properties(name, root, fields, keywords)
    properties["type"] = {"const": _tag(kind)}
    schema = _head(name, words["types"][name]) | {"properties": properties, "required": root["required"]}
    parts = {
        title: {
            "type": "object",
            "properties": _properties(title, part, fields, keywords),
            "required": part["required"],
        }
        for title, part in sorted(definitions.items())
    }
    return schema | ({"$defs": parts} if parts else {})


def _head(name: str, description: str) -> Schema:
    return {
        "$schema": DIALECT,
        "$id": f"{_ID_BASE}{name}",
        "title": name,
        "description": description,
        "type": "object",
    }


def _properties(owner: str, part: Schema, fields: Schema, keywords: Schema) -> Schema:
    properties = {}
    for name, property_ in part["properties"].items():
        if name == "type":
            properties[name] = property_
            continue
        description = fields[name] if f"{owner}.{name}" not in fields else fields[f"{owner}.{name}"]
        keyword = keywords[f"{owner}.{name}"] if f"{owner}.{name}" in keywords else keywords.get(name, {})
        properties[name] = {"description": description} | _with_keywords(_portable(property_), keyword)
    return properties


def _with_keywords(property_: Schema, keyword: Schema | str) -> Schema:
    """The property with the keywords of words.toml; where null is allowed they go into the other branch."""
    if not keyword:
        return property_
    if "anyOf" in property_:
        value, *others = property_["anyOf"]
        return property_ | {"anyOf": [_with_keywords(value, keyword), *others]}
    if keyword == "instant":
        return WRITTEN
    if keyword == "id":
        return cast("Schema", _portable(msgspec.json.schema(Id)))
    if keyword == "call":
        return cast("Schema", _portable(msgspec.json.schema(CallId)))
    assert isinstance(keyword, dict), f"{keyword!r} is no set of keywords"
    return property_ | keyword


def _portable(property_: Any) -> Any:
    r"""The same schema for every validator: `\Z` exists in Python only, a default of null means optional, and every
    integer is a number.
    """
    if isinstance(property_, dict):
        if property_.get("anyOf") == [{"type": "integer"}, {"type": "number"}]:
            return {"type": "number"}
        if property_.get("anyOf") == [{"type": "integer"}, {"type": "number"}, {"type": "null"}]:
            return {"type": ["number", "null"]}
        kept = {name: value for name, value in property_.items() if (name, value) != ("default", None)}
        return {
            name: value.replace("\\Z", "$") if name == "pattern" else _portable(value) for name, value in kept.items()
        }
    return [_portable(value) for value in property_] if isinstance(property_, list) else property_


def _instant(kind: type) -> Schema:
    if kind is Instant:
        return INSTANT
    raise NotImplementedError(kind)


def _dead_letter(words: dict[str, Any]) -> Schema:
    fields = words["fields"]
    return _head("dead-letter", words["types"]["dead-letter"]) | {
        "properties": {
            "type": {"const": "dead-letter"},
            "code": {"description": fields["code"], "enum": words["dead_letters"]["codes"]},
            "message": {"description": fields["message"], "type": "string"},
            "line": {"description": fields["line"], "type": "integer", "minimum": 1},
        },
        "required": ["type", "code", "message", "line"],
    }

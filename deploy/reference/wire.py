"""The pages of inputs and events, from the published schemas: each field with type, unit, meaning, and an example."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from deploy.reference.markdown import code, codes, count, page, table
from deploy.reference.words import TEXT
from schemas.inputs import moves_money
from schemas.wire.generate import SUFFIX, documents, fact_types, input_types

Schema = dict[str, Any]

ID = "^[A-Za-z0-9._:+@-]{1,128}$"
CALL = "^[!-~]{1,128}$"
# Both patterns of a time, the one that is read and the one that is written, begin with its year.
TIME = "^(19[7-9][0-9]"
PATTERNS = {
    "^[A-Z]{3}$": "currency code",
    "^([A-Z]{2})?$": "two capital letters, or empty",
    "^[0-9]{4}$": "four digits",
    "^[^@\\s]{1,64}@[^@\\s]{1,255}$": "e-mail address",
    "^[A-Za-z0-9._:+@/-]{1,512}$": "id of a purchase or refill",
    "^[^\\x00-\\x1f\\x7f-\\x9f]*$": "text without control characters",
    "^[^\\x00-\\x1f\\x7f-\\x9f]*(\\n[^\\x00-\\x1f\\x7f-\\x9f]*){0,5}$": "text of at most 6 lines",
}
# By the end of a field's name. Everything without a unit counts things.
UNITS = {"_micros": "micros", "_ms": "ms", "_s": "seconds", "_ppm": "parts per million"}


def inputs_page() -> str:
    """Everything that a producer may send to `account-events`."""
    sections = [_section(name, _signed(name)) for name in sorted(input_types())]
    return page(
        "Inputs",
        TEXT["inputs"],
        TEXT["kinds"],
        _contents(sorted(input_types())),
        *sections,
    )


def events_page() -> str:
    """Everything that Tollgate publishes, dead letters aside."""
    kinds = sorted(fact_types().items())
    sections = [_section(name, _published_on(kind.topics)) for name, kind in kinds]
    return page(
        "Events",
        TEXT["events"],
        TEXT["kinds"],
        _contents(name for name, _ in kinds),
        *sections,
    )


def _contents(names: Iterable[str]) -> str:
    return " · ".join(f"[{name}](#{name})" for name in names)


def _signed(name: str) -> str:
    return "Signed: needs the header `signature` where `TOLLGATE_SIGNING_KEYS` is set." if moves_money(name) else ""


def _published_on(topics: tuple[str, ...]) -> str:
    return f"Topic: {codes(topics)}"


def _section(name: str, note: str) -> str:
    schema: Schema = json.loads(documents_by_name()[name])
    parts = [
        f"## {name}",
        schema["description"],
        note,
        _fields(schema, optional_null="caused_by" not in schema["properties"]),
    ]
    for title, part in schema.get("$defs", {}).items():
        parts += [f"**{title}**", _fields(part, optional_null=False)]
    if schema["examples"]:
        parts.append("```json\n" + json.dumps(schema["examples"][0], indent=2, ensure_ascii=False) + "\n```")
    return "\n\n".join(part for part in parts if part)


def _fields(part: Schema, *, optional_null: bool) -> str:
    """The table of one object's fields, the required ones first, each group in the order of the type."""
    required = part.get("required", [])
    names = sorted(part["properties"], key=lambda name: name not in required)
    return table(
        ("field", "required" if optional_null else "always there", "type", "meaning"),
        (
            (
                code(name),
                "yes" if name in required else "",
                type_of(name, part["properties"][name], bare=optional_null and name not in required),
                part["properties"][name].get("description", "The type: always this word."),
            )
            for name in names
        ),
    )


def type_of(name: str, schema: Schema, *, bare: bool = False) -> str:
    """The type of a field in words. `bare` leaves `or null` out, for optional fields of inputs."""
    if "const" in schema:
        return code(schema["const"])
    if "$ref" in schema:
        return f"object {schema['$ref'].rpartition('/')[2]}"
    if schema.get("pattern", "").startswith(TIME):
        return "time"
    if "anyOf" in schema:
        kinds = [type_of(name, kind) for kind in schema["anyOf"] if kind != {"type": "null"}]
        return " or ".join(kinds if bare else [*kinds, "null"])
    if isinstance(schema.get("type"), list):
        return " or ".join([type_of(name, schema | {"type": schema["type"][0]}), *schema["type"][1:]])
    if "enum" in schema:
        return codes(schema["enum"])
    return _simple(name, schema)


def _simple(name: str, schema: Schema) -> str:
    match schema["type"]:
        case "array":
            most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
            return f"list of {type_of(name, schema['items'])}{most}"
        case "object":
            return f"object of {type_of(name, schema['additionalProperties'])}: {codes(schema['required'])}"
        case "boolean":
            return "`true` or `false`"
        case "string":
            return _text(schema)
        case _:
            return " ".join([_number(name, schema), *_bounds(schema)])


def _text(schema: Schema) -> str:
    pattern = schema.get("pattern", "")
    if pattern in {ID, CALL}:
        return "id" if pattern == ID else "call id"
    kind = PATTERNS[pattern] if pattern else "text"
    if "minLength" in schema:
        return f"{kind}, {schema['minLength']} to {schema['maxLength']} characters"
    return f"{kind}, at most {schema['maxLength']} characters" if "maxLength" in schema else kind


def _number(name: str, schema: Schema) -> str:
    unit = next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")
    return unit or ("whole number" if schema["type"] == "integer" else "number")


def _bounds(schema: Schema) -> Iterator[str]:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    if least is not None:
        yield f"{'≥' if 'minimum' in schema else '>'} {count(least)}"
    if most is not None:
        yield f"{'≤' if 'maximum' in schema else '<'} {count(most)}"


@cache
def documents_by_name() -> dict[str, str]:
    """The text of each schema by its type."""
    return {name.removesuffix(SUFFIX): text for name, text in documents().items()}

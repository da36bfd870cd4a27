"""What needs no key: the OpenAPI document, the page of the API, and the page of problems."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import Response

from gateway.http.endpoint import JSON, Answer, Call, Endpoint, Handler, Operation
from gateway.http.openapi import codes_of, describe, tag_of
from gateway.http.problem import STATUSES, title_of

HTML, CSS = "text/html", "text/css"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_TAGS = ("Calls", "Events", "Commands", "Reads", "Plans")
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^]]+)\]\((/[^)]*)\)")


def documentation(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """The calls that describe `endpoints`. Their answers are made once."""
    calls = tuple(endpoint for endpoint in endpoints if endpoint.listed)
    document = describe(calls)
    environment = Environment(
        loader=PackageLoader("gateway.http"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["prose"] = prose
    api = environment.get_template("api.html").render(document=document, groups=_groups(calls, document))
    problems = environment.get_template("problems.html").render(problems=_problems())
    style = (files("gateway.http") / "templates" / "style.css").read_bytes()
    return (
        _page("/openapi.json", JSON, orjson.dumps(document, option=orjson.OPT_INDENT_2)),
        _page("/docs", HTML, api.encode()),
        _page("/docs/problems", HTML, problems.encode()),
        _page("/docs/style.css", CSS, style),
    )


def prose(text: str) -> Markup:
    """Text with code in backticks, and links to paths of this site, as HTML."""
    marked = _CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(_LINK.sub(r'<a href="\2">\1</a>', marked))  # noqa: S704 escaped above


def _page(path: str, media_type: str, content: bytes) -> Endpoint:
    operation = Operation(path, path, {200: Answer("The page.", media_type=media_type)})
    handler = _serving(content, media_type)
    return Endpoint("GET", path, handler, None, operation, produces=(media_type,), public=True, listed=False)


def _serving(content: bytes, media_type: str) -> Handler:
    async def serve(_: Call) -> Response:
        return Response(content, headers=HEADERS, media_type=media_type)

    return serve


def _groups(calls: tuple[Endpoint, ...], document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls under their headings, each with its description."""
    tags = [*_TAGS, *sorted({tag_of(call) for call in calls} - set(_TAGS))]
    groups = [{"name": tag, "calls": [_shown(call, document) for call in calls if tag_of(call) == tag]} for tag in tags]
    return [group for group in groups if group["calls"]]


def _shown(call: Endpoint, document: Mapping[str, Any]) -> dict[str, Any]:
    operation = document["paths"][call.path][call.method.lower()]
    body = None
    if call.body is not None:
        example = call.body.example
        body = {
            "fields": fields_of(call.body.schema),
            "media_types": call.body.media_types,
            "example": "" if example is None else orjson.dumps(example, option=orjson.OPT_INDENT_2).decode(),
        }
    return {
        "method": call.method,
        "path": call.path,
        "operation": operation,
        "parameters": [parameter for parameter in operation["parameters"] if "name" in parameter],
        "body": body,
        "answers": [(status, answer.description) for status, answer in call.operation.answers.items()],
        "codes": codes_of(call),
    }


def fields_of(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of an object's schema: name, type in words, whether it is required, and meaning."""
    required = schema.get("required", ())
    return [
        {"name": name, "type": kind_of(field), "required": name in required, "meaning": field.get("description", "")}
        for name, field in schema.get("properties", {}).items()
    ]


def kind_of(schema: Mapping[str, Any]) -> str:
    """The type of a schema in words."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "type" not in schema and "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind_of(one) for one in schema["anyOf"]))
    kinds = schema.get("type", "any")
    kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return f"array of {kind_of(schema['items'])}" if kind == "array" and "items" in schema else kind


def _problems() -> list[dict[str, Any]]:
    words = tomllib.loads((files("gateway.http") / "problems.toml").read_text(encoding="utf-8"))
    return [
        {"code": code, "title": title_of(code), "status": status, **words[code]}
        for code, status in sorted(STATUSES.items(), key=lambda one: (one[1], one[0]))
    ]

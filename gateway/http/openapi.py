"""The description of the API as OpenAPI 3.1, made from the calls themselves."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.http.endpoint import Answer, Endpoint, Parameter
from gateway.http.problem import MEDIA_TYPE, STATUSES

VERSION: Final = "1"
Document = dict[str, Any]

_ID = {"type": "string", "pattern": "^[A-Za-z0-9._:+@-]{1,128}$"}
# Parameters of paths.
_PATH: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "account_id": ("The account.", _ID),
    "input_id": ("The `id` of the command.", _ID),
}
_OF_EVERY_CALL = ("unauthorized", "not_found", "not_acceptable", "rate_limited", "internal", "unavailable")
_OF_BODIES = (
    *("malformed_json", "not_utf8", "not_an_object", "request_timeout", "too_large", "unsupported_media_type"),
    "schema_invalid",
)
_REASONS = {
    400: "The request cannot be read, or a header or a query parameter is wrong.",
    401: "The key is missing or not valid.",
    403: "The key lacks the scope.",
    404: "There is no such path, account or item.",
    406: "`Accept` asks for another media type.",
    408: "The request came too slowly.",
    409: "The account is open already, or the id was used for something else.",
    413: "The request is too large.",
    415: "The body has another media type, or is compressed.",
    422: "The input is refused.",
    429: "The key makes too many requests.",
    500: "Something failed in the gateway.",
    503: "The log or Redis is away.",
}
_HEADERS_OF = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_TITLE = "Tollgate"
_ABOUT = """Charges telephone calls as they happen, exactly once, to the cent.

Money is in millionths of the currency's unit (`…_micros`), durations are in milliseconds (`…_ms`), and times are
RFC 3339. Every call needs a key, sent as `Authorization: Bearer tg_…`. A refusal is a problem (RFC 9457), whose `code`
is on [the page of problems](/docs/problems). Ignore fields that you do not know: later versions add some."""


def describe(endpoints: Iterable[Endpoint]) -> Document:
    """The document of the calls that are listed."""
    paths: dict[str, Document] = {}
    for endpoint in endpoints:
        if endpoint.listed:
            paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This gateway."}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key that `tollgate gateway key` made."}
            },
            "schemas": {"Problem": PROBLEM},
            "headers": {name: _header(text) for name, text in _HEADERS.items()},
            "parameters": {"RequestId": _parameter(REQUEST_ID, "header")},
        },
    }


REQUEST_ID = Parameter(
    "X-Request-Id",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    "Names the request in the answer and in the gateway's log. Left out: a new id.",
)
_HEADERS = {
    "X-Request-Id": "The id of the request.",
    "WWW-Authenticate": "`Bearer`.",
    "Retry-After": "Whole seconds after which to try again.",
}
PROBLEM: Final[Document] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The code on the page of problems."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to fix."},
        "code": {"type": "string", "enum": sorted(STATUSES)},
        "field": {"type": "string", "description": "The field, header or parameter that is wrong."},
        "request_id": {"type": "string"},
    },
}


def _header(description: str) -> Document:
    return {"description": description, "schema": {"type": "string"}}


def _operation(endpoint: Endpoint) -> Document:
    described = endpoint.operation
    operation: Document = {
        "operationId": described.operation_id,
        "summary": described.summary,
        "description": " ".join(part for part in (described.description, _scope_of(endpoint)) if part),
        "tags": [tag_of(endpoint)],
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.body is not None:
        body = endpoint.body
        content: Document = {"schema": dict(body.schema)}
        if body.example is not None:
            content["example"] = body.example
        operation["requestBody"] = {"required": body.required, "content": dict.fromkeys(body.media_types, content)}
    return operation


def tag_of(endpoint: Endpoint) -> str:
    """The heading under which a call is shown."""
    place = endpoint.path.removeprefix("/v1/").partition("/")[0]
    if place != "accounts":
        return place.capitalize()
    return "Reads" if endpoint.method == "GET" else "Commands"


def _scope_of(endpoint: Endpoint) -> str:
    if isinstance(endpoint.scope, tuple):
        return f"Needs the scope {' or '.join(f'`{scope}`' for scope in endpoint.scope)}, as the body says."
    return f"Needs the scope `{endpoint.scope}`." if isinstance(endpoint.scope, str) else ""


def _parameters(endpoint: Endpoint) -> list[Document]:
    names = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    found = []
    for name in names:
        description, schema = _PATH.get(name, (name, {"type": "string"}))
        found.append(_parameter(Parameter(name, schema, description, required=True), "path"))
    found += [_parameter(parameter, "query") for parameter in endpoint.query]
    found += [_parameter(parameter, "header") for parameter in endpoint.operation.headers]
    return [*found, {"$ref": "#/components/parameters/RequestId"}]


def _parameter(parameter: Parameter, place: str) -> Document:
    return {
        "name": parameter.name,
        "in": place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _responses(endpoint: Endpoint) -> Document:
    answers = {str(status): _answer(endpoint, answer) for status, answer in endpoint.operation.answers.items()}
    by_status: dict[int, list[str]] = {}
    for code in codes_of(endpoint):
        by_status.setdefault(STATUSES[code], []).append(code)
    if endpoint.query or endpoint.operation.headers:
        by_status.setdefault(400, []).append("schema_invalid")
    problems = {str(status): _problem(status, codes) for status, codes in sorted(by_status.items())}
    return {**answers, **problems}


def codes_of(endpoint: Endpoint) -> list[str]:
    """The codes of the problems that a call may give, each once."""
    codes = [*_OF_EVERY_CALL, *(["forbidden"] if endpoint.scope is not None else [])]
    codes += _OF_BODIES if endpoint.body is not None else ()
    return list(dict.fromkeys([*codes, *endpoint.operation.codes]))


def _answer(endpoint: Endpoint, answer: Answer) -> Document:
    headers = {name: _header(text) for name, text in answer.headers.items()}
    made: Document = {"description": answer.description, "headers": headers | _references(("X-Request-Id",))}
    if answer.schema is not None:
        content: Document = {"schema": dict(answer.schema)}
        if answer.example is not None:
            content["example"] = answer.example
        made["content"] = {answer.media_type: content}
        others = [media_type for media_type in endpoint.produces if media_type != answer.media_type]
        made["content"] |= {media_type: {"schema": {"type": "string"}} for media_type in others}
    elif answer.media_type in endpoint.produces and answer.media_type != "application/json":
        made["content"] = {answer.media_type: {"schema": {"type": "string"}}}
    return made


def _problem(status: int, codes: list[str]) -> Document:
    listed = ", ".join(f"`{code}`" for code in codes)
    return {
        "description": f"{_REASONS[status]} Codes: {listed}.",
        "headers": _references(("X-Request-Id", *_HEADERS_OF.get(status, ()))),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _references(names: Iterable[str]) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

"""The page of the HTTP API: its calls, the scopes of keys, and every problem. Schemas are in `/openapi.json`."""

import tomllib
from collections.abc import Iterable
from importlib.resources import files

from deploy.reference.markdown import code, codes, page, table
from deploy.reference.words import TEXT
from gateway.app import ENDPOINTS
from gateway.http.endpoint import Endpoint
from gateway.http.problem import STATUSES
from gateway.http.scopes import SCOPES


def http_page() -> str:
    commands = [endpoint for endpoint in ENDPOINTS if _is_input(endpoint)]
    others = [endpoint for endpoint in ENDPOINTS if not _is_input(endpoint)]
    return page(
        "HTTP API",
        TEXT["http"],
        "## Calls",
        _calls(others),
        "## Commands",
        TEXT["http_commands"],
        _calls(commands),
        "## Problems",
        TEXT["http_problems"],
        _problems(),
    )


def _is_input(endpoint: Endpoint) -> bool:
    return endpoint.operation.operation_id.replace("_", "-") in SCOPES


def _scopes(endpoint: Endpoint) -> tuple[str, ...]:
    """Those that any request needs, one of them; none where the body says it."""
    return () if callable(endpoint.scope) else endpoint.scopes_for({})


def _calls(endpoints: Iterable[Endpoint]) -> str:
    return table(
        ("call", "scope", "what it does", "query", "answers"),
        (
            (
                code(f"{endpoint.method} {endpoint.path}"),
                codes(_scopes(endpoint)),
                endpoint.operation.summary,
                codes(parameter.name for parameter in endpoint.query),
                codes(endpoint.operation.answers),
            )
            for endpoint in endpoints
            if endpoint.listed
        ),
    )


def _problems() -> str:
    """Raises KeyError when a code has no words."""
    words = tomllib.loads((files("gateway.http") / "problems.toml").read_text(encoding="utf-8"))
    return table(
        ("code", "status", "cause", "remedy"),
        (
            (
                f'<a id="{name}"></a>{code(name)}',
                str(STATUSES[name]),
                _on_this_page(words[name]["cause"]),
                _on_this_page(words[name]["remedy"]),
            )
            for name in words
        ),
    )


def _on_this_page(text: str) -> str:
    """The text, without links to pages that a gateway serves."""
    return text.replace("[The API](/docs)", "The gateway's page `/docs`").replace(
        "[the API](/docs)", "the gateway's page `/docs`"
    )

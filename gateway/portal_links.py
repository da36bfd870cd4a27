"""Links to the owner's page: each opens it once, within a quarter of an hour.

A link holds 256 random bits, of which Redis keeps only the hash, so that nobody who reads Redis can use one. Links and
sessions carry the account's `generation`: a new one ends them all at once.
"""

import time
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from starlette.responses import Response

from gateway.http.endpoint import JSON, Answer, Body, Call, Endpoint, Operation
from gateway.http.keys import check_account
from gateway.http.problem import Problem, lacks, no_such_account
from gateway.http.scopes import READ, WRITE
from gateway.kept_keys import account_key, shared_key
from gateway.parts import Parts
from gateway.reads.fresh import look_behind
from gateway.reads.source import AccountSource, Source
from gateway.settings import LOOPBACK, names_of
from schemas.instant import MINUTE_MS, format_instant
from stream.redis_connection import run_repeatable

LINK_MS: Final = 15 * MINUTE_MS
TOKEN_BYTES: Final = 32
# The path of a link, behind TOLLGATE_PORTAL_URL and before its token.
OPENING: Final = "/portal/open/"
URL_CHARACTERS_MAX = 2_048
MANAGE, READ_ONLY = "manage", "read"
SCOPES = {MANAGE: WRITE, READ_ONLY: READ}


class Link(msgspec.Struct, frozen=True):
    """What Redis keeps of a link, as JSON. It holds while the account's generation is the same."""

    account_id: str
    mode: Literal["manage", "read"]
    key_id: str
    generation: int
    return_url: str | None = None


def link_key(token: str) -> str:
    """The key of Redis that has the link with this token."""
    return shared_key(f"link:{sha256(token.encode()).hexdigest()}")


def generation_key(account_id: str) -> str:
    """The key of Redis that counts how often the account's sessions were ended."""
    return account_key(account_id, "portal")


async def make_link(call: Call) -> Response:
    """`POST …/portal-links`. The scope depends on the mode, so it is checked here, and after it the account."""
    body = await call.json_object()
    mode = body.get("mode", MANAGE)
    needed = SCOPES.get(mode) if isinstance(mode, str) else None
    if not any(call.key.may(scope) for scope in ([needed] if needed else SCOPES.values())):
        raise lacks(needed or WRITE)
    check_account(call.key, call.account_id)
    if needed is None:
        raise Problem("schema_invalid", f"`mode` must be {MANAGE} or {READ_ONLY}.", field="mode")
    return_url = _return_url(body.get("return_url"), call.parts)
    await _check_account(call.parts, call.account_id)
    token, expires_ms = token_urlsafe(TOKEN_BYTES), time.time_ns() // 1_000_000 + LINK_MS
    [kept] = await run_repeatable(call.parts.redis, ("GET", generation_key(call.account_id)))
    generation = int(kept or 0)
    link = Link(call.account_id, mode, call.key.id, generation, return_url)
    await run_repeatable(call.parts.redis, ("SET", link_key(token), msgspec.json.encode(link), "PX", LINK_MS))
    answer = {
        "url": f"{call.parts.settings.portal_url}{OPENING}{token}",
        "expires_at": format_instant(expires_ms),
    }
    return Response(msgspec.json.encode(answer), 201, {"Cache-Control": "no-store"}, JSON)


async def end_sessions(call: Call) -> Response:
    """`DELETE …/portal-sessions`: also links that were not opened yet."""
    await _check_account(call.parts, call.account_id)
    await run_repeatable(call.parts.redis, ("INCRBY", generation_key(call.account_id), 1))
    return Response(status_code=204)


async def _check_account(parts: Parts, account_id: str) -> None:
    """Raises Problem `not_found` for an account without a snapshot, once the views know the newest accounts."""
    account = AccountSource(Source(parts), account_id)
    exists = ("EXISTS", account.key("snapshot"))
    [known] = await account.look(exists)
    if not known and parts.reader.ready:
        [known] = await look_behind(parts, account, parts.reader.position(account_id), [exists])
    if not known:
        raise no_such_account()


def _return_url(given: Any, parts: Parts) -> str | None:
    """The URL to which the page leads back, if one was given. Raises Problem."""
    if given is None:
        return None
    if not isinstance(given, str) or not may_return(given, parts):
        detail = "It must be an https URL whose host is among TOLLGATE_PORTAL_RETURN_HOSTS."
        raise Problem("schema_invalid", detail, field="return_url")
    return given


def may_return(url: str, parts: Parts) -> bool:
    """Whether the page may lead to this URL."""
    hosts = {host.lower() for host in names_of(parts.settings.portal_return_hosts)}
    return _is_of(url, hosts)


def _is_of(url: str, hosts: set[str]) -> bool:
    # urlsplit and browsers both pass over some of what is not printable.
    if len(url) > URL_CHARACTERS_MAX or not (url.isascii() and url.isprintable()) or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if host is None or "@" in parts.netloc:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    return secure and (host in hosts or (port is not None and f"{host}:{port}" in hosts))


_BODY = {
    "type": "object",
    "properties": {
        "mode": {
            "enum": [MANAGE, READ_ONLY],
            "default": MANAGE,
            "description": f"`{MANAGE}` needs the scope `{WRITE}`, `{READ_ONLY}` the scope `{READ}`.",
        },
        "return_url": {
            "type": "string",
            "format": "uri",
            "description": "Where the page leads back to: its host is among `TOLLGATE_PORTAL_RETURN_HOSTS`.",
        },
    },
}
_LINK = {
    "type": "object",
    "required": ["url", "expires_at"],
    "properties": {
        "url": {"type": "string", "format": "uri", "description": "Opens the page once. It is a secret."},
        "expires_at": {"type": "string", "format": "date-time"},
    },
}
ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "POST",
        "/v1/accounts/{account_id}/portal-links",
        make_link,
        (WRITE, READ),
        Operation(
            "create_portal_link",
            "A link that opens the owner's page once, within 15 minutes",
            {201: Answer("The link.", _LINK)},
            codes=("schema_invalid", "unavailable"),
        ),
        body=Body(_BODY, required=False, example={"mode": MANAGE}),
    ),
    Endpoint(
        "DELETE",
        "/v1/accounts/{account_id}/portal-sessions",
        end_sessions,
        WRITE,
        Operation(
            "end_portal_sessions",
            "End all sessions of the owner's page, and its links that were not opened",
            {204: Answer("They have ended.")},
            codes=("unavailable",),
        ),
    ),
)

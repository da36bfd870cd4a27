"""Sessions of the owner's page, and the cookie that names one.

Redis keeps the hash of the cookie's value for an hour. A session holds while its account's generation is the same and
the key that made its link is valid.
"""

import time
from dataclasses import dataclass
from hashlib import sha256
from secrets import compare_digest, token_urlsafe
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.http.keys import Key
from gateway.kept_keys import shared_key
from gateway.parts import Parts
from gateway.portal_links import MANAGE, SCOPES, TOKEN_BYTES, Link, generation_key
from gateway.settings import Settings
from schemas.instant import HOUR_MS
from stream.redis_connection import run_repeatable

SESSION_MS: Final = HOUR_MS
_TOKEN_CHARACTERS_MAX = 128


class _Kept(msgspec.Struct, frozen=True):
    """What Redis keeps of a session, as JSON."""

    link: Link
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Session:
    """One owner who is signed in. `csrf` stands in each form; `ends_ms` is on the wall clock; `kept_as` is its key of
    Redis.
    """

    account_id: str
    mode: str
    key_id: str
    generation: int
    return_url: str | None
    ends_ms: int
    csrf: str
    kept_as: str

    @property
    def may_change(self) -> bool:
        return self.mode == MANAGE

    def holds_token(self, given: str) -> bool:
        """Whether a form carries this session's token."""
        return compare_digest(given.encode(), self.csrf.encode())


def session_key(token: str) -> str:
    """The key of Redis that has the session with this cookie."""
    return shared_key(f"session:{sha256(token.encode()).hexdigest()}")


def key_of(parts: Parts, session: Link | Session) -> Key | None:
    """The key that made the link, while it is valid and may still see the account in this mode."""
    key = parts.keys.named(session.key_id)
    if key is None or not key.reaches(session.account_id) or not key.may(SCOPES[session.mode]):
        return None
    return key


class Sessions:
    """The sessions of all gateways, in Redis. Every method that reads or writes raises AwayError."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.cookie = Cookie(parts.settings)

    async def open(self, link: Link) -> str:
        """A new session. Returns its token."""
        token, ends_ms = token_urlsafe(TOKEN_BYTES), now_ms() + SESSION_MS
        await self._run("SET", session_key(token), msgspec.json.encode(_Kept(link, ends_ms)), "PX", SESSION_MS)
        return token

    async def of(self, request: Request) -> Session | None:
        """The session of a request's cookie, if it has not ended."""
        token = self.cookie.token_of(request)
        value = None if token is None else await self._run("GET", session_key(token))
        if token is None or value is None:
            return None
        kept = msgspec.json.decode(value, type=_Kept)
        if kept.ends_ms <= now_ms() or not await self.holds(kept.link):
            return None
        link = kept.link
        return Session(
            link.account_id, link.mode, link.key_id, link.generation, link.return_url, kept.ends_ms,
            csrf=sha256(f"forms of {token}".encode()).hexdigest(), kept_as=session_key(token),
        )  # fmt: skip

    async def holds(self, link: Link) -> bool:
        """Whether a link or its session is of the account's generation, and its key is valid."""
        generation = await self._run("GET", generation_key(link.account_id))
        return int(generation or 0) == link.generation and key_of(self._parts, link) is not None

    async def end(self, session: Session) -> None:
        await self._run("DEL", session.kept_as)

    async def _run(self, *command: Any) -> Any:
        [answer] = await run_repeatable(self._parts.redis, command)
        return answer


class Cookie:
    """The cookie that holds a session's token: on https one that no other host of the domain can set."""

    def __init__(self, settings: Settings) -> None:
        self._secure = urlsplit(settings.portal_url).scheme == "https"
        self.name = "__Host-tollgate" if self._secure else "tollgate"

    def token_of(self, request: Request) -> str | None:
        token = request.cookies.get(self.name)
        return token if token and len(token) <= _TOKEN_CHARACTERS_MAX else None

    def set(self, response: Response, token: str) -> None:
        self._add(response, token)

    def remove(self, response: Response) -> None:
        self._add(response, "", "; Max-Age=0")

    def _add(self, response: Response, value: str, more: str = "") -> None:
        secure = "; Secure" if self._secure else ""
        response.headers.append("set-cookie", f"{self.name}={value}; HttpOnly{secure}; SameSite=Lax; Path=/{more}")


def now_ms() -> int:
    """The wall clock: sessions concern people."""
    return time.time_ns() // 1_000_000

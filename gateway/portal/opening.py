"""`/portal/open/TOKEN`: a link shows a button, and the button opens the page once. Scanners of links only look."""

from typing import Any

import msgspec
import redis
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.parts import Parts
from gateway.portal import failures
from gateway.portal.screen import HOME, Message, Screen
from gateway.portal.session import Sessions
from gateway.portal_links import Link, link_key
from gateway.reads.source import AccountSource, Source
from stream.redis_connection import raise_away


class _Named(msgspec.Struct, frozen=True):
    class Details(msgspec.Struct, frozen=True):
        name: str | None = None

    billing_details: Details | None = None


class Doors:
    """What a link leads to. Every method raises AwayError, and Problem while the views are read again."""

    def __init__(self, parts: Parts, sessions: Sessions, screen: Screen) -> None:
        self._parts, self._sessions, self._screen = parts, sessions, screen

    async def show(self, request: Request) -> Response:
        """The button. Nothing changes."""
        link = await self._link("GET", request)
        if link is None:
            return self._screen.message(failures.LINK_GONE)
        name = await self._name_of(link.account_id)
        form = {"path": request.scope["path"], "name": name, "account_id": link.account_id}
        return self._screen.message(Message(200, "Open your account", ""), form=form)

    async def open(self, request: Request) -> Response:
        """The session, in place of one that the browser may still have."""
        link = await self._link("GETDEL", request)
        if link is None:
            return self._screen.message(failures.LINK_GONE)
        former = await self._sessions.of(request)
        if former is not None:
            await self._sessions.end(former)
        response = RedirectResponse(f"{self._screen.below}{HOME}", 303)
        self._sessions.cookie.set(response, await self._sessions.open(link))
        return response

    async def _link(self, command: str, request: Request) -> Link | None:
        """The link of the path's token, if it still holds."""
        client: Any = self._parts.redis
        try:
            value = await client.execute_command(command, link_key(request.path_params["token"]))
        except (redis.RedisError, OSError) as error:
            raise_away(error)
        link = None if value is None else msgspec.json.decode(value, type=Link)
        return link if link is not None and await self._sessions.holds(link) else None

    async def _name_of(self, account_id: str) -> str:
        """The buyer's name, empty when the account has none."""
        account = AccountSource(Source(self._parts), account_id)
        [value] = await account.look(("GET", account.key("snapshot")))
        details = None if value is None else msgspec.json.decode(value, type=_Named).billing_details
        return (details and details.name) or ""

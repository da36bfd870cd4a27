"""`/portal/open/TOKEN`: a link shows a button, and the button opens the page once. Scanners of links only look."""

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.parts import Parts
from gateway.portal import failures
from gateway.portal.screen import HOME, Message, Screen
from gateway.portal.session import Sessions
from gateway.portal_links import Link, link_key
from gateway.reads.source import AccountSource, Source
from stream.redis_connection import raise_away, run, run_repeatable


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
        [value] = await run_repeatable(self._parts.redis, ("GET", _key_of(request)))
        link = await self._holding(value)
        if link is None:
            return self._screen.message(failures.LINK_GONE)
        name = await self._name_of(link.account_id)
        form = {"path": request.scope["path"], "name": name, "account_id": link.account_id}
        return self._screen.message(Message(200, "Open your account", ""), form=form)

    async def open(self, request: Request) -> Response:
        """The session, in place of one that the browser may still have."""
        # Sent once: a second one would find nothing, and call the link used.
        [value] = await run(self._parts.redis, [("GETDEL", _key_of(request))], on_error=raise_away)
        link = await self._holding(value)
        if link is None:
            return self._screen.message(failures.LINK_GONE)
        former = await self._sessions.of(request)
        if former is not None:
            await self._sessions.end(former)
        response = RedirectResponse(f"{self._screen.below}{HOME}", 303)
        self._sessions.cookie.set(response, await self._sessions.open(link))
        return response

    async def _holding(self, value: bytes | None) -> Link | None:
        """The link that Redis had, if it still holds."""
        link = None if value is None else msgspec.json.decode(value, type=Link)
        return link if link is not None and await self._sessions.holds(link) else None

    async def _name_of(self, account_id: str) -> str:
        """The buyer's name, empty when the account has none."""
        account = AccountSource(Source(self._parts), account_id)
        [value] = await account.look(("GET", account.key("snapshot")))
        details = None if value is None else msgspec.json.decode(value, type=_Named).billing_details
        return (details and details.name) or ""


def _key_of(request: Request) -> str:
    return link_key(request.path_params["token"])

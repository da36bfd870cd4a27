"""The owner's page: everything below `/portal`. Cookies instead of keys, HTML instead of problems.

Checks of a POST, in this order: path (404), method (405), origin, session, token and mode (all 403), body.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.body import read_body
from gateway.http.dispatch import send_head
from gateway.http.problem import Problem
from gateway.http.routes import segments_of
from gateway.parts import Parts
from gateway.portal import failures
from gateway.portal.actions import Action, FieldError, Form
from gateway.portal.opening import Doors
from gateway.portal.pages import Download, Page
from gateway.portal.screen import HOME, Refused, Screen
from gateway.portal.sending import UNDER_WAY, USED_ID, NotAllowedError, location, send
from gateway.portal.session import Session, Sessions
from gateway.portal.site import Site
from gateway.portal.stream import SessionStreams
from gateway.portal.visit import NOTICE, Visit, begin_visit
from gateway.portal_links import OPENING, may_return
from stream import log
from stream.redis_connection import AwayError

logger = log.get("gateway.portal")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self' https://checkout.stripe.com; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
HSTS = {"strict-transport-security": "max-age=31536000"}
FORM_TYPE = "application/x-www-form-urlencoded"
FORM_BYTES_MAX, FORM_FIELDS_MAX = 65_536, 200
EVENTS, SIGN_OUT, SIGNED_OUT = "/portal/events", "/portal/sign-out", "/portal/signed-out"
# In the query of the page after a sign-out: where the owner's link leads back to.
BACK = "back"
NOTICES = {UNDER_WAY: "Your change is under way. It shows here as soon as it is done."}

Handler = Callable[[Request], Awaitable[Response]]


def is_below(scope: Scope) -> bool:
    """Whether a request is for the owner's page, be the rest of its path readable or not."""
    first, _, _ = scope["raw_path"].removeprefix(b"/").partition(b"/")
    return unquote_to_bytes(first) == HOME[1:].encode()


class Portal:
    """The application below `/portal`."""

    def __init__(self, parts: Parts, site: Site) -> None:
        self._parts, self._sessions, self._streams = parts, Sessions(parts), SessionStreams(parts)
        self._screen = Screen(parts, [page.path for page in site.pages])
        self._notices = {action.notice: action.notice_text for action in site.actions if action.notice} | NOTICES
        self._origin = _origin_of(parts.settings.portal_url)
        self._doors = Doors(parts, self._sessions, self._screen)
        self._routes: dict[tuple[str, ...], dict[str, Handler]] = {}
        for page in site.pages:
            self._serve("GET", page.path, partial(self._show, page))
        for download in site.downloads:
            self._serve("GET", download.path, partial(self._download, download))
        for action in site.actions:
            self._serve("POST", action.path, partial(self._act, action))
        for path in self._screen.assets:
            self._serve("GET", path, partial(self._asset, path))
        self._serve("GET", EVENTS, self._events)
        self._serve("POST", SIGN_OUT, self._sign_out)
        self._serve("GET", SIGNED_OUT, self._signed_out)
        self._serve("GET", f"{OPENING}{{token}}", self._doors.show)
        self._serve("POST", f"{OPENING}{{token}}", self._doors.open)
        self._app: ASGIApp = ServerErrorMiddleware(self._answer, handler=self._internal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = HEADERS | (HSTS if self._origin.startswith("https:") or scope["scheme"] == "https" else {})

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [(name, value) for name, value in message["headers"] if name.decode().lower() not in own]
                message["headers"] = [*others, *((name.encode(), value.encode()) for name, value in own.items())]
            await send(message)

        await self._app(scope, receive, sending)

    def _serve(self, method: str, path: str, handler: Handler) -> None:
        calls = self._routes.setdefault(tuple(path[1:].split("/")), {})
        assert method not in calls, f"{method} {path} is served twice"
        calls[method] = handler

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except Problem as problem:
            response = self._screen.message(failures.of_problem(problem, request))
        except (AwayError, RedisError) as error:
            self._parts.metrics.redis_errors.inc()
            logger.warning("Redis did not answer the page", error=repr(error), request_id=scope["request_id"])
            response = self._screen.message(failures.away(request))
        except KafkaError as error:
            logger.warning("Kafka did not answer the page", error=repr(error), request_id=scope["request_id"])
            response = self._screen.message(failures.away(request))
        if request.method == "HEAD":
            await send_head(response, send)
        else:
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        found = self._find(request.scope)
        if found is None:
            return self._screen.message(failures.NOT_FOUND)
        template, calls = found
        request.scope["route"] = template
        handler = calls.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return self._screen.message(failures.not_served(calls))
        if request.method not in {"GET", "HEAD"} and request.headers.getlist("origin") != [self._origin]:
            return self._screen.message(failures.FOREIGN)
        return await handler(request)

    def _find(self, scope: Scope) -> tuple[str, Mapping[str, Handler]] | None:
        segments = segments_of(scope["raw_path"]) or ()
        opening = tuple(OPENING.strip("/").split("/"))
        if segments[:-1] == opening and segments[-1]:
            scope["path_params"] = {"token": segments[-1]}
            segments = (*opening, "{token}")
        calls = self._routes.get(segments)
        return None if calls is None else ("/" + "/".join(segments), calls)

    async def _visit(self, request: Request) -> Visit | None:
        """The visit of a request in a session; None without one."""
        session = await self._sessions.of(request)
        return None if session is None else await begin_visit(request, self._parts, session)

    async def _show(self, page: Page, request: Request) -> Response:
        visit = await self._visit(request)
        if visit is None:
            return self._ended(401, request)
        if page.changes and not visit.session.may_change:
            return self._screen.message(failures.READ_ONLY, visit.session)
        notice = self._notices.get(request.query_params.get(NOTICE, ""), "")
        return self._screen.page(page, visit, await page.context(visit), notice=notice)

    async def _download(self, download: Download, request: Request) -> Response:
        visit = await self._visit(request)
        return self._ended(401, request) if visit is None else await download.respond(visit)

    async def _events(self, request: Request) -> Response:
        session = await self._sessions.of(request)
        return self._ended(401, request) if session is None else await self._streams.respond(request, session)

    async def _asset(self, path: str, _: Request) -> Response:
        content, media_type = self._screen.assets[path]
        return Response(content, media_type=media_type)

    async def _act(self, action: Action, request: Request) -> Response:
        session = await self._sessions.of(request)
        form = None if session is None else await self._form(request, session)
        if session is None or form is None:
            return self._ended(403, request)
        if not session.may_change:
            return self._screen.message(failures.READ_ONLY, session)
        visit = await begin_visit(request, self._parts, session)
        try:
            response = await send(action, visit, form)
        except NotAllowedError:
            return self._screen.message(failures.NOT_ALLOWED, session)
        except FieldError as error:
            form_ids = {} if error.status == USED_ID else {action.path: form.form_id}
            refused = Refused({error.field: error.message}, form.values(), form_ids)
            context = await action.page.context(visit)
            return self._screen.page(action.page, visit, context, status=error.status, refused=refused)
        return self._moved(response)

    async def _sign_out(self, request: Request) -> Response:
        session = await self._sessions.of(request)
        if session is None or await self._form(request, session) is None:
            return self._ended(403, request)
        await self._sessions.end(session)
        self._streams.end(session)
        query = {BACK: session.return_url} if session.return_url else {}
        response = self._moved(RedirectResponse(location(SIGNED_OUT, query), 303))
        self._sessions.cookie.remove(response)
        return response

    async def _signed_out(self, request: Request) -> Response:
        """Anybody can type this address: it leads only where links may lead."""
        back = request.query_params.get(BACK, "")
        return self._screen.message(failures.signed_out(back if may_return(back, self._parts) else None))

    async def _form(self, request: Request, session: Session) -> Form | None:
        """What was sent; None when it does not carry the session's token. Raises Problem."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
            raise Problem("unsupported_media_type", "Send the form as a browser does.")
        body = await read_body(request, FORM_BYTES_MAX)
        try:
            pairs = parse_qsl(
                body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX
            )
        except ValueError:
            raise Problem("schema_invalid", "The form cannot be read.", status=400) from None
        form = Form(pairs)
        return form if session.holds_token(form.raw("csrf")) else None

    def _ended(self, status: int, request: Request) -> Response:
        came_with_none = status == 401 and self._sessions.cookie.token_of(request) is None
        return self._screen.message(failures.NO_SESSION if came_with_none else failures.ended(status))

    def _moved(self, response: Response) -> Response:
        """A redirect to another of our pages, below the path of TOLLGATE_PORTAL_URL."""
        target = response.headers.get("location", "")
        if target.startswith(HOME):
            response.headers["location"] = self._screen.below + target
        return response

    async def _internal(self, _: Request, __: Exception) -> Response:
        """The answer to a request that met a bug; the middleware raises the error again, so that it is logged."""
        return self._screen.message(failures.INTERNAL)


def _origin_of(url: str) -> str:
    """The origin of a URL, as browsers write it."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if parts.port in {None, usual} else f":{parts.port}")

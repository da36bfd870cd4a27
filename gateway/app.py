"""The application: the calls of every area behind one dispatcher."""

from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import portal_links
from gateway.commands import endpoints as commands
from gateway.events import endpoint as events
from gateway.gate import endpoint as gate
from gateway.http.answers import Answers
from gateway.http.dispatch import Dispatcher
from gateway.http.endpoint import Endpoint
from gateway.http.pages import documentation
from gateway.http.problem import Problem
from gateway.parts import Parts
from gateway.portal.app import Portal, is_below
from gateway.portal.site import Site
from gateway.reads import endpoints as reads
from gateway.settings import names_of
from gateway.streams import endpoint as streams

# The calls of every area, in the order of the reference.
ENDPOINTS: tuple[Endpoint, ...] = (
    *(*gate.ENDPOINTS, *events.ENDPOINTS, *commands.ENDPOINTS),
    *(*reads.ENDPOINTS, *streams.ENDPOINTS, *portal_links.ENDPOINTS),
)

# What scripts of other origins may read beside the body.
EXPOSED = (
    *("X-Request-Id", "Location", "ETag", "Retry-After", "Allow", "Content-Disposition"),
    *("Idempotent-Replayed", "Tollgate-Stale"),
)
# Those of all calls. Pages of other origins may ask about these.
METHODS = ("GET", "HEAD", "POST", "DELETE")
_ASKED = b"access-control-request-method"


def build(parts: Parts, endpoints: Iterable[Endpoint], site: Site) -> ASGIApp:
    """The application on `parts`: the given calls, the pages that describe them, and the owner's page."""
    calls = tuple(endpoints)
    app: ASGIApp = ServerErrorMiddleware(Dispatcher(parts, (*calls, *documentation(calls))), handler=_internal)
    origins = names_of(parts.settings.gateway_cors_origins.lower())  # As browsers write them.
    api = _OtherOrigins(app, origins) if origins else app
    return Answers(_Sites(Portal(parts, site), api), parts.metrics)


class _Sites:
    """The owner's page below its path, the API everywhere else."""

    def __init__(self, portal: ASGIApp, api: ASGIApp) -> None:
        self._portal, self._api = portal, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._portal if is_below(scope) else self._api)(scope, receive, send)


class _OtherOrigins:
    """Lets pages of the given origins call the gateway. Requests of any other page are served as without CORS: their
    browser keeps the answer from them.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app, self._origins = app, {origin.encode() for origin in origins}
        self._allowing = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
            allow_private_network=True,  # The origins are the operator's own.
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        # Asked about another method, the middleware would refuse in plain text.
        serves = headers.get(_ASKED, METHODS[0].encode()).decode("latin-1") in METHODS
        allowed = headers.get(b"origin") in self._origins and serves
        await (self._allowing if allowed else self._app)(scope, receive, send)


async def _internal(request: Request, _: Exception) -> Response:
    """The answer to a request that met a bug; the middleware raises the error again, so that it is logged."""
    return Problem("internal", "Something failed here; its log has the request's id.").response(
        request.scope["request_id"]
    )

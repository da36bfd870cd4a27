"""The application: the calls of every area behind one dispatcher."""

from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.http.dispatch import Dispatcher, request_id_of
from gateway.http.endpoint import Endpoint
from gateway.http.problem import Problem
from gateway.parts import Parts

# The calls of every area, in the order of the reference.
ENDPOINTS: tuple[Endpoint, ...] = ()


def build(parts: Parts) -> ASGIApp:
    """The application on `parts`. Needs a running event loop."""
    return ServerErrorMiddleware(Dispatcher(parts, ENDPOINTS), handler=_internal)


async def _internal(request: Request, _: Exception) -> Response:
    """The answer to a request that met a bug; the middleware raises the error again, so that it is logged."""
    request_id = request_id_of(request.headers)
    response = Problem("internal", "Something failed here; its log has the request's id.").response(request_id)
    response.headers["X-Request-Id"] = request_id
    return response

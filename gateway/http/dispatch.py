"""Takes a request through the checks, in the contract's order, to its handler: key (401), path (404), scope (403),
account (404), method (405), rate (429), then the query, `Accept` and the body's type.
"""

import asyncio
from collections.abc import Iterable, Mapping
from time import monotonic

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.http.accept import accepted
from gateway.http.endpoint import JSON, Body, Call, Endpoint
from gateway.http.keys import NOBODY, Key, check_account
from gateway.http.limits import Buckets, rate_limited
from gateway.http.problem import (
    Problem,
    lacks,
    no_such_path,
    of_status,
    unavailable,
    wrong_parameter,
)
from gateway.http.routes import Route, Routes
from gateway.parts import Parts
from stream import log
from stream.redis_connection import AwayError

logger = log.get("gateway")

BAD_KEYS_PER_S = 10
_BEARER = "bearer "


class Dispatcher:
    """The application. A path that no area serves is not found."""

    def __init__(self, parts: Parts, endpoints: Iterable[Endpoint]) -> None:
        self._parts = parts
        self._routes = Routes(endpoints)
        self._requests, self._bad_keys = Buckets(monotonic), Buckets(monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        scope["received_s"] = asyncio.get_running_loop().time()
        try:
            response = await self._respond(request)
        except Problem as problem:
            response = problem.response(scope["request_id"])
        except HTTPException as error:
            response = of_status(error.status_code, error.detail).response(scope["request_id"])
        except (AwayError, RedisError) as error:
            self._parts.metrics.redis_errors.inc()
            logger.warning("Redis did not answer a request", error=repr(error), request_id=scope["request_id"])
            response = unavailable("Redis does not answer: try again.").response(scope["request_id"])
        except KafkaError as error:
            logger.warning("the log did not answer a request", error=repr(error), request_id=scope["request_id"])
            response = unavailable("The log does not answer: try again.").response(scope["request_id"])
        if scope["method"] == "HEAD":
            await send_head(response, send)
        else:
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        found = self._routes.find(request.scope["raw_path"])
        public = found is not None and found[0].public
        key = NOBODY if public else self._key_of(request)
        if found is None:
            raise no_such_path()
        route, path = found
        request.scope["route"] = route.template
        endpoint = route.call(request.method)
        if not public:
            _check_scope(key, route, endpoint, path)
        account_id = path.get("account_id")
        if account_id is not None and not (endpoint is not None and endpoint.checked_by_body):
            check_account(key, account_id)
        if endpoint is None:
            detail = f"{request.method} is not served here: use {route.allowed}."
            raise Problem("method_not_allowed", detail, headers=[("Allow", route.allowed)])
        if not public:
            self._take(key, endpoint, 1)
        query = _query_of(request, endpoint)
        media_type = accepted(request.headers.get("accept", "*/*"), endpoint.produces)
        if endpoint.body is not None:
            _check_media_type(request, endpoint.body)
        call = Call(
            request, endpoint, self._parts, key, path, query, request.scope["request_id"], media_type,
            lambda tokens: self._take(key, endpoint, tokens),
        )  # fmt: skip
        return await endpoint.handler(call)

    def _key_of(self, request: Request) -> Key:
        """The valid key of the request. Bad keys are held back by the address, so that nobody can try many."""
        given = request.headers.getlist("authorization")
        if len(given) == 1 and given[0][: len(_BEARER)].lower() == _BEARER:
            key = self._parts.keys.find(given[0][len(_BEARER) :].strip())
            if key is not None:
                return key
        if given:
            self._parts.metrics.refused_keys.inc()
            wait_s = self._bad_keys.take(_address_of(request), BAD_KEYS_PER_S)
            if wait_s:
                raise rate_limited(wait_s, "Too many requests with a wrong key came from this address.")
        detail = "The key is not valid." if given else "Send a key: Authorization: Bearer tg_…"
        raise Problem("unauthorized", detail, headers=[("WWW-Authenticate", "Bearer")])

    def _take(self, key: Key, endpoint: Endpoint, tokens: int) -> None:
        wait_s = self._requests.take((key.id, endpoint.bucket), key.requests_per_s, tokens) if tokens else 0.0
        if wait_s:
            raise rate_limited(wait_s, f"This key may make {key.requests_per_s} requests per second.")


async def send_head(response: Response, send: Send) -> None:
    """Send the headers alone, without beginning a stream."""
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": b""})


def _check_scope(key: Key, route: Route, endpoint: Endpoint | None, path: Mapping[str, str]) -> None:
    """Where the method is not served, the scope of any of the path's calls will do: the method comes later."""
    calls = list(route.calls.values()) if endpoint is None else [endpoint]
    needed = [call.scopes_for(path) for call in calls]
    if not any(not scopes or any(map(key.may, scopes)) for scopes in needed):
        raise lacks(needed[0][0])


def _address_of(request: Request) -> str:
    """The caller's address; of IPv6 its network, because one caller has as many addresses there as it likes."""
    host = request.client.host if request.client else ""
    return ":".join(host.split(":")[:4]) if ":" in host else host


def _query_of(request: Request, endpoint: Endpoint) -> dict[str, str]:
    known = {parameter.name: parameter for parameter in endpoint.query}
    query: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in known:
            there = ", ".join(known) or "none"
            raise wrong_parameter(name[:64], f"There is no such query parameter; there are: {there}.")
        if name in query:
            raise wrong_parameter(name, "Give this query parameter once.")
        query[name] = value
    for parameter in endpoint.query:
        if parameter.required and not query.get(parameter.name):
            raise wrong_parameter(parameter.name, f"The query parameter {parameter.name} is missing.")
    return query


def _check_media_type(request: Request, body: Body) -> None:
    given = request.headers.get("content-type", JSON)
    name, *parameters = (part.strip().lower() for part in given.split(";"))
    charsets = {part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")}
    if name not in body.media_types or not charsets <= {"utf-8", "utf8"}:
        raise Problem("unsupported_media_type", f"Send the body as {' or '.join(body.media_types)}, in UTF-8.")

"""Takes a request through the checks, in the contract's order, to its handler: key (401), path (404), scope (403),
account (404), method (405), rate (429), then the query, `Accept` and the body's type.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from time import perf_counter

from aiokafka.errors import KafkaError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uuid_utils import uuid7

from gateway.http.endpoint import JSON, Body, Call, Endpoint
from gateway.http.keys import NOBODY, Key
from gateway.http.limits import Buckets, rate_limited
from gateway.http.problem import (
    Problem,
    no_such_account,
    no_such_path,
    of_status,
    unavailable,
    wrong_parameter,
)
from gateway.http.routes import Route, Routes
from gateway.parts import Parts
from stream.redis_connection import AwayError

BAD_KEYS_PER_S = 10
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ACCOUNT = re.compile(r"[A-Za-z0-9._:+@-]{1,128}")
_BEARER = "bearer "


class Dispatcher:
    """The application. A path that no area serves is not found."""

    def __init__(self, parts: Parts, endpoints: Iterable[Endpoint]) -> None:
        self._parts = parts
        self._routes = Routes(endpoints)
        now_s = asyncio.get_running_loop().time
        self._requests, self._bad_keys = Buckets(now_s), Buckets(now_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        request = Request(scope, receive)
        scope["received_s"] = asyncio.get_running_loop().time()
        request_id = request_id_of(request.headers)
        found = self._routes.find(scope["raw_path"])
        answered = _Answered(self._parts, found[0].template if found else "none", scope["method"])
        wrapped = answered.wrap(send, request_id)
        try:
            response = await self._respond(request, found, request_id)
        except Problem as problem:
            response = problem.response(request_id)
        except HTTPException as error:
            response = of_status(error.status_code, error.detail).response(request_id)
        except AwayError:
            self._parts.metrics.redis_errors.inc()
            response = unavailable("Redis does not answer: try again.").response(request_id)
        except KafkaError:
            response = unavailable("The log does not answer: try again.").response(request_id)
        if scope["method"] == "HEAD":
            await _send_head(response, wrapped)
        else:
            await response(scope, receive, wrapped)

    async def _respond(
        self, request: Request, found: tuple[Route, Mapping[str, str]] | None, request_id: str
    ) -> Response:
        public = found is not None and found[0].public
        key = NOBODY if public else self._key_of(request)
        if found is None:
            raise no_such_path()
        route, path = found
        endpoint = route.call(request.method)
        if not public:
            _check_scope(key, route, endpoint, path)
        account_id = path.get("account_id")
        if account_id is not None and not (_ACCOUNT.fullmatch(account_id) and key.reaches(account_id)):
            raise no_such_account()
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
            request, endpoint, self._parts, key, path, query, request_id, media_type,
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
            wait_s = self._bad_keys.take(request.client.host if request.client else "", BAD_KEYS_PER_S)
            if wait_s:
                raise rate_limited(wait_s, "Too many requests with a wrong key came from this address.")
        detail = "The key is not valid." if given else "Send a key: Authorization: Bearer tg_…"
        raise Problem("unauthorized", detail, headers=[("WWW-Authenticate", "Bearer")])

    def _take(self, key: Key, endpoint: Endpoint, tokens: int) -> None:
        wait_s = self._requests.take((key.id, endpoint.bucket), key.requests_per_s, tokens) if tokens else 0.0
        if wait_s:
            raise rate_limited(wait_s, f"This key may make {key.requests_per_s} requests per second.")


class _Answered:
    """Counts the answer, and gives it the request's id."""

    def __init__(self, parts: Parts, route: str, method: str) -> None:
        self._metrics, self._route, self._method = parts.metrics, route, method
        self._began_s = perf_counter()
        self._stream = False

    def wrap(self, send: Send, request_id: str) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                self._stream = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
                status = f"{message['status'] // 100}xx"
                self._metrics.requests.labels(self._route, self._method, status).inc()
            elif not message.get("more_body") and not self._stream:
                self._metrics.request_seconds.labels(self._route).observe(perf_counter() - self._began_s)
            await send(message)

        return sending


async def _send_head(response: Response, send: Send) -> None:
    """Send the headers alone, without beginning a stream."""
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": b""})


def request_id_of(headers: Headers) -> str:
    """The request's own id if it is one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid7().hex


def _check_scope(key: Key, route: Route, endpoint: Endpoint | None, path: Mapping[str, str]) -> None:
    """Where the method is not served, the scope of any of the path's calls will do: the method comes later."""
    calls = list(route.calls.values()) if endpoint is None else [endpoint]
    needed = [call.scope_for(path) for call in calls]
    if not any(scope is None or key.may(scope) for scope in needed):
        raise Problem("forbidden", f"This key lacks the scope {needed[0]}.")


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


def accepted(accept: str, produces: tuple[str, ...]) -> str:
    """The one of `produces` that the header `Accept` prefers. Raises Problem `not_acceptable`."""
    ranges = [_range_of(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    ranked = [(_quality(ranges, media_type), -place) for place, media_type in enumerate(produces)]
    best, place = max(ranked)
    if best <= 0:
        raise Problem("not_acceptable", f"This call answers with {' or '.join(produces)}.")
    return produces[-place]


def _range_of(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(ranges: list[tuple[str, float]], media_type: str) -> float:
    """The quality of the most specific range that holds the media type."""
    for wanted in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for name, quality in ranges:
            if name == wanted:
                return quality
    return 0.0


def _check_media_type(request: Request, body: Body) -> None:
    given = request.headers.get("content-type", JSON)
    name, _, parameters = given.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if name.strip().lower() not in body.media_types or charset not in {"", "utf-8", "utf8"}:
        raise Problem("unsupported_media_type", f"Send the body as {' or '.join(body.media_types)}, in UTF-8.")

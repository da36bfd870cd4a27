"""What every answer has, whoever makes it: the request's id, and its place in the metrics."""

import re
from collections.abc import Iterable
from time import perf_counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from gateway.metrics import Metrics
from schemas.card_number import text_holds_card_number

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# The route of paths that are not served.
NO_ROUTE = "none"


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The request's own id if it gave a usable one, else a new one."""
    given = Headers(raw=list(headers)).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) and not text_holds_card_number(given) else uuid7().hex


class Answers:
    """Wraps the application. `scope["request_id"]` is the id from `request_id_of`; `scope["route"]` is the template of
    the path, once it is found.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        began_s, streams = perf_counter(), False
        request_id = request_id_of(scope["headers"])
        scope["request_id"], scope["route"] = request_id, NO_ROUTE

        async def sending(message: Message) -> None:
            nonlocal streams
            if message["type"] == "http.response.start":
                streams = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
                status = f"{message['status'] // 100}xx"
                self._metrics.requests.labels(scope["route"], scope["method"], status).inc()
            elif not message.get("more_body") and not streams:
                self._metrics.request_seconds.labels(scope["route"]).observe(perf_counter() - began_s)
            await send(message)

        await self._app(scope, receive, sending)

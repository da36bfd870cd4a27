"""`GET /v1/accounts/{account_id}/events`: what happens to an account, as it happens, as server-sent events."""

import asyncio
import socket
from collections.abc import Iterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.http.endpoint import Answer, Call, Endpoint, Operation, Parameter
from gateway.http.problem import wrong_parameter
from gateway.http.scopes import READ
from gateway.streams.frame import TYPES
from gateway.streams.opening import Opening
from gateway.streams.stream import CLIENT, Stream, pieces

MEDIA_TYPE = "text/event-stream"
LAST = "Last-Event-ID"
# What the system keeps of a reader that does not read: left alone, it grows to several MiB, beside what waits here.
SENT_BYTES = 1 << 17


class EventStream(Response):
    """Sends `first`, then what the stream takes, until it ends."""

    media_type = MEDIA_TYPE

    def __init__(self, stream: Stream, first: Iterator[bytes]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._stream, self._first = stream, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = self._stream
        gone = asyncio.ensure_future(_disconnected(receive))
        gone.add_done_callback(lambda _: stream.end(CLIENT))
        try:
            transport = scope["transport"]
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_BYTES)
            stream.begin(transport.abort)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            for piece in pieces(self._first):
                await self._send(send, piece)
            while (following := await stream.next()) is not None:
                await self._send(send, following)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            stream.close()

    async def _send(self, send: Send, piece: bytes) -> None:
        self._stream.sending(True)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        self._stream.sending(False)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def show_events(call: Call) -> Response:
    """The stream, once the views have answered: what is wrong by then is a problem."""
    types = types_of(call.query.get("types"))
    stream = call.parts.streams.open(call.account_id, call.key, types)
    try:
        first = await Opening(call.parts, stream).begin(call.request.headers.get(LAST, "").strip())
    except BaseException:
        stream.close()
        raise
    if call.request.method == "HEAD":  # Only the headers are sent.
        stream.close()
    return EventStream(stream, first)


def types_of(given: str | None) -> frozenset[str]:
    if given is None:
        return TYPES
    types = frozenset(given.split(","))
    unknown = sorted(types - TYPES)
    if unknown:
        raise wrong_parameter(
            "types", f"It must name types of events, separated by commas: {', '.join(sorted(TYPES))}."
        )
    return types


_STREAM = Endpoint(
    "GET",
    "/v1/accounts/{account_id}/events",
    show_events,
    READ,
    Operation(
        "stream_events",
        "What happens to an account, as it happens",
        {
            200: Answer(
                "Server-sent events: `event` is the type, `data` the event on one line, `id` says how far the stream "
                "is.",
                media_type=MEDIA_TYPE,
                headers={"Cache-Control": "`no-store`."},
            )
        },
        "Begins with the current snapshot. An event comes at least once, and never after a newer one of its topic; "
        "know it by its `id` and `occurred_at`. One that is on two topics comes from both. "
        "`event: reset`: what was missed cannot be shown, so read the lists again.",
        headers=(
            Parameter(LAST, {"type": "string"}, "The `id` of the last event that was read: what was missed follows."),
        ),
        codes=("unavailable",),
    ),
    query=(
        Parameter(
            "types", {"type": "string"}, "Only events of these types, separated by commas; all if it is left out."
        ),
    ),
    produces=(MEDIA_TYPE,),
)

ENDPOINTS: tuple[Endpoint, ...] = (_STREAM,)

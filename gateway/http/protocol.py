"""HTTP/1.1 as uvicorn reads it, within limits: headers of at most 16 KiB in 10 s, a body in 30 s.

What is refused here is answered with a problem, in place of uvicorn's plain texts.
"""

import asyncio
import re
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.http.answers import request_id_of
from gateway.http.body import BODY_WITHIN_S
from gateway.http.problem import Problem

HEADER_BYTES_MAX = 16_384
HEADERS_WITHIN_S = 10.0
# The body's own time-out answers first; this one ends what sends on after its answer.
MESSAGE_WITHIN_S = BODY_WITHIN_S + 5.0
LINGER_S = 1.0
_OWS = b" \t"
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    # The deadline of the part of the request that is being read: its headers, then its body.
    _deadline: asyncio.TimerHandle | None = None
    _in_headers = True
    _header_bytes = 0
    _messages = 0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        before = (self._messages, self._in_headers)
        super().data_received(_without_upgrade(data) if self._in_headers else data)
        if self._in_headers and before == (self._messages, True):
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES_MAX and not self._refused:
                self._refuse(_headers_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["transport"] = self.transport  # type: ignore[typeddict-unknown-key]  # our own: streams end it
        if self._deadline is None:  # A further request of the connection.
            self._await_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        # White space around a value is not part of it; the parser leaves what is behind it.
        super().on_header(name, value.rstrip(_OWS))

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._clear_deadline()
        self._deadline = self.loop.call_later(MESSAGE_WITHIN_S, self._end)
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        try:
            if size > HEADER_BYTES_MAX:
                self.app: Any = _refusing(_headers_too_large())
            super().on_headers_complete()
        finally:
            self.app = self.config.loaded_app

    def on_message_complete(self) -> None:
        self.scope["completed_s"] = self.loop.time()  # type: ignore[typeddict-unknown-key]  # our own
        self._clear_deadline()
        self._in_headers, self._header_bytes, self.headers = True, 0, []
        self._messages += 1
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 uvicorn's signature
        self._refuse(Problem("schema_invalid", "The request is not HTTP/1.1.", status=400))

    def _await_headers(self) -> None:
        self._in_headers, self._header_bytes = True, 0
        self._deadline = self.loop.call_later(HEADERS_WITHIN_S, self._time_out)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _time_out(self) -> None:
        """The headers have not come. A connection on which nothing was sent is closed without an answer."""
        if self._header_bytes:
            detail = f"The headers must arrive within {HEADERS_WITHIN_S:.0f} s."
            self._refuse(Problem("request_timeout", detail))
        else:
            self._end()

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and close: what follows cannot be understood. It is still read for a
        moment, because a connection that is closed with unread bytes may lose the answer.
        """
        self._refused = True
        response = problem.response(request_id := request_id_of(self.headers or ()))
        headers = [*response.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[problem.status] + lines + b"\r\n" + bytes(response.body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._clear_deadline()
        self._deadline = self.loop.call_later(LINGER_S, self._end)


def _without_upgrade(data: bytes) -> bytes:
    """The bytes with the header `Upgrade` renamed. Java's client offers HTTP/2 with its first request, and the parser
    takes the body of such a request for another protocol.
    """
    end = data.find(b"\r\n\r\n")
    head, rest = (data, b"") if end < 0 else (data[:end], data[end:])
    return _UPGRADE.sub(b"\r\nX-grade:", head) + rest


def _headers_too_large() -> Problem:
    return Problem("too_large", f"The headers, the path included, may have at most {HEADER_BYTES_MAX:,} bytes.")


def _refusing(problem: Problem) -> ASGIApp:
    """An application that refuses its one request, and closes the connection."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        response = problem.response(request_id := request_id_of(scope["headers"]))
        response.headers.update({"X-Request-Id": request_id, "Connection": "close"})
        await response(scope, receive, send)

    return refuse

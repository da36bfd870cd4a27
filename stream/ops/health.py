"""Serves `/metrics`, `/readyz` and `/livez` from a separate thread, so that a worker that hangs still answers."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from stream.fail_stop import PersonNeededError


class PortError(PersonNeededError):
    """The server cannot listen on a port; the message names the port."""


def port_error(host: str, port: int, error: OSError) -> PortError:
    """The error for the operator, from `error` raised while listening on `host` and `port`."""
    if error.errno == errno.EADDRINUSE:
        return PortError(f"port {port} of {host} is in use: stop what listens there, or set another port")
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return PortError(f"port {port} of {host} cannot be opened ({why}): set another host or port")


class _Answers(BaseHTTPRequestHandler):
    def _answer_state(self, name: str, *, holds: bool) -> None:
        status = HTTPStatus.OK if holds else HTTPStatus.SERVICE_UNAVAILABLE
        self._answer(status, "text/plain; charset=utf-8", f"{name if holds else f'not {name}'}\n".encode())

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the standard library's signature
        """No log line: a scrape every few seconds is routine."""


ALIVE_WITHIN_S = 5.0


def serve(
    host: str, port: int, registry: CollectorRegistry, ready: Callable[[], bool], loop: asyncio.AbstractEventLoop
) -> int:
    """Serve until the process ends. Returns the port, a free one when `port` is 0. Raises PortError when it is taken.
    `/livez` answers 200 when `loop` answers within ALIVE_WITHIN_S.

    Serves no account data: everyone who can reach the port could read it.
    """

    class Handler(_Answers):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif path == "/readyz":
                self._answer_state("ready", holds=ready())
            elif path == "/livez":
                self._answer_state("alive", holds=_runs(loop))
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"/metrics, /readyz or /livez\n")

        do_HEAD = do_GET  # noqa: N815 the standard library's name

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise port_error(host, port, error) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return int(server.server_port)


def _runs(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop, which belongs to another thread, runs what it is given."""
    ran = threading.Event()
    try:
        loop.call_soon_threadsafe(ran.set)
    except RuntimeError:  # It is closed: the process ends.
        return False
    return ran.wait(ALIVE_WITHIN_S)

"""`/metrics` and `/readyz`, answered by a thread of their own, so that a worker that hangs can still be asked."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


def serve(host: str, port: int, registry: CollectorRegistry, ready: Callable[[], bool]) -> int:
    """Answer until the process ends; returns the port, chosen when `port` is 0. Raises OSError when it is taken.

    Nothing of the table is served: what an account holds is nobody's business who can reach a port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/readyz":
                state = ready()
                status = HTTPStatus.OK if state else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain; charset=utf-8", b"ready\n" if state else b"not ready\n")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"/metrics or /readyz\n")

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the standard library's signature
            """A scrape every few seconds is not news."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return int(server.server_port)

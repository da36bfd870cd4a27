"""uvicorn's server, as the gateway runs it."""

import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from gateway.http.protocol import LimitedProtocol
from gateway.settings import Settings, names_of
from stream.fail_stop import PersonNeededError
from stream.ops import health

STOP_WITHIN_S = 10
CONNECTIONS_WAITING_MAX = 2_048
IDLE_WITHIN_S = 75


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: `StopSignals` receives the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def config_of(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    """Raises PersonNeededError when the certificate or its key cannot be used."""
    proxies = list(names_of(settings.trusted_proxies))
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_keep_alive=IDLE_WITHIN_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        ssl_certfile=settings.gateway_tls_cert,
        ssl_keyfile=settings.gateway_tls_key,
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        raise PersonNeededError(f"TOLLGATE_GATEWAY_TLS_CERT or TOLLGATE_GATEWAY_TLS_KEY: {error}") from error
    return config


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS_WAITING_MAX)
    except OSError as error:
        raise health.port_error(host, port, error) from error

"""A real Redis as a child process, for tests, benchmarks and development.

Loopback only, nothing on disk unless asked for: not for production.
"""

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from devkit.kafka_jars import require
from devkit.server import HOST, DevServer

PACKAGE = "redis-server"


def installed() -> bool:
    return shutil.which(PACKAGE) is not None


class DevRedis(DevServer):
    """One Redis on `directory`, with one port for the life of the object, a free one when `port` is None.

    `options` are added to its command line. With `tls` the port speaks TLS alone.
    """

    name = "Redis"
    start_deadline_s = 30

    def __init__(
        self, directory: Path, options: Sequence[str] = (), *, port: int | None = None, tls: bool = False
    ) -> None:
        super().__init__(directory / "redis.log", port)
        self.directory = directory
        self._options, self._tls = tuple(options), tls

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://{HOST}:{self.port}/0"

    def _command(self) -> list[str]:
        self.directory.mkdir(parents=True, exist_ok=True)
        port = ("--port", "0", "--tls-port", str(self.port)) if self._tls else ("--port", str(self.port))
        settings = ("--bind", HOST, *port, "--dir", str(self.directory), "--save", "")
        return [require(PACKAGE, PACKAGE), *settings, *self._options]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.port)) == 0

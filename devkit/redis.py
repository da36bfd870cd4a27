"""A real Redis as a child process, for tests, benchmarks and development.

Loopback only, nothing on disk unless asked for: not for production.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from devkit.broker import HOST, free_port, spawn_tied
from devkit.kafka_jars import DevkitError, require

START_DEADLINE_S = 30
STOP_DEADLINE_S = 10
PROBE_INTERVAL_S = 0.02
PACKAGE = "redis-server"


class DevRedisError(DevkitError):
    """Redis did not start or ended early; the message holds the end of its log."""


def installed() -> bool:
    return shutil.which(PACKAGE) is not None


class DevRedis:
    """One Redis on `directory`, with one port for the life of the object.

    `options` are added to its command line. With `tls` the port speaks TLS alone.
    """

    def __init__(self, directory: Path, options: Sequence[str] = (), *, tls: bool = False) -> None:
        self.directory = directory
        self.port = free_port()
        self._options, self._tls = tuple(options), tls
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None, "Redis has not been started"
        return self._process.pid

    def start(self) -> None:
        """Start Redis and wait until its port is open. Raises DevRedisError or MissingToolError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        log = self.directory / "redis.log"
        port = ("--port", "0", "--tls-port", str(self.port)) if self._tls else ("--port", str(self.port))
        settings = ("--bind", HOST, *port, "--dir", str(self.directory), "--save", "")
        self._process = spawn_tied([require(PACKAGE, PACKAGE), *settings, *self._options], log)
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise DevRedisError(f"Redis did not start:\n{tail}")
            time.sleep(PROBE_INTERVAL_S)

    def stop(self) -> None:
        """Send SIGTERM, wait up to STOP_DEADLINE_S, then kill. No error when it has already ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, like a crash."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend Redis within the context: connections stay open without an answer."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.port)) == 0

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_DEADLINE_S)

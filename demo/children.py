"""The child processes of a demo or a stack: each has its own log, is watched, and is stopped in order."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devkit.server import DevServer, spawn_tied

STOP_DEADLINE_S = 10
TAIL_LINES = 25


class ChildDiedError(RuntimeError):
    """A process of the run ended unexpectedly; the message holds the end of its log."""


@dataclass(slots=True)
class Child:
    """One child process, tied to this process: the kernel kills the child when this process ends for any reason."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    lasting: bool

    @classmethod
    def python(
        cls, name: str, arguments: list[str], folder: Path, settings: Mapping[str, str], *, lasting: bool
    ) -> Self:
        """`python -m …` with this interpreter; `settings` are added to the environment. Raises OSError."""
        log = folder / f"{name}.log"
        process = spawn_tied([sys.executable, "-m", *arguments], log, env={**os.environ, **settings})
        return cls(name, process, log, lasting)

    def check(self) -> None:
        """Raises ChildDiedError when the child has failed, or has ended although it is `lasting`."""
        status = self.process.poll()
        if status is not None and (self.lasting or status != 0):
            raise died(self.name, status, self.log)

    def ended_well(self) -> bool:
        return self.process.poll() == 0

    def stop(self, patience_s: float) -> None:
        """Send SIGTERM, wait up to `patience_s`, then kill."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def check_server(server: DevServer) -> None:
    """Raises ChildDiedError when a Kafka or Redis of this run has ended."""
    if server.status is not None:
        raise died(server.name, server.status, server.log)


def died(name: str, status: int, log: Path) -> ChildDiedError:
    return ChildDiedError(f"{name} ended by itself, {_how(status)}. The end of its log:\n{tail(log)}")


def _how(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"


def tail(log: Path) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-TAIL_LINES:])


def is_ready(host: str, port: int) -> bool:
    """Whether `/readyz` of a process says so."""
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def tidy(folder: Path, *, keep_logs: bool) -> None:
    """Delete the files of a run; after a failure keep the logs and delete only the data of Kafka and Redis."""
    for log in (folder / "kafka" / "broker.log", folder / "redis" / "redis.log"):
        if keep_logs and log.exists():
            log.rename(folder / log.name)
        shutil.rmtree(log.parent, ignore_errors=True)
    if not keep_logs:
        shutil.rmtree(folder, ignore_errors=True)

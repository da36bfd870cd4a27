"""A server as a child process on the loopback interface, for the demo, the tests and development."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import ClassVar, Self

from devkit.kafka_jars import DevkitError

HOST = "127.0.0.1"
# Below Linux's range for outgoing connections, which could take a free port before the server does.
PORTS = range(20_000, 32_000)
PORT_MAX = 65_535
STOP_DEADLINE_S = 15  # Then the server is killed; its data recovers at the next start.
PROBE_INTERVAL_S = 0.05

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class DevServerError(DevkitError):
    """A server did not start or ended early; the message holds the end of its log."""


def spawn_tied(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a child that the kernel kills when this process ends for any reason. Its output is appended to `log`.

    To Linux the parent is the *thread* that forked. So a separate thread forks, and lives until the child ends; callers
    may use any thread. Raises OSError.
    """
    parent = os.getpid()

    def tie_to_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # The parent ended between the fork and the line above.
            os._exit(1)

    started: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()

    def fork_and_wait() -> None:
        with log.open("ab") as out:
            try:
                child = subprocess.Popen(  # noqa: S603 callers build commands from constants and their own paths
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env=env,
                    start_new_session=True,  # Ctrl-C reaches only the parent, which then stops its children in order.
                    preexec_fn=tie_to_parent,  # noqa: PLW1509 one system call, no locks taken, nothing allocated by us
                )
            except OSError as error:
                started.put(error)
                return
        started.put(child)
        child.wait()

    threading.Thread(target=fork_and_wait, name=f"parent of {command[0]}", daemon=True).start()
    child_or_error = started.get()
    if isinstance(child_or_error, OSError):
        raise child_or_error
    return child_or_error


def free_port() -> int:
    """Raises DevServerError when none is found."""
    for port in random.sample(PORTS, 100):
        if can_bind(port):
            return port
    raise DevServerError(f"no free port on {HOST}: tried a hundred between {PORTS.start} and {PORTS.stop}")


def can_bind(port: int) -> bool:
    """Whether nothing listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class DevServer(ABC):
    """One server, started and ended by process id. `port` stays the same for the life of the object."""

    name: ClassVar[str]
    start_deadline_s: ClassVar[float]

    def __init__(self, log: Path, port: int | None = None) -> None:
        self.log = log
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self.status is None

    @property
    def status(self) -> int | None:
        """The exit status, -9 after SIGKILL; None while it runs."""
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.poll()

    def start(self) -> None:
        """Start the server and wait until it answers clients. Raises DevServerError or MissingToolError."""
        assert not self.running, f"{self.name} is already running"
        self._process = spawn_tied(self._command(), self.log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Send SIGTERM, wait up to STOP_DEADLINE_S, then kill. No error when the server has already ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL: like a crash, nothing is flushed or handed over."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend the server within the context: connections stay open without an answer, like on a hanging machine.
        Afterwards wait until it answers clients. Raises DevServerError.
        """
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)
        self._wait_until_it_answers()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log, for error messages."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """What to run; it also prepares what the server needs."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether clients can use the server."""

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self.start_deadline_s
        while not self._answers():
            if self._process.poll() is not None:
                raise DevServerError(f"{self.name} ended with status {self._process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise DevServerError(f"{self.name} did not answer in {self.start_deadline_s} s:\n{self.log_tail()}")
            time.sleep(PROBE_INTERVAL_S)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_DEADLINE_S)

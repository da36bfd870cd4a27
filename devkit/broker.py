"""A real single-node Kafka (KRaft) as a Java child process, for the demo, the tests and development.

Loopback only, one replica, no authentication unless its properties ask for it: not for production.
"""

import ctypes
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Self

import typer

from devkit.kafka_jars import POM, DevkitError, ensure_jars, require

HOST = "127.0.0.1"
CLUSTER_ID = "dG9sbGdhdGUtZGV2LTAwMQ"  # Any 16 bytes in base64; constant, so that existing data can be used again.
START_DEADLINE_S = 60  # It takes two seconds on an idle machine, and took twenty on a busy one with two cores.
STOP_DEADLINE_S = 15  # Then the broker is killed; its log recovers at the next start.
PROBE_INTERVAL_S = 0.05
# Below Linux's range for outgoing connections, which could take a free port before the broker does.
PORTS = range(20_000, 32_000)
# A small heap and a simple garbage collector start fast. The JDK's class-data archive is on by default.
JVM_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true")

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class DevBrokerError(DevkitError):
    """The broker did not start or ended early; the message holds the end of its log."""


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


class DevBroker:
    """One Kafka node on `data_dir`, which is created and formatted when missing and kept when the broker stops.

    `port` is the client port, a free one when None; it stays the same for the life of the object. `properties` are
    added to those of `server.properties`. Each of `listeners` (names, which `properties` configure) gets a port too;
    `format_options` are passed on when the storage is formatted.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        *,
        listeners: Sequence[str] = (),
        format_options: Sequence[str] = (),
    ) -> None:
        self.data_dir = data_dir.resolve()
        self._properties = dict(properties or {})
        self._format_options = tuple(format_options)
        self.port = port or free_port()
        self.ports = {name: free_port() for name in listeners}
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker has not been started"
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.data_dir / "broker.log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the broker and wait until it answers clients. Raises DevBrokerError or MissingToolError."""
        assert not self.running, "the broker is already running"
        _check_port_free(self.port)
        properties = self._write_properties()
        if not (self.data_dir / "log" / "meta.properties").exists():
            self._run_tool(
                "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties), *self._format_options
            )
        self._process = spawn_tied(self._java("kafka.Kafka", str(properties)), self.log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Send SIGTERM, wait up to STOP_DEADLINE_S, then kill. No error when the broker has already ended."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL: like a crash, nothing is flushed or handed over."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspend the broker within the context: connections stay open without an answer, like on a hanging machine.
        Afterwards wait until it answers clients. A controller takes a broker that was silent for nine seconds off its
        list for a moment, which may come after that answer: clients ask again. Raises DevBrokerError.
        """
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)
        self._wait_until_it_answers()

    def restart(self) -> None:
        """Stop, then start on the same data and port."""
        self.stop()
        self.start()

    def wait(self) -> int:
        """Block until the broker process ends. Returns its exit status (-9 after SIGKILL)."""
        assert self._process is not None, "the broker has not been started"
        return self._process.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the broker's log, for error messages."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_properties(self) -> Path:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        properties = self.data_dir / "server.properties"
        clients = ",".join(f"{name}://{HOST}:{port}" for name, port in {"PLAINTEXT": self.port, **self.ports}.items())
        properties.write_text(
            POM.with_name("server.properties").read_text()
            + f"\nlisteners={clients},CONTROLLER://{HOST}:{self._controller_port}\n"
            + f"advertised.listeners={clients}\n"
            + f"controller.quorum.voters=1@{HOST}:{self._controller_port}\n"
            + f"log.dirs={self.data_dir / 'log'}\n"
            + "".join(f"{name}={value}\n" for name, value in self._properties.items())
        )
        return properties

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        libs = ensure_jars()
        java = require("java", "openjdk-17-jre-headless")
        logging = f"-Dlog4j2.configurationFile={POM.with_name('log4j2.properties')}"
        return [java, *JVM_OPTIONS, logging, "-cp", f"{libs}/*", main_class, *arguments]

    def _run_tool(self, main_class: str, *arguments: str) -> None:
        tool = spawn_tied(self._java(main_class, *arguments), self.log)
        if tool.wait(START_DEADLINE_S) != 0:
            raise DevBrokerError(f"{main_class} failed with status {tool.returncode}:\n{self.log_tail()}")

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_DEADLINE_S
        while not answers(self.port):
            if self._process.poll() is not None:
                raise DevBrokerError(f"Kafka ended with status {self._process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise DevBrokerError(f"Kafka did not answer in {START_DEADLINE_S} s:\n{self.log_tail()}")
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


def free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise DevBrokerError(f"no free port on {HOST}: tried a hundred between {PORTS.start} and {PORTS.stop}")


def _check_port_free(port: int) -> None:
    """Raises DevBrokerError when the port is in use: another broker on it would answer while this one fails to bind."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            raise DevBrokerError(f"{HOST}:{port} is in use already: stop what listens there or choose another --port")


def answers(port: int) -> bool:
    """Whether the node on `port` lists itself as a live broker, which means that clients can produce and fetch.

    Sends a Metadata request, version 0, for all topics. The port opens seconds before the broker is usable.
    """
    request = struct.pack(">hhih", 3, 0, 1, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection, connection.makefile("rb") as answer:
            connection.sendall(struct.pack(">i", len(request)) + request)
            head = answer.read(12)
    except OSError:
        return False
    return len(head) == 12 and struct.unpack(">iii", head)[2] > 0


def command(
    port: Annotated[int, typer.Option(help="Client port on the loopback interface.")] = 9092,
    data: Annotated[
        Path | None, typer.Option(help="Directory for the data; without it a temporary one, deleted at the end.")
    ] = None,
) -> None:
    """Run a single-node Kafka on this machine, for development.

    Runs until Ctrl-C, on the loopback interface only.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = data or Path(tempfile.mkdtemp(prefix="tollgate-kafka-"))
    try:
        with DevBroker(directory, port) as broker:
            print(f"Kafka answers on {broker.bootstrap} (process {broker.pid}, data in {directory})", flush=True)
            print("Ctrl-C stops it.", flush=True)
            broker.wait()
        typer.echo(f"Kafka ended by itself:\n{broker.log_tail()}", err=True)
        raise typer.Exit(1)
    except KeyboardInterrupt:
        print("stopped", flush=True)
    except DevkitError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    finally:
        if data is None:
            shutil.rmtree(directory, ignore_errors=True)

"""A real single-node Kafka (KRaft) as a plain Java child process: for the demo, the tests and a developer's machine.

Loopback only, one replica of everything, no authentication: never a production broker.
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Self

import typer

from stream.kafka_jars import POM, MissingToolError, ensure_jars, require

HOST = "127.0.0.1"
CLUSTER_ID = "dG9sbGdhdGUtZGV2LTAwMQ"  # Any 16 bytes in base64; always the same, so that data can be started again.
START_DEADLINE_S = 60  # Two seconds when idle; a busy machine with two cores has been seen to need twenty.
STOP_DEADLINE_S = 15  # After this a broker asked to stop is killed: its log recovers at the next start.
PROBE_INTERVAL_S = 0.05
PORTS = range(20_000, 32_000)  # Below Linux's range for outgoing connections, which could take a port just found free.
# A small heap and a simple collector start fast; the class-data archive of the JDK is on by default.
JVM_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true")

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class DevBrokerError(RuntimeError):
    """The broker did not start or ended early; the message holds the end of its log."""


def spawn_tied(command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a child that the kernel kills when this process ends, however it ends; output is appended to `log`.

    Linux counts the death of the *thread* that forked as the death of the parent, so a thread of its own forks
    and then stays until the child has ended. May therefore be called from any thread. Raises OSError.
    """
    parent = os.getpid()

    def tie() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # The parent ended between the fork and the line above.
            os._exit(1)

    started: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()

    def fork_and_stay() -> None:
        with log.open("ab") as out:
            try:
                child = subprocess.Popen(  # noqa: S603 the callers build their commands from constants and own paths
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env=env,
                    start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops its children in order.
                    preexec_fn=tie,  # noqa: PLW1509 one system call, no locks taken, nothing allocated by us
                )
            except OSError as error:
                started.put(error)
                return
        started.put(child)
        child.wait()

    threading.Thread(target=fork_and_stay, name=f"keeper of {command[0]}", daemon=True).start()
    outcome = started.get()
    if isinstance(outcome, OSError):
        raise outcome
    return outcome


class DevBroker:
    """One Kafka node over `data_dir`, which is made and formatted when new and kept when the broker stops.

    `port` is the client port, a free one when None; it stays the same for the life of the object.
    """

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port or _free_port()
        self._controller_port = _free_port()
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
        """Return when the broker answers clients. Raises DevBrokerError or MissingToolError."""
        assert not self.running, "the broker is already running"
        _refuse_taken_port(self.port)
        properties = self._write_properties()
        if not (self.data_dir / "log" / "meta.properties").exists():
            self._run_tool("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties))
        self._process = spawn_tied(self._java("kafka.Kafka", str(properties)), self.log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Ask it to stop and wait; kill it when it does not. No error when it has ended already."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a crash would: nothing is flushed or handed over."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start on the same data and port."""
        self.stop()
        self.start()

    def wait(self) -> int:
        """Block until the broker ends, by itself or by another's hand; its exit status (-9 after a SIGKILL)."""
        assert self._process is not None, "the broker has not been started"
        return self._process.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines the broker wrote, to show when something is wrong with it."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_properties(self) -> Path:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        properties = self.data_dir / "server.properties"
        properties.write_text(
            POM.with_name("server.properties").read_text()
            + f"\nlisteners=PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self._controller_port}\n"
            + f"advertised.listeners=PLAINTEXT://{HOST}:{self.port}\n"
            + f"controller.quorum.voters=1@{HOST}:{self._controller_port}\n"
            + f"log.dirs={self.data_dir / 'log'}\n"
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
        while not _answers(self.port):
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


def _free_port() -> int:
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise DevBrokerError(f"a hundred ports tried between {PORTS.start} and {PORTS.stop} on {HOST} are all taken")


def _refuse_taken_port(port: int) -> None:
    """Another broker on the port would answer in this one's name while this one fails to bind."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            raise DevBrokerError(f"{HOST}:{port} is in use already: stop what listens there or choose another --port")


def _answers(port: int) -> bool:
    """Whether the node on `port` lists a live broker (itself), which it does once clients can produce and fetch.

    A Metadata request, version 0, for no particular topic: an open port alone would be seconds too early.
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
        Path | None, typer.Option(help="Where the log is kept; a throw-away directory if left out.")
    ] = None,
) -> None:
    """Run a single-node Kafka on this machine until Ctrl-C."""
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
    except (DevBrokerError, MissingToolError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    finally:
        if data is None:
            shutil.rmtree(directory, ignore_errors=True)

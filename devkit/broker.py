"""A real single-node Kafka (KRaft) as a Java child process, for the demo, the tests and development.

Loopback only, one replica, no authentication unless its properties ask for it: not for production.
"""

import shutil
import signal
import socket
import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from devkit.kafka_jars import POM, DevkitError, ensure_jars, require
from devkit.server import HOST, PORT_MAX, DevServer, DevServerError, free_port, spawn_tied

CLUSTER_ID = "dG9sbGdhdGUtZGV2LTAwMQ"  # Any 16 bytes in base64; constant, so that existing data can be used again.
START_DEADLINE_S = 180  # It takes two seconds on an idle machine, and took over sixty on a crowded one of two cores.
# A small heap and a simple garbage collector start fast. The JDK's class-data archive is on by default.
JVM_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true")


class DevBroker(DevServer):
    """One Kafka node on `data_dir`, which is created and formatted when missing and kept when the broker stops.

    After it was frozen for nine seconds its controller takes it off the list for a moment, perhaps after it has
    answered again: clients ask again.

    `port` is the client port, a free one when None; it stays the same for the life of the object. `properties` are
    added to those of `server.properties`. Each of `listeners` (names, which `properties` configure) gets a port too;
    `format_options` are passed on when the storage is formatted.
    """

    name = "Kafka"
    start_deadline_s = START_DEADLINE_S

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
        super().__init__(self.data_dir / "broker.log", port)
        self._properties = dict(properties or {})
        self._format_options = tuple(format_options)
        self.ports = {name: free_port() for name in listeners}
        self._controller_port = free_port()

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def restart(self) -> None:
        """Stop, then start on the same data and port."""
        self.stop()
        self.start()

    def wait(self) -> int:
        """Block until the broker process ends. Returns its exit status (-9 after SIGKILL)."""
        assert self._process is not None, "the broker has not been started"
        return self._process.wait()

    def _command(self) -> list[str]:
        _check_port_free(self.port)
        properties = self._write_properties()
        if not (self.data_dir / "log" / "meta.properties").exists():
            self._run_tool(
                "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties), *self._format_options
            )
        return self._java("kafka.Kafka", str(properties))

    def _answers(self) -> bool:
        return answers(self.port)

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
            raise DevServerError(f"{main_class} failed with status {tool.returncode}:\n{self.log_tail()}")


def _check_port_free(port: int) -> None:
    """Raises DevServerError when the port is in use: another broker on it would answer while this one fails to bind."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            raise DevServerError(f"{HOST}:{port} is in use already: stop what listens there or choose another --port")


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
    port: Annotated[int, typer.Option(min=1, max=PORT_MAX, help="Client port on the loopback interface.")] = 9092,
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

"""The measured processes: children with their own logs, which never outlive this process. Also waits for them."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from devkit.server import spawn_tied
from stream.settings import Settings

LOOPBACK = "127.0.0.1"
POLL_S = 0.02
STOP_DEADLINE_S = 15.0
DEADLINE_S = 600.0  # For stalled measurements only: shared machines can be slow.
TAIL_LINES = 25


class ChildDiedError(RuntimeError):
    """A child ended unexpectedly; the message holds the end of its log."""


class StuckError(RuntimeError):
    """An expected event did not happen in time."""


class Child:
    """`python -m module`, which must run until it is stopped. `settings` are added to its environment."""

    def __init__(self, module: str, folder: Path, settings: Mapping[str, str], *arguments: str) -> None:
        self._module = module
        name = f"{module}-{time.monotonic_ns()}"
        self._log = folder / f"{name}.log"
        # Faust creates a directory for tables even when they are in memory; it must not be in the current directory.
        environment = {**os.environ, "APP_DATADIR": str(folder / f"{name}-data"), **settings}
        self._process = spawn_tied([sys.executable, "-m", module, *arguments], self._log, env=environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    def lines(self) -> list[str]:
        """The lines of its log so far."""
        return self._log.read_text(errors="replace").splitlines()

    def check(self) -> None:
        """Raises ChildDiedError when the child has ended."""
        status = self._process.poll()
        if status is not None:
            raise ChildDiedError(
                f"{self._module} ended with status {status}:\n" + "\n".join(self.lines()[-TAIL_LINES:])
            )

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        """Send SIGTERM, wait up to STOP_DEADLINE_S, then kill."""
        self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_DEADLINE_S)

    def processor_s(self) -> float:
        """Processor time used so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """The current resident set."""
        status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        [line] = [line for line in status if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024


class Worker:
    """A worker with default settings, as a child."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self._port = free_port()
        self.child = Child("stream", folder, self._environment(), "worker")

    async def wait_ready(self) -> None:
        """Wait until the table is restored and inputs are consumed. Raises ChildDiedError or StuckError."""
        async for _ in poll_until_deadline("a ready worker"):
            self.child.check()
            if self._get("/readyz") is not None:
                return

    def metrics(self) -> str:
        """The worker's metrics, in Prometheus' text format."""
        text = self._get("/metrics")
        assert text is not None, "the worker does not answer on /metrics"
        return text

    def restored(self) -> tuple[int, float]:
        """Rows read from the changelog, and seconds from its first byte to a usable table, as logged by the worker."""
        last = json.loads([line for line in self.child.lines() if '"event": "restored"' in line][-1])
        return last["rows"], last["seconds"]

    def stop(self) -> None:
        self.child.stop()

    def _environment(self) -> Mapping[str, str]:
        return environment(self.settings) | {"TOLLGATE_HEALTH_PORT": str(self._port)}

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):  # Not listening yet, or not ready yet.
            return None


def environment(settings: Settings) -> dict[str, str]:
    """The settings that a child gets: broker, names, batch size, source of time and log level. All others keep their
    defaults.
    """
    passed = {"bootstrap_servers", "app_id", "topic_prefix", "partitions", "batch_records_max", "clock", "log_level"}
    return {f"TOLLGATE_{name.upper()}": str(getattr(settings, name)) for name in sorted(passed)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


async def poll_until_deadline(
    what: str, deadline_s: float = DEADLINE_S, every_s: float = POLL_S
) -> AsyncIterator[float]:
    """Yield the monotonic time every `every_s`. Raises StuckError when the caller has not stopped by the deadline."""
    began_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < deadline_s:
        yield now_s
        await asyncio.sleep(every_s)
    raise StuckError(f"not within {deadline_s:.0f} s: {what}")

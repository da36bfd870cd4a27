"""The processes that are measured: each a child with a log of its own, ended by its id and never outliving this one."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from stream.dev_broker import spawn_tied

STOP_DEADLINE_S = 15.0
TAIL_LINES = 25


class ChildDiedError(RuntimeError):
    """A child ended by itself; the message holds the end of its log."""


class Child:
    """`python -m module`, which is to run until it is stopped. `settings` are added to its environment."""

    def __init__(self, module: str, folder: Path, settings: Mapping[str, str], *arguments: str) -> None:
        self._module = module
        name = f"{module}-{time.monotonic_ns()}"
        self._log = folder / f"{name}.log"
        # Faust makes a directory for tables even when they are in memory; it must not be left where we were started.
        environment = {**os.environ, "APP_DATADIR": str(folder / f"{name}-data"), **settings}
        self._process = spawn_tied([sys.executable, "-m", module, *arguments], self._log, env=environment)

    @property
    def pid(self) -> int:
        return self._process.pid

    def lines(self) -> list[str]:
        """What it has written so far."""
        return self._log.read_text(errors="replace").splitlines()

    def check(self) -> None:
        """Raises ChildDiedError when it has ended."""
        status = self._process.poll()
        if status is not None:
            raise ChildDiedError(
                f"{self._module} ended with status {status}:\n" + "\n".join(self.lines()[-TAIL_LINES:])
            )

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        """Ask it to end and wait; kill it when it does not."""
        self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_DEADLINE_S)

    def processor_s(self) -> float:
        """Seconds of processor time, user and system, that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """What of it is in memory now."""
        status = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        [line] = [line for line in status if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

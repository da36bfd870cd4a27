"""The child processes of a demo run: each has its own log, is watched, and is stopped in order."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devkit.server import spawn_tied

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
            raise ChildDiedError(f"{self.name} ended by itself, {_how(status)}. The end of its log:\n{tail(self.log)}")

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


def _how(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"


def tail(log: Path) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

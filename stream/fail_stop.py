"""Ends a process that must not go on: it logs one clear last line and exits, without repairing anything."""

import os
import sys
from enum import IntEnum
from typing import Any, NoReturn

from stream import log


class Exit(IntEnum):
    """Exit statuses for a supervisor. The numbers are those of BSD's sysexits."""

    BUG = 70  # An invariant is broken. A restart may help, but the cause needs investigation.
    PASSING = 75  # The broker is away, or another worker took the partition: restart.
    PERSON = 78  # A restart does not help until a person changes something.


class PersonNeededError(Exception):
    """A problem that only a person can remove. The message is one line that names it, the last line of the process."""


class StatusError(Exception):
    """An error that carries its exit status. The message is one line."""

    status: Exit


def halt(reason: str, *, status: Exit = Exit.BUG, **fields: Any) -> NoReturn:
    """End the process at once, from any thread, with `status`; `reason` is its last line.

    No handler and no clean-up runs: memory may be ahead of the log, and a wait for a broker could last for ever.
    """
    log.get("worker").critical("worker stopped", reason=reason, **fields)
    end_now(status)


def end_now(status: int) -> NoReturn:
    """Flush the output and end the process, so that nothing follows its last line."""
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(status)

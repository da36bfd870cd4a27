"""The end of a worker that must not go on: one clear last line, then out, with nothing repaired in place."""

import os
import sys
from typing import Any, NoReturn

from stream import log

EXIT_STATUS = 70  # EX_SOFTWARE: a supervisor starts the worker again, and it restores from the log.


def halt(reason: str, **fields: Any) -> NoReturn:
    """End the process at once, from any thread, with a non-zero status; `reason` is its last line.

    No handlers, no clean-up: memory may be ahead of the log, and whatever waits for a broker could wait for ever.
    """
    log.get("worker").critical("worker stopped", reason=reason, **fields)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(EXIT_STATUS)

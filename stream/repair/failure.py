"""The error of a repair that cannot do its work; `tollgate` turns it into one line and an exit status."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

from stream.fail_stop import Exit, StatusError
from stream.lane.commit_errors import FencedError

T = TypeVar("T")


class RepairError(StatusError):
    """The command cannot do its work. The message gives the reason and the remedy."""

    def __init__(self, message: str, status: Exit = Exit.PERSON) -> None:
        super().__init__(message)
        self.status = status


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. Raises its errors, and RepairError if it was fenced or interrupted."""
    # aiokafka logs each failed connection attempt; the command's own last line is enough.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(work)
    except FencedError:
        message = "a worker or another repair took the partition over: nothing was committed"
        raise RepairError(message, Exit.PASSING) from None
    except KeyboardInterrupt:
        raise RepairError("interrupted", Exit.PASSING) from None


def progress(text: str) -> None:
    """Print one line about the work in progress on standard error."""
    typer.echo(text, err=True)

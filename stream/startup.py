"""Start-up checks of a process: read the settings, wait for a broker, or refuse to start in one line."""

import asyncio
import sys
import threading
from collections.abc import Mapping
from typing import NoReturn, TypeVar

from aiokafka.errors import KafkaError, KafkaTimeoutError
from pydantic import ValidationError

from stream import access, connection, log, topics
from stream.fail_stop import Exit, end_now, halt
from stream.failures import classify, fail
from stream.rights import Rights
from stream.settings import Settings

BROKER_WAIT_S = 30.0
RETRY_S = 0.5

AnySettings = TypeVar("AnySettings", bound=Settings)


def refuse(process: str, reason: str, status: Exit = Exit.PERSON) -> NoReturn:
    """Log one last line with the reason why `process` (worker, adapter) does not start, and exit with `status`."""
    log.get("worker").critical(f"{process} refuses to start", reason=reason)
    end_now(status)


def refuse_because(process: str, error: BaseException) -> NoReturn:
    """Refuse to start because of `error`, with its exit status."""
    failure = classify(error)
    refuse(process, failure.line, failure.status)


def checked_settings(process: str, kind: type[AnySettings]) -> AnySettings:
    """Read the settings from the environment and set up logging. Ends the process when a setting is invalid."""
    log.configure("info")
    if not __debug__:
        refuse(
            process,
            "assertions are switched off, and they stop wrong charges: start Python without -O and PYTHONOPTIMIZE",
        )
    try:
        settings = kind()
    except ValidationError as error:
        refuse_because(process, error)
    log.configure(settings.log_level)
    sys.excepthook = lambda _, error, __: fail(f"the {process} failed", error)
    threading.excepthook = _end_with_thread
    connection.end_with(_end_refused)
    return settings


def _end_refused(error: connection.RefusedError) -> NoReturn:
    halt("the broker refuses this process, or is not the right one", status=Exit.PERSON, error=str(error))


def _end_with_thread(failed: threading.ExceptHookArgs) -> None:
    """End the process with a failed thread. A thread that dies would go unnoticed, and the watchdog is a thread."""
    if failed.exc_value is not None:
        fail("a thread failed", failed.exc_value, thread=failed.thread.name if failed.thread else None)


def warn_if_unsigned(settings: Settings) -> None:
    """Log a warning when signatures are not required."""
    if not settings.keys():
        log.get("worker").warning(
            "money inputs are not signed",
            reason="TOLLGATE_SIGNING_KEYS is empty: anyone who can write to the input topic can add money",
        )


async def make_topics(settings: Settings, wanted: Mapping[str, topics.Topic], needed: Rights = ()) -> list[str]:
    """Check the rights `needed` and create missing topics, once a broker answers: the process may start before the
    broker.

    Returns the names of the created topics. Raises MissingRightError, TopicsError and KafkaError, KafkaTimeoutError
    when no broker answered in time.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + BROKER_WAIT_S
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                await access.check(settings.connection, needed)
                return await topics.ensure(settings, wanted)
        except (KafkaError, TimeoutError) as error:
            if classify(error).status is not Exit.PASSING:
                raise
            if now() > deadline:
                servers, protocol = settings.bootstrap_servers, settings.security_protocol
                waited = f"no answer from {servers} in {BROKER_WAIT_S:.0f} s (TOLLGATE_SECURITY_PROTOCOL={protocol})"
                last = f"; last: {text}" if (text := " ".join(str(error).split())) else ""
                remedy = "is a broker running there, and is TOLLGATE_BOOTSTRAP_SERVERS right?"
                raise KafkaTimeoutError(f"{waited}: {remedy}{last}") from error
        await asyncio.sleep(RETRY_S)

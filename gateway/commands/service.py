"""Commands: each id once, whoever asks, at whichever gateway, and the answer for a day."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry
from uuid_utils import uuid4

from gateway.commands.inputs import Prepared
from gateway.commands.kept import (
    DONE,
    LEASE_MS,
    LEFT,
    MINE,
    OTHER,
    REFUSED,
    WRITING,
    WRITTEN,
    Claim,
    Kept,
    Record,
    record_key,
    where_is,
)
from gateway.commands.metrics import CommandMetrics
from gateway.commands.running import Done, Refused, Running
from gateway.http.problem import Problem, no_such_account, unavailable
from gateway.log.outcome import UNKNOWN_ACCOUNT
from gateway.log.reader import LogReader
from gateway.log.writer import LogWriter
from gateway.settings import Settings
from stream import log
from stream.failures import fail
from stream.redis_connection import AwayError, Client

logger = log.get("gateway.commands")

# How often a request looks whether the one with its id, perhaps at another gateway, has its outcome.
LOOK_EVERY_S = 0.05
# After so many looks it tries to claim the id, in case that gateway has died.
LOOKS = 20
# Refusals of what the gateway has added itself.
OWN_FAULTS = frozenset({"unauthenticated", "key_mismatch", "wrong_partition"})


class Sent(msgspec.Struct, frozen=True):
    """What a caller sent, to be compared with what others sent under the same id. `occurred` is empty when the time was
    left out.
    """

    hash: str
    occurred: str


class Pending(msgspec.Struct, frozen=True):
    """A command whose outcome is not known yet."""


class Replayed(msgspec.Struct, frozen=True):
    """The first answer to a command, given again."""

    answer: bytes


Result = Done | Replayed | Pending


class Commands:
    """The commands of one process."""

    def __init__(
        self, settings: Settings, redis: Client, writer: LogWriter, reader: LogReader, registry: CollectorRegistry
    ) -> None:
        self.metrics = CommandMetrics(registry)
        self._settings, self._writer, self._reader = settings, writer, reader
        self._kept = Kept(redis)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Stop waiting for outcomes. What is in the log has its effect."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def run(self, prepared: Prepared, sent: Sent, deadline_s: float, *, wait: bool) -> Result:
        """The result of a command, pending at `deadline_s`; or, without `wait`, as soon as it is in the log.

        Raises Problem, also for a refusal by the engine, and where Redis cannot keep what is pending.
        """
        if not self._reader.ready:
            raise unavailable("The gateway does not read the log yet: try again.")
        claim = Claim(
            *(prepared.account_id, prepared.id, prepared.type, sent.hash, sent.occurred),
            *(uuid4().hex, int(prepared.timed_here)),
        )
        while True:
            claimed = await self._claim(claim)
            if claimed == OTHER:
                raise Problem("idempotency_mismatch", "This id was used for another type or another body.")
            if claimed in {MINE, None}:
                return await self._write(prepared, claim if claimed else None, deadline_s, wait=wait)
            try:
                if claimed == LEFT:
                    await self._resume(claim)
                found = await self._look(claim.key, deadline_s if wait else 0.0)
            except AwayError:
                continue  # Without Redis it is written again, and the engine takes it once.
            if found is not None:
                return found

    async def find(self, account_id: str, input_id: str) -> Result | None:
        """The result of a command of the last day, None for an id that none had. Raises Problem and AwayError."""
        for signed in (False, True):
            key = record_key(account_id, input_id, signed=signed)
            record = await self._kept.find(key)
            if record is None or _is_doubtful(record):
                continue
            if record.state == WRITTEN:
                known = (record.type, record.hash, record.occurred)
                claim = Claim(account_id, input_id, *known, uuid4().hex, record.timed_here)
                if await self._kept.claim_left(claim):
                    await self._resume(claim)
            return self._result(record)
        return None

    async def knows(self, account_id: str) -> bool:
        """Whether the views have the account. Raises AwayError."""
        return await self._kept.snapshot(account_id) is not None

    async def _claim(self, claim: Claim) -> str | None:
        """None without Redis: the engine takes an id once all the same."""
        try:
            return await self._kept.claim(claim)
        except AwayError as error:
            logger.info("a command is not compared with others of its id", error=str(error))
            return None

    async def _write(self, prepared: Prepared, claim: Claim | None, deadline_s: float, *, wait: bool) -> Result:
        running = Running(self._kept, self.metrics, prepared.account_id, prepared.id, claim)
        task = self._spawn(running.write(prepared, self._writer, self._reader))
        left_s = max(0.0, deadline_s - asyncio.get_running_loop().time())
        first: set[asyncio.Future[Any]] = {task} if wait or claim is None else {task, running.written}
        await asyncio.wait(first, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return self._result_of(task)
        if not running.written.done():
            raise unavailable("The log has not taken the command yet. Send it again with its id: it takes effect once.")
        if claim is None:
            task.cancel()
            raise unavailable("The command has no outcome yet. Send it again with its id: it takes effect once.")
        await self._kept.find(claim.key)  # Without Redis nobody could ask for the outcome.
        return Pending()

    async def _resume(self, claim: Claim) -> None:
        """Find the outcome of a command whose gateway died after its write."""
        record = await self._kept.find(claim.key)
        if record is not None and record.state == WRITTEN:
            address, begin = where_is(record)
            running = Running(self._kept, self.metrics, claim.account_id, claim.input_id, claim)
            self._spawn(running.resume(self._settings, address, begin))

    async def _look(self, key: bytes, deadline_s: float) -> Result | None:
        """Wait for the outcome of a command that another request, perhaps at another gateway, has written. None when
        its claim should be tried again. Raises Problem and AwayError.
        """
        loop = asyncio.get_running_loop()
        for _ in range(LOOKS):
            record = await self._kept.find(key)
            if record is None:
                return None
            if record.state in {DONE, REFUSED}:
                return self._result(record)
            if loop.time() >= deadline_s:
                return Pending()
            await asyncio.sleep(LOOK_EVERY_S)
        return None

    def _result(self, record: Record) -> Result:
        if record.state == REFUSED:
            raise self._problem(Refused(record.code, record.message, bool(record.timed_here)))
        return Replayed(record.answer.encode()) if record.state == DONE else Pending()

    def _result_of(self, task: asyncio.Task[Done | Refused]) -> Done:
        try:
            result = task.result()
        except KafkaError:
            raise unavailable(
                "The log did not take the command. Send it again with its id: it takes effect once."
            ) from None
        if isinstance(result, Refused):
            raise self._problem(result)
        return result

    def _problem(self, refused: Refused) -> Problem:
        """What a caller is told of a refusal."""
        if refused.code in OWN_FAULTS or (refused.code == "future_time" and refused.timed_here):
            self.metrics.own_faults.inc()
            logger.error("the engine refused what the gateway added", code=refused.code)
            return Problem("internal", "The gateway wrote an input that the engine refuses; its log says why.")
        if refused.code == UNKNOWN_ACCOUNT:
            return no_such_account()
        return Problem(refused.code, refused.message)

    def _spawn(self, work: Coroutine[Any, Any, Done | Refused]) -> asyncio.Task[Done | Refused]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, KafkaError | TimeoutError):
            fail("a command failed", error)


def _is_doubtful(record: Record) -> bool:
    """Whether nobody can say if the log has the command: its gateway died in its write, or no broker answered. Sent
    again with its id it takes effect once.
    """
    return record.state == WRITING and record.until + LEASE_MS < time.time_ns() // 1_000_000

"""One command under way: it is written, its outcome is found, and Redis keeps it. It outlives its caller."""

import asyncio
from collections.abc import Sequence

import msgspec
import orjson
from aiokafka.errors import KafkaError

from gateway.commands.inputs import Prepared
from gateway.commands.kept import KEPT_MS, LEASE_MS, Claim, Kept
from gateway.commands.metrics import CommandMetrics
from gateway.log.outcome import Outcome, outcome
from gateway.log.reader import Begin, LogReader
from gateway.log.trace import Trace, version_of
from gateway.log.writer import Address, LogWriter
from gateway.settings import Settings
from stream import log
from stream.redis_connection import AwayError

logger = log.get("gateway.commands")

# A command that takes longer notes where it is, so that another gateway can find its outcome.
NOTE_AFTER_S = 0.25
# The views record within a second that they have passed the end of a quiet partition.
VIEWS_WITHIN_S, LOOK_EVERY_S = 2.0, 0.02
RENEW_S = LEASE_MS / 3_000


class Done(msgspec.Struct, frozen=True):
    """A command that took effect: the answer, and whether this very input did, or one before with its id."""

    answer: bytes
    repeat: bool


class Refused(msgspec.Struct, frozen=True):
    """A command that the engine refused. `timed_here`: the gateway had set its time."""

    code: str
    message: str
    timed_here: bool


class Running:
    """The work of one command: to write it and to find its outcome, or with `left` only the latter, for a gateway that
    died. `written` ends with the address, or with the error of the write.
    """

    def __init__(
        self, kept: Kept, metrics: CommandMetrics, account_id: str, input_id: str, claim: Claim | None
    ) -> None:
        self._kept, self._metrics = kept, metrics
        self._account_id, self._input_id, self._claim = account_id, input_id, claim
        self._timed_here = claim is not None and bool(claim.timed_here)
        self.written: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

    async def write(self, prepared: Prepared, writer: LogWriter, reader: LogReader) -> Done | Refused:
        """Raises KafkaError when the input may not be in the log, TimeoutError when nothing is known after a day."""
        self._timed_here = prepared.timed_here
        with self._metrics.open.track_inprogress(), Trace(reader, self._account_id, self._input_id) as trace:
            begin = reader.position(self._account_id)
            try:
                address = await writer.write(prepared.account_id, prepared.value, prepared.headers)
            except KafkaError as error:
                self._metrics.commands.labels("unwritten").inc()
                logger.info("a command was not acknowledged", type=prepared.type, error=repr(error))
                await self._release()
                self.written.cancel()
                raise
            return await self._conclude(await self._settle(reader, trace, address, begin), reader)

    async def resume(self, settings: Settings, address: Address, begin: Begin) -> Done | Refused:
        """Find the outcome of an input that a gateway has written and not followed to its end."""
        reader = LogReader(settings, begin=begin)
        with self._metrics.open.track_inprogress(), Trace(reader, self._account_id, self._input_id) as trace:
            await reader.start()
            try:
                return await self._conclude(await self._settle(reader, trace, address, begin), reader)
            finally:
                await reader.close()

    async def _settle(self, reader: LogReader, trace: Trace, address: Address, begin: Begin) -> Outcome:
        trace.written(address)
        self.written.set_result(address)
        loop = asyncio.get_running_loop()
        began_s, wait_s = loop.time(), NOTE_AFTER_S
        while True:
            found = await outcome(reader, trace, address, loop.time() + wait_s)
            if found is not None:
                self._metrics.seconds.observe(loop.time() - began_s)
                self._metrics.commands.labels(found.kind).inc()
                return found
            if loop.time() - began_s > KEPT_MS / 1_000:
                raise TimeoutError
            await self._note(address, begin)
            wait_s = RENEW_S

    async def _note(self, address: Address, begin: Begin) -> None:
        if self._claim is not None:
            try:
                await self._kept.written(self._claim, address, begin)
            except AwayError as error:
                logger.info("a command goes on without Redis", error=str(error))

    async def _release(self) -> None:
        if self._claim is not None:
            try:
                await self._kept.release(self._claim)
            except AwayError as error:
                logger.info("a command goes on without Redis", error=str(error))

    async def _conclude(self, found: Outcome, reader: LogReader) -> Done | Refused:
        if found.kind == "refused":
            refused = Refused(found.code, found.message, self._timed_here)
            await self._keep(refused)
            return refused
        version = found.version
        if version is None:
            version = await self._known_version(reader)
        done = Done(answer_of(self._input_id, found.kind, version, found.facts), found.kind == "repeat")
        await self._keep(done)
        return done

    async def _keep(self, result: Done | Refused) -> None:
        if self._claim is None:
            return
        try:
            if isinstance(result, Done):
                await self._kept.done(self._claim, self.written.result(), result.answer)
            else:
                await self._kept.refused(self._claim, result.code, result.message)
        except AwayError as error:
            logger.info("an answer is not kept", error=str(error))

    async def _known_version(self, reader: LogReader) -> int | None:
        """The account's version, from views that know at least what the reader does, or that are too far behind. None
        without views: the engine answers a repeat with nothing.
        """
        place, end = reader.next_snapshot(self._account_id)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + VIEWS_WITHIN_S
        try:
            while loop.time() < until_s:
                read = await self._kept.next_offset(place)
                if read is None or read >= end:
                    break
                await asyncio.sleep(LOOK_EVERY_S)
            snapshot = await self._kept.snapshot(self._account_id)
        except AwayError:
            return None
        return None if snapshot is None else version_of(snapshot)


def answer_of(input_id: str, kind: str, version: int | None, facts: Sequence[bytes]) -> bytes:
    """The answer to a command that took effect."""
    document = {"id": input_id, "outcome": kind, "version": version, "facts": [orjson.Fragment(one) for one in facts]}
    return orjson.dumps(document)

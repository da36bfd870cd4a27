"""Starts under way: each is written until the broker has it, and its decision is waited for. One per call."""

import asyncio
from collections.abc import Callable
from functools import partial

from aiokafka.errors import KafkaError

from agents.views.layout import DECISIONS
from gateway.gate.commits import Commits
from gateway.gate.decision import Decision, read_decided
from gateway.gate.metrics import GateMetrics
from gateway.gate.pending import CallKey, Pending
from gateway.gate.start import Start
from gateway.log.reader import LogReader, Seen, Watch
from gateway.log.writer import Address, LogWriter
from stream import log

logger = log.get("gateway")

# How long a start is tried that the broker does not acknowledge, and the pause after a failed try.
WRITE_FOR_S = 120.0
RETRY_S = 0.5
# The memory for starts that the broker does not have yet: more than 30 000 of the usual size.
UNWRITTEN_BYTES_MAX = 64 << 20
OVERHEAD_BYTES = 1_700
# Starts that the broker has and the engine has not decided: ten minutes of an engine that is away, at 200 calls a
# second. When there are more, the oldest is no longer waited for.
UNDECIDED_MAX = 120_000
# A stop waits this long for the broker. Closing the writer then waits for the tries under way.
STOP_S = 2.5


class _Account:
    """The pending starts of one account, by call. They share one watch."""

    __slots__ = ("pending", "watch")

    def __init__(self) -> None:
        self.pending: dict[str, Pending] = {}
        self.watch: Watch | None = None


Ended = Callable[[Pending, Decision | None], None]


class Starts:
    """Writes starts and waits for their decisions. `ended` is called once for each one, with None for a start that is
    given up.
    """

    def __init__(
        self, writer: LogWriter, reader: LogReader, commits: Commits, metrics: GateMetrics, ended: Ended
    ) -> None:
        self._writer, self._reader, self._commits, self._metrics = writer, reader, commits, metrics
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._accounts: dict[str, _Account] = {}
        self._unwritten: set[Pending] = set()
        self._unwritten_bytes = 0
        self._undecided: dict[Pending, None] = {}  # Those that the broker has, oldest first.
        self._all_written = asyncio.Event()
        self._all_written.set()
        metrics.unwritten.set_function(lambda: len(self._unwritten))
        metrics.undecided.set_function(lambda: len(self._undecided))

    def find(self, call: CallKey) -> Pending | None:
        account = self._accounts.get(call.account_id)
        return None if account is None else account.pending.get(call.call_id)

    def begin(self, start: Start, policy: Decision | None) -> Pending | None:
        """Write the start of a call that is not pending. None when too many are unwritten. `policy` is what the call
        was answered before.
        """
        size = len(start.value) + OVERHEAD_BYTES
        if self._unwritten_bytes + size > UNWRITTEN_BYTES_MAX:
            self._metrics.given_up.labels("memory").inc()
            return None
        pending = Pending(start, policy, self._loop.create_future(), self._loop.time() + WRITE_FOR_S)
        account = self._accounts.setdefault(start.account_id, _Account())
        account.pending[start.call_id] = pending
        if account.watch is None:  # Before the write, so that it sees everything that the write causes.
            account.watch = self._reader.watch(start.account_id, partial(self._read, account))
        self._unwritten.add(pending)
        self._unwritten_bytes += size
        self._all_written.clear()
        self._write(pending)
        return pending

    def settle(self, pending: Pending, decision: Decision | None) -> None:
        """The decision is known; None gives the start up."""
        if pending.decided.done():
            return
        self._commits.forget(pending)
        self._undecided.pop(pending, None)
        account_id, call_id = pending.call
        account = self._accounts[account_id]
        del account.pending[call_id]
        if not account.pending and account.watch is not None:
            account.watch.close()
            del self._accounts[account_id]
        self._ended(pending, decision)
        pending.decided.set_result(decision)

    async def close(self) -> None:
        """Wait until the broker has all starts, at most STOP_S, and give up the rest."""
        try:
            async with asyncio.timeout(STOP_S):
                await self._all_written.wait()
        except TimeoutError:
            logger.warning("starts of calls were not written", starts=len(self._unwritten))
        for pending in tuple(self._unwritten):
            self._give_up(pending, "stop")
        for pending in tuple(self._undecided):
            self.settle(pending, None)

    def _write(self, pending: Pending) -> None:
        if pending in self._unwritten:
            writing = self._writer.write(pending.call.account_id, pending.value)
            writing.add_done_callback(partial(self._answered, pending))

    def _answered(self, pending: Pending, writing: asyncio.Future[Address]) -> None:
        """The broker has the start, or has not answered in time: then the start is written again. If the log has both,
        the engine recognises the second by its id.
        """
        if pending not in self._unwritten or writing.cancelled():
            return
        error = writing.exception()
        if error is None:
            self._acknowledged(pending, writing.result())
        elif not isinstance(error, KafkaError):
            raise error
        elif pending.decided.done():  # By the start that another process has written.
            self._no_longer_unwritten(pending)
        elif self._loop.time() + RETRY_S > pending.until_s:
            self._give_up(pending, "broker")
        else:
            self._loop.call_later(RETRY_S, self._write, pending)

    def _acknowledged(self, pending: Pending, address: Address) -> None:
        self._no_longer_unwritten(pending)
        pending.address, pending.acknowledged_s = address, self._loop.time()
        if pending.decided.done():  # Its decision was read before the broker's answer.
            return
        self._undecided[pending] = None
        self._commits.expect(pending)
        if len(self._undecided) > UNDECIDED_MAX:
            self._metrics.given_up.labels("undecided").inc()
            self.settle(next(iter(self._undecided)), None)

    def _give_up(self, pending: Pending, why: str) -> None:
        self._metrics.given_up.labels(why).inc()
        self._no_longer_unwritten(pending)
        self.settle(pending, None)

    def _no_longer_unwritten(self, pending: Pending) -> None:
        self._unwritten.remove(pending)
        self._unwritten_bytes -= len(pending.value) + OVERHEAD_BYTES
        pending.value = b""
        if not self._unwritten:
            self._all_written.set()

    def _read(self, account: _Account, seen: Seen) -> None:
        """Take a decision about one of the account's calls, whichever start it answers. One that leaves no trace
        answers its own start alone: ours is decided anew.
        """
        decided = read_decided(seen.value) if seen.topic == DECISIONS and seen.value is not None else None
        pending = None if decided is None else account.pending.get(decided.call_id)
        if decided is None or pending is None:
            return
        if decided.decision.kept or decided.caused_by == pending.input_id:
            self.settle(pending, decided.decision)

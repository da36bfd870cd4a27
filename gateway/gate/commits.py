"""Finds starts that the engine has taken without a decision: those of calls that were reported before."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from aiokafka.errors import KafkaError

from agents.views.layout import DECISIONS
from gateway.gate.pending import Pending
from gateway.log.reader import LogReader
from stream.failures import fail

# A decision usually comes sooner than this; only later the engine's offset is asked for.
LATE_S = 0.05
# How often it is asked for, from the first time on, and while it does not move.
ASK_EVERY_S = 0.05
ASK_EVERY_MAX_S = 0.5

Taken = Callable[[Pending, int], None]


class Commits:
    """Calls `taken` with each expected start that the engine has committed and not decided, and with the end of the
    partition's decisions, all of which have been read.
    """

    def __init__(self, reader: LogReader, taken: Taken) -> None:
        self._reader, self._taken = reader, taken
        self._expected: defaultdict[int, dict[Pending, int]] = defaultdict(dict)
        self._asking: dict[int, asyncio.Task[None]] = {}

    def expect(self, pending: Pending) -> None:
        """Wait for the commit of a start that the broker has acknowledged."""
        assert pending.address is not None
        partition, offset = pending.address
        self._expected[partition][pending] = offset
        if partition not in self._asking:
            self._asking[partition] = asyncio.create_task(self._ask(partition))
            self._asking[partition].add_done_callback(end_with)

    def forget(self, pending: Pending) -> None:
        if pending.address is not None:
            self._expected[pending.address[0]].pop(pending, None)

    async def close(self) -> None:
        tasks = tuple(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, partition: int) -> None:
        """Runs while a start of the partition is expected."""
        expected, every_s, before = self._expected[partition], ASK_EVERY_S, -1
        now_s = asyncio.get_running_loop().time
        while expected:
            early_s = next(iter(expected)).acknowledged_s + LATE_S - now_s()
            if early_s > 0:
                await asyncio.sleep(early_s)
                continue
            committed = before
            try:
                # After a restart the broker may name an offset before the last one: then it is not known yet.
                committed = max(before, await self._reader.committed(partition))
                await self._take(partition, expected, committed)
            except KafkaError:  # It is away; the reader and the writer say so.
                committed = before
            every_s = ASK_EVERY_S if committed > before else min(2 * every_s, ASK_EVERY_MAX_S)
            before = committed
            await asyncio.sleep(every_s)
        del self._asking[partition]

    async def _take(self, partition: int, expected: dict[Pending, int], committed: int) -> None:
        due = [pending for pending, offset in expected.items() if offset < committed]
        if not due:
            return
        ends = await self._reader.ends(partition)
        await self._reader.passed(partition, ends)
        for pending in due:
            if expected.pop(pending, None) is not None:
                self._taken(pending, ends[DECISIONS])


def end_with(task: asyncio.Task[None]) -> None:
    """End the process with a task that fails: nobody would notice that it is gone."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        fail("the gate failed", error)

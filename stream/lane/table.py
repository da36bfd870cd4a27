"""The account table: rows in memory, one dictionary per partition, restored from the changelog before consumption."""

import asyncio
import gc
from collections.abc import Collection, Coroutine, Sequence
from time import monotonic
from typing import Any, NoReturn, TypeVar

import faust
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from schemas.currencies import CatalogueError
from schemas.rows import CorruptRowError
from stream import log, topics
from stream.evidence import EvidenceError, committed_record
from stream.fail_stop import Exit, halt
from stream.failures import fail
from stream.lane.changelog import Bounds, Changelog, LedgerPartition, opened
from stream.lane.commit_errors import CommitError, FencedError, end
from stream.lane.takeover import STATE_LOST, Found, How, Start, missing_state

logger = log.get("table")

T = TypeVar("T")


class LedgerTable(faust.Table):  # type: ignore[misc]  # Faust has no types
    """A table whose rows change only through a committed transaction (`apply`)."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.owned: dict[int, LedgerPartition] = {}

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Take over the assigned partitions. Faust waits for this before it consumes. Raises nothing: any error ends
        the worker.
        """
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        self.app.forget_fetched()
        await self.own({tp.partition for tp in assigned if self.app.is_input(tp)})

    async def own(self, wanted: set[int]) -> None:
        """Become the only writer of exactly these partitions, and restore their rows."""
        for partition in set(self.owned) - wanted:
            await self._release(partition)
        try:
            # Fences every partition again, also one that this worker kept: another worker may have owned it meanwhile.
            await asyncio.gather(*(self._fence(partition) for partition in wanted))
            if wanted:
                async with opened(self.app) as changelog:
                    await self._take_over(changelog, sorted(wanted))
        except (FencedError, CommitError) as error:
            end(error, "worker", partitions=sorted(wanted))
        except KafkaError as error:
            fail("the partitions could not be taken over", error, partitions=sorted(wanted))
        except EvidenceError as error:
            halt("a topic could not be read", status=Exit.PASSING, error=str(error))
        self.app.on_owned(wanted)

    async def _fence(self, partition: int) -> None:
        """Open a new writer for the partition, which shuts out all earlier ones."""
        ledger = self.owned.setdefault(partition, LedgerPartition())
        if ledger.writer is not None:
            await ledger.writer.close()
        ledger.writer = await self.app.new_writer(partition)
        await ledger.writer.fence()

    async def _take_over(self, changelog: Changelog, partitions: list[int]) -> None:
        """Restore the rows, then determine the start offset of each partition."""
        app = self.app
        bounds, inputs = await changelog.bounds(app.changelog, app.input_topic, partitions=partitions)
        for partition, ledger in self.owned.items():
            if bounds[partition].begin > 0:
                self._refuse(partition, "the changelog has lost its beginning", first_offset=bounds[partition].begin)
            ledger.changelog_end = bounds[partition].end
        # If the changelog still ends at the end of our last commit, no one else has written since.
        stale = [p for p in partitions if not self.owned[p].open or self.owned[p].written_end != bounds[p].end]
        await self._restore(changelog, stale)
        starts = await self._with_heartbeats(self._starts(inputs))
        facts = topics.fact_topics(app.settings)
        new = [TopicPartition(topic, p) for topic in facts for p in partitions if starts[p].how is How.NEW]
        evidence = committed_record(app.settings.connection, f"{app.conf.id}-evidence", new)
        if (used := await self._with_heartbeats(evidence)) is not None:
            self._refuse(
                used.partition,
                "the changelog is empty though the topics carry events: its state is lost, or they belong to"
                " another app id",
                topic=used.topic,
            )
        for partition, start in starts.items():
            self._set_start(partition, start, inputs[partition])

    async def _starts(self, inputs: dict[int, Bounds]) -> dict[int, Start]:
        """Determine the start offset of each partition; a refusal ends the worker."""
        found = {
            partition: Found(
                row=None if ledger.checkpoint is None else ledger.checkpoint.next_offset,
                empty=not ledger.rows,
                inputs_begin=inputs[partition].begin,
            )
            for partition, ledger in self.owned.items()
        }
        queried = await asyncio.gather(
            *(ledger.writer.find_start(found[p]) for p, ledger in self.owned.items() if ledger.writer is not None)
        )
        starts = {}
        for partition, (decided, group) in zip(self.owned, queried, strict=True):
            if not isinstance(decided, Start):
                self._refuse(partition, decided.reason, group_offset=group, row_offset=found[partition].row)
            starts[partition] = decided
            logger.info(
                "partition taken over",
                partition=partition,
                how=decided.how,
                next_offset=decided.offset,
                group_offset=group,
            )
        return starts

    def _set_start(self, partition: int, start: Start, inputs: Bounds) -> None:
        if start.offset < inputs.begin:
            halt(
                "inputs were deleted before they were processed",
                status=Exit.PERSON,
                topic=self.app.input_topic,
                partition=partition,
                next_offset=start.offset,
                first_offset_kept=inputs.begin,
            )
        if start.offset > inputs.end:
            self._refuse(partition, "the inputs have lost their end", next_offset=start.offset, inputs_end=inputs.end)
        self.owned[partition].next_offset = start.offset
        self.app.metrics.taken_over(start.how)

    def _refuse(self, partition: int, reason: str, **fields: Any) -> NoReturn:
        """End the worker: state is lost, and a person must recover it before anything is charged."""
        halt(reason, status=Exit.PERSON, changelog=self.app.changelog, partition=partition, see=STATE_LOST, **fields)

    async def _with_heartbeats(self, work: Coroutine[Any, Any, T]) -> T:
        """Send heartbeats while `work` runs: during the rebalance callback nothing else sends them."""
        task = asyncio.ensure_future(work)
        while not (await asyncio.wait((task,), timeout=self.app.conf.broker_heartbeat_interval))[0]:
            await self.app.consumer.keep_alive()
        return await task

    async def _release(self, partition: int) -> None:
        ledger = self.owned.pop(partition)
        self._close(partition, ledger)
        if ledger.writer is not None:
            await ledger.writer.close()

    def _close(self, partition: int, ledger: LedgerPartition) -> None:
        if ledger.open:
            self.app.wallets.close(partition)
        ledger.open = False
        ledger.forget()

    async def _restore(self, changelog: Changelog, partitions: Collection[int]) -> None:
        began = monotonic()
        stale = {partition: self.owned[partition] for partition in partitions}
        for partition, ledger in stale.items():
            self._close(partition, ledger)
        rows = await changelog.read(stale)
        for partition, ledger in stale.items():
            ledger.written_end = ledger.changelog_end
            # In a separate thread: a large table takes longer than the group and the watchdog wait.
            await self._with_heartbeats(asyncio.to_thread(self._open, partition))
        # Rows live until they are replaced, so the collector need not scan them.
        gc.freeze()
        seconds = monotonic() - began
        self.app.metrics.restored(rows, seconds)
        logger.info("restored", partitions=sorted(stale), rows=rows, seconds=round(seconds, 3))

    def _open(self, partition: int) -> None:
        """Pass the rows to the wallets and compare both with the checkpoint."""
        ledger = self.owned[partition]
        try:
            self.app.wallets.open(partition, ledger.rows)
        except (CatalogueError, CorruptRowError) as error:
            halt("the wallets cannot be opened", status=Exit.PERSON, partition=partition, error=str(error))
        ledger.open = True
        if ledger.checkpoint is not None:
            missing = missing_state(ledger.checkpoint, len(ledger.rows), self.app.wallets.balances(partition))
            if missing:
                self._refuse(partition, f"state is lost: {missing}")

    async def reopen(self, partition: int) -> None:
        """Reset the wallets to the committed rows and discard all later decisions.

        Other partitions continue meanwhile.
        """
        self.app.wallets.close(partition)
        await asyncio.to_thread(self._open, partition)

    def apply(self, partition: int, rows: Sequence[tuple[str, bytes | None]]) -> None:
        """Apply the rows of a committed transaction. Rows change in no other way."""
        current = self.owned[partition].rows
        for key, value in rows:
            if value is None:
                current.pop(key, None)
            else:
                current[key] = value

    def persisted_offset(self, tp: TP) -> int | None:
        """The last restored offset, so that Faust's own recovery, which reads record by record, has nothing to do."""
        ledger = self.owned.get(tp.partition)
        return None if ledger is None else ledger.changelog_end - 1

    def on_key_set(self, key: Any, value: Any) -> NoReturn:  # noqa: ARG002 Faust's signature
        raise RuntimeError(f"{self.name}: a row changes only in a batch's transaction")

    def on_key_del(self, key: Any) -> NoReturn:  # noqa: ARG002 Faust's signature
        raise RuntimeError(f"{self.name}: a row changes only in a batch's transaction")

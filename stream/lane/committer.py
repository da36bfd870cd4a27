"""Decides a batch and commits its changelog rows, facts and input offset in one transaction."""

import time
from functools import cached_property
from hashlib import sha256
from typing import Any

from agents.wallet.dead_letter import UNREADABLE, add_letter, unreadable_letter
from schemas import rows
from schemas.batch import BatchResult, Record, UnreadableRecord
from stream import log, topics
from stream.fail_stop import Exit, halt
from stream.lane.buffer import Batch
from stream.lane.changelog import CHECKPOINT_BYTES, LedgerPartition, next_checkpoint
from stream.lane.commit_errors import CommitError, ContentError, FencedError, end
from stream.lane.transaction import Entry

logger = log.get("wallet")

WHY_NO_CONTENT = "the broker refuses to store the record's outcome: read the record at its topic, partition and offset"


class BatchCommitter:
    """Processes the batches of the partitions that a worker owns. Every error except ContentError ends the process."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def process(self, batch: Batch, *, timed: bool = True) -> None:
        """Decide a batch and commit it. A batch without records only does timed work and keeps the input offset.

        If the broker refuses the content of a batch, the batch is processed again without timed work, then in halves.
        """
        ledger = self._app.rows.owned.get(batch.partition)
        if ledger is None or ledger.writer is None or batch.begin != ledger.next_offset:
            halt(
                "a batch does not begin where the one before ended",
                partition=batch.partition,
                offset=batch.begin,
                expected_offset=None if ledger is None else ledger.next_offset,
            )
        began = time.perf_counter()
        result = self._app.wallets.decide(batch.partition, batch.records, timed=timed)
        try:
            await self.commit(ledger, batch, result, time.perf_counter() - began)
        except ContentError as error:
            await self._roll_back(ledger, batch)
            await self._process_refused(ledger, batch, error, timed=timed)

    async def _process_refused(
        self, ledger: LedgerPartition, batch: Batch, refused: ContentError, *, timed: bool
    ) -> None:
        """Narrow a refused batch down to the one record that the broker refuses, which becomes a dead letter."""
        where = {"partition": batch.partition, "offset": batch.begin, "topics": refused.topics, "error": refused.error}
        logger.warning("a batch was refused for its content", end=batch.end, records=len(batch.records), **where)
        if not batch.records:
            halt("an event of timed work was refused for its content", status=Exit.PERSON, **where)
        if timed:
            await self.process(batch, timed=False)
        elif len(batch.records) > 1:
            for half in batch.halves():
                await self.process(half, timed=False)
                self._app.buffers[batch.partition].commits += 1
        else:
            await self._commit_dead_letter(ledger, batch, where)

    async def _commit_dead_letter(self, ledger: LedgerPartition, batch: Batch, where: dict[str, Any]) -> None:
        try:
            await self.commit(ledger, batch, letter_without_content(batch.records[0]), 0.0)
        except ContentError as error:
            halt(
                "the broker refused even the dead letter of a record: check `max.message.bytes` of the topics named",
                status=Exit.PERSON,
                **{**where, "topics": error.topics, "error": error.error},
            )

    async def _roll_back(self, ledger: LedgerPartition, batch: Batch) -> None:
        """Abort the transaction of a refused batch and discard its decisions."""
        assert ledger.writer is not None
        try:
            await ledger.writer.abort()
        except (FencedError, CommitError) as error:
            end(error, "worker", partition=batch.partition)
        await self._app.rows.reopen(batch.partition)
        # Counts as progress for the watchdog. It has an end, because a batch can only be halved so often.
        self._app.buffers[batch.partition].commits += 1

    async def commit(self, ledger: LedgerPartition, batch: Batch, result: BatchResult, decide_s: float) -> None:
        """Commit a decided batch. Raises ContentError; any other failure ends the worker."""
        assert ledger.writer is not None
        app, began = self._app, time.perf_counter()
        checkpoint = next_checkpoint(ledger, batch.end, result, app.wallets.balances(batch.partition))
        value = rows.encode_row(rows.CHECKPOINT_KEY, checkpoint, ledger.checkpoint_bytes)
        try:
            ends = await ledger.writer.commit(self._entries(result, value), batch.end)
        except ContentError:
            raise
        except (FencedError, CommitError) as error:
            end(error, "worker", partition=batch.partition)
        app.rows.apply(batch.partition, result.rows)
        ledger.checkpoint, ledger.checkpoint_bytes = checkpoint, value
        ledger.next_offset = batch.end
        # The commit marker takes one offset.
        ledger.written_end = ends[app.changelog] + 1 if app.changelog in ends else -1
        app.record_time(batch.partition, result)
        commit_s = time.perf_counter() - began
        app.metrics.committed(batch, result, decide_s, commit_s, time.time_ns() // 1_000_000)
        for account_id, plan in result.dropped_plans:
            logger.warning(
                "a scheduled plan change was dropped: the catalogue no longer has the plan in the account's currency",
                partition=batch.partition,
                account_id=account_id,
                plan=plan,
            )
        logger.debug(
            "batch",
            partition=batch.partition,
            begin=batch.begin,
            end=batch.end,
            records=len(batch.records),
            rows=len(result.rows),
            outputs=len(result.outputs),
            decide_ms=round(decide_s * 1_000, 2),
            commit_ms=round(commit_s * 1_000, 2),
        )

    def _entries(self, result: BatchResult, checkpoint: bytes) -> dict[str, list[Entry]]:
        changed: list[Entry] = [(key.encode(), value, []) for key, value in result.rows]
        # The checkpoint comes last, so that a restore reads the rows before the row that counts them.
        entries: dict[str, list[Entry]] = {self._app.changelog: [*changed, (CHECKPOINT_BYTES, checkpoint, [])]}
        for output in result.outputs:
            entry = (output.key, output.value, list(output.headers))
            entries.setdefault(self._names[output.topic], []).append(entry)
        return entries

    @cached_property
    def _names(self) -> dict[str, str]:
        """Name on the cluster of each output topic of the contract."""
        outputs = (topic.name for topic in topics.CONTRACT if topic.name != topics.INPUTS)
        return {name: self._app.settings.topic(name) for name in outputs}


def letter_without_content(record: Record) -> BatchResult:
    """The result of a batch of this one record when the broker refuses its decided result: a dead letter with the
    record's address and with the size and SHA-256 of its value, but none of its content.
    """
    value = record.value or b""
    digest = sha256(value).hexdigest()
    unreadable = UnreadableRecord(
        record.topic, record.partition, record.offset, record.timestamp, len(value), digest, WHY_NO_CONTENT, "value"
    )
    result = BatchResult()
    add_letter(result, record, UNREADABLE, unreadable_letter(unreadable))
    return result

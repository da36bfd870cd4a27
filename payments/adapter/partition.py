"""One partition of payments: reads requests, calls the provider, commits rows, answers and offset in one transaction.

The row of a payment is committed, with the request's offset, before the provider is called, so no call is ever
forgotten. After a crash the partition's next owner finds the payment open and executes it again under the same id. The
answer is committed in one transaction with the row that records it, so each payment is answered once. So is a reversal,
which is only looked for after the answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from payments.adapter import topics
from payments.adapter.calls import Calls
from payments.adapter.changes import Changes
from payments.adapter.entries import Destination, entries
from payments.adapter.listing import Listing
from payments.adapter.metrics import Metrics
from payments.adapter.refusals import Refusals
from payments.adapter.restore import Restored, halt_on_lost_state, restore
from payments.adapter.schedule import Schedule
from payments.outcome import Provider, Unknown
from payments.payment_state import PaymentState
from payments.reversal import Looked
from payments.settings import Settings
from schemas.instant import SECOND_MS
from schemas.rows import CHECKPOINT_KEY, Checkpoint
from schemas.rows import encode_row as encode_checkpoint
from stream import log
from stream.evidence import committed_record
from stream.fail_stop import Exit, halt
from stream.lane.takeover import Found, How, Refusal, Start
from stream.lane.transaction import PartitionWriter

logger = log.get("payments")

POLL_MS = 1_000
RECORDS_A_POLL_MAX = 500
# Open payments held by one partition. Only an outage of the provider reaches it; then requests wait in Kafka.
OPEN_MAX = 10_000
FULL_PAUSE_S = 0.5
# How long a stop waits for provider calls in flight; the next owner executes the others again.
GRACE_S = 5.0

CommitOffset = Callable[[TopicPartition, int], Awaitable[None]]


class Partition:
    """The payments of one partition for one assignment.

    `slots` limits the provider calls in flight across all partitions. `commit_notes` commits the offset of the webhook
    notes; without it they are only read again.
    """

    def __init__(
        self,
        number: int,
        settings: Settings,
        provider: Provider,
        metrics: Metrics,
        slots: asyncio.Semaphore,
        commit_notes: CommitOffset,
    ) -> None:
        self.open: dict[str, PaymentState] = {}
        self.refused = Refusals()
        self.ready = False
        self.requests = TopicPartition(settings.topic(topics.REQUESTS), number)
        self.notes = TopicPartition(topics.webhooks(settings), number)
        self._settings, self._metrics = settings, metrics
        self._commit_notes = commit_notes
        self._rows_place = TopicPartition(topics.rows(settings), number)
        self._destination = Destination(
            rows_topic=self._rows_place.topic,
            answers_topic=settings.topic(topics.ANSWERS),
            key=next(iter(settings.keys()), None),
            by_ticks=settings.simulation,
        )
        self._rows: dict[str, PaymentState] = {}
        self._checkpoint_bytes: bytes | None = None
        self._schedule = Schedule(self._rows)
        self._listing = Listing(0, None, (), 0)  # The true one needs the restored rows.
        self._fetched: list[ConsumerRecord] = []
        self._read_to: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._wake_up = asyncio.Event()
        self._calls = Calls(provider, slots, metrics.provider_seconds, self._wake_up.set)
        self._stopping = False

    async def run(self, writer: PartitionWriter, consumer: AIOKafkaConsumer, notes_from: int | None) -> None:
        """Serve until `stop`. Raises FencedError, CommitError and ProviderAccessError, which all end the process."""
        await self._take_over(writer, consumer, notes_from)
        reading = asyncio.create_task(self._read(consumer))
        try:
            while not self._stopping:
                expired = self._execute_due()
                await self._commit(writer, expired)
                await self._wait_for_work(reading)
            await self._calls.wait(GRACE_S)
            await self._commit(writer, [])
        finally:
            reading.cancel()
            self._calls.cancel()

    def stop(self) -> None:
        """Start no provider call, commit the outcomes received within GRACE_S, and end."""
        self._stopping = True
        self._wake_up.set()

    async def _take_over(self, writer: PartitionWriter, consumer: AIOKafkaConsumer, notes_from: int | None) -> None:
        """Fence the previous owner, then read the rows, then find the next request, in this order."""
        await writer.fence()
        restored = await restore(consumer, self._rows_place)
        self._apply(restored.rows)
        self._checkpoint_bytes = restored.checkpoint_bytes
        every_ms = self._settings.payments_look_every_s * SECOND_MS
        self._listing = Listing(every_ms, restored.listed, self._rows.values(), _now_ms())
        first = await consumer.beginning_offsets([self.requests, self.notes])
        start = await self._find_start(writer, restored, first[self.requests])
        begin = start.offset
        if begin < first[self.requests]:
            halt(
                "payment requests were deleted before they were read",
                status=Exit.PERSON,
                partition=self.requests.partition,
                next_offset=begin,
                first_offset_kept=first[self.requests],
            )
        self._committed = {self.requests: begin, self.notes: max(notes_from or 0, first[self.notes])}
        self._read_to = dict(self._committed)
        consumer.assign(list(self._committed))
        for place, offset in self._committed.items():
            consumer.seek(place, offset)
        self.ready = True
        logger.info(
            "partition taken over",
            partition=self.requests.partition,
            how=start.how,
            next_offset=begin,
            open=len(self.open),
        )

    async def _find_start(self, writer: PartitionWriter, restored: Restored, first: int) -> Start:
        """The next request offset: of the partition's own row, or of the consumer group if there is no such row."""
        row = None if restored.checkpoint is None else restored.checkpoint.next_offset
        decided, group = await writer.find_start(Found(row=row, empty=not restored.records, inputs_begin=first))
        if isinstance(decided, Refusal):
            if group is None or restored.records or await self._has_requests(group):
                halt_on_lost_state(decided.reason, self._rows_place, group_offset=group, row_offset=row)
            # State of an earlier version: the group has passed aborted requests and nothing else.
            return Start(How.NO_ROW, group)
        return decided

    async def _has_requests(self, before: int) -> bool:
        """Whether there is a committed request below offset `before`."""
        settings = self._settings
        places = [self.requests]
        limits = {self.requests: before}
        name = f"{settings.group}-evidence"
        return await committed_record(settings.connection, name, places, limits) is not None

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            if len(self._fetched) + len(self.open) >= OPEN_MAX:
                await asyncio.sleep(FULL_PAUSE_S)
                continue
            try:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_A_POLL_MAX)
            except OffsetOutOfRangeError as error:
                reason = "payment requests were deleted before they were read, or the log lost its end"
                halt(reason, status=Exit.PERSON, error=str(error))
            for records in fetched.values():
                self._fetched.extend(records)
            # Positions, not the last records' offsets: transaction markers follow those, and the lag must reach 0.
            for place in self._read_to:
                self._read_to[place] = await consumer.position(place)
            if self._read_to != self._committed:
                self._wake_up.set()

    async def _wait_for_work(self, reading: asyncio.Task[None]) -> None:
        """Until a record or an outcome arrives, the next row or listing is due, or `stop` is called."""
        due_ms = [self._schedule.next_due_ms() if self._has_capacity() else None]
        due_ms.append(None if self._calls.listing else self._listing.due_ms)
        next_ms = min((one for one in due_ms if one is not None), default=None)
        timeout_s = None if next_ms is None else max(0.0, (next_ms - _now_ms()) / 1_000)
        woken = asyncio.create_task(self._wake_up.wait())
        await asyncio.wait((reading, woken), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        if reading.done():
            reading.result()

    def _has_capacity(self) -> bool:
        return len(self._calls) < self._settings.payments_in_flight_max

    def _execute_due(self) -> list[str]:
        """Start the provider calls that are due, as many as may be in flight. Returns the answered payments that are
        due for removal.
        """
        now_ms = _now_ms()
        expired = []
        while self._has_capacity() and (payment := self._schedule.pop_due(now_ms)) is not None:
            if not payment.is_open and payment.kept_until_ms <= now_ms:
                expired.append(payment.payment_id)
            elif payment.payment_id in self._calls:
                continue  # Its outcome makes it due again.
            elif payment.is_open:
                original = self._rows.get(payment.refund_of or "")
                refunded = original.reference if original is not None and original.status == "succeeded" else None
                self._calls.execute(payment, refunded, now_ms)
            else:
                self._calls.look(payment, now_ms)
        if not self._calls.listing and self._listing.due_ms <= now_ms:
            self._calls.list_reversed(self._listing.since_ms, now_ms)
        return expired

    async def _commit(self, writer: PartitionWriter, expired: list[str]) -> None:
        """Commit everything since the last commit in one transaction."""
        self._wake_up.clear()
        read_to = dict(self._read_to)
        changes = self._collect_changes(expired)
        if changes.changed or changes.listed or read_to[self.requests] != self._committed[self.requests]:
            checkpoint = self._checkpoint(changes, read_to[self.requests])
            await writer.commit(entries(changes, checkpoint, self._destination), read_to[self.requests])
            self._apply(changes.changed)
            if changes.listed is not None:
                self._listing.succeeded(changes.listed, _now_ms())
            self._checkpoint_bytes = checkpoint
            self._count(changes)
        if read_to[self.notes] != self._committed[self.notes]:
            await self._commit_notes(self.notes, read_to[self.notes])
        self._committed = read_to

    def _collect_changes(self, expired: list[str]) -> Changes:
        changes = Changes(self._rows, _now_ms())
        fetched, self._fetched = self._fetched, []
        for record in fetched:
            if record.topic == self.notes.topic:
                changes.add_note(record.value)
                continue
            problem = changes.add_request(record, self.requests.partition, self._settings.partitions)
            if problem is not None:
                where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
                logger.error("payment request not accepted", reason=problem, **where)
        self._collect_calls(changes)
        for payment_id in expired:
            changes.forget(payment_id)
        return changes

    def _collect_calls(self, changes: Changes) -> None:
        for payment, outcome in self._calls.take_ended():
            self.refused.note(payment, outcome)
            if isinstance(outcome, Looked) or (isinstance(outcome, Unknown) and not payment.is_open):
                changes.add_look(payment, outcome)
            else:
                changes.add_outcome(payment, outcome)
        began_ms, listed = self._calls.take_listed() or (0, None)
        if listed is None:
            return
        self.refused.note_listing(listed)
        if isinstance(listed, Unknown):
            self._metrics.looks.labels("unknown").inc()
            self._listing.failed(_now_ms())
        else:
            changes.tally["looks", "listed"] += 1
            changes.add_listed(began_ms, listed)

    def _checkpoint(self, changes: Changes, end: int) -> bytes:
        """The partition's own row after the changes are committed up to request offset `end`."""
        grown = sum((row is not None) - (name in self._rows) for name, row in changes.changed.items())
        return encode_checkpoint(CHECKPOINT_KEY, Checkpoint(end, len(self._rows) + grown), self._checkpoint_bytes)

    def _apply(self, rows: Mapping[str, PaymentState | None]) -> None:
        """Replace rows in memory with committed ones. Nothing else changes a row."""
        for payment_id, row in rows.items():
            self.open.pop(payment_id, None)
            if row is None:
                self._rows.pop(payment_id, None)
                continue
            self._rows[payment_id] = row
            self._schedule.add(row)
            if row.is_open:
                self.open[payment_id] = row

    def _count(self, changes: Changes) -> None:
        self._metrics.count(changes.tally)
        logger.debug(
            "batch",
            partition=self.requests.partition,
            rows=len(changes.changed),
            answers=len(changes.answered),
            reversals=len(changes.reversed),
            open=len(self.open),
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""One partition of payments: reads what is asked, asks the provider, and commits rows, answers and offset as one.

A row is committed before the provider is asked, so nothing that was asked can be forgotten, and the request's offset
with it. Killed at any point, the next one to own the partition finds the payment open and asks again under the same
id; the answer and the row that says so are in one transaction, so there is one answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from payments import topics
from payments.answer import answer_bytes, answer_id, signed
from payments.batch import Batch
from payments.metrics import Metrics
from payments.outcome import Outcome, Provider, Unknown
from payments.payment import Payment, encode_row
from payments.restore import restore
from payments.schedule import Schedule
from payments.settings import Settings
from stream import log
from stream.fail_stop import halt
from stream.transaction import Entry, PartitionWriter

logger = log.get("payments")

POLL_MS = 1_000
RECORDS_A_POLL_MAX = 500
# Open payments held by one partition; with more of them, which is a provider that is down, requests wait in Kafka.
OPEN_MAX = 10_000
FULL_PAUSE_S = 0.5
# A payment under way when the partition is given up may still be answered; else the next owner asks again.
GRACE_S = 5.0

Remember = Callable[[TopicPartition, int], Awaitable[None]]


class Partition:
    """The payments of one partition for one assignment. `slots` bounds what all partitions ask at once; `notes_seen`
    remembers how far webhook notes were read, without which they are only read again.
    """

    def __init__(
        self,
        number: int,
        settings: Settings,
        provider: Provider,
        metrics: Metrics,
        slots: asyncio.Semaphore,
        notes_seen: Remember,
    ) -> None:
        self.open: dict[str, Payment] = {}
        self.ready = False
        self.requests = TopicPartition(settings.topic(topics.REQUESTS), number)
        self.notes = TopicPartition(topics.webhooks(settings), number)
        self._settings, self._provider, self._metrics, self._slots = settings, provider, metrics, slots
        self._notes_seen = notes_seen
        self._rows_topic, self._answers_topic = topics.rows(settings), settings.topic(topics.ANSWERS)
        self._key = next(iter(settings.keys()), None)
        self._rows: dict[str, Payment] = {}
        self._schedule = Schedule(self._rows)
        self._asking: dict[str, asyncio.Task[tuple[Payment, Outcome]]] = {}
        self._fetched: list[ConsumerRecord] = []
        self._read_to: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._news = asyncio.Event()
        self._stopping = False

    async def run(self, writer: PartitionWriter, consumer: AIOKafkaConsumer, notes_from: int | None) -> None:
        """Until `stop`. Raises FencedError, CommitError and ProviderRefusesError, which all end the process."""
        await self._take_over(writer, consumer, notes_from)
        reading = asyncio.create_task(self._read(consumer))
        try:
            while not self._stopping:
                expired = self._ask_due()
                await self._commit(writer, expired)
                await self._wait_for_news(reading)
            if self._asking:
                await asyncio.wait(self._asking.values(), timeout=GRACE_S)
            await self._commit(writer, [])
        finally:
            for task in (reading, *self._asking.values()):
                task.cancel()

    def stop(self) -> None:
        """Ask no more, commit what has come back, end."""
        self._stopping = True
        self._news.set()

    async def _take_over(self, writer: PartitionWriter, consumer: AIOKafkaConsumer, notes_from: int | None) -> None:
        """Shut out whoever had the partition, then read its rows and where its requests stand: in this order."""
        await writer.fence()
        committed = await writer.committed_offset()
        self._apply(await restore(consumer, TopicPartition(self._rows_topic, self.requests.partition)))
        first = await consumer.beginning_offsets([self.requests, self.notes])
        begin = first[self.requests] if committed is None else committed
        if begin < first[self.requests]:
            halt(
                "payment requests were deleted before they were read",
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
        logger.info("partition taken over", partition=self.requests.partition, open=len(self.open))

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            if len(self._fetched) + len(self.open) >= OPEN_MAX:
                await asyncio.sleep(FULL_PAUSE_S)
                continue
            try:
                fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_A_POLL_MAX)
            except OffsetOutOfRangeError as error:
                halt("payment requests were deleted before they were read, or the log lost its end", error=str(error))
            for records in fetched.values():
                self._fetched.extend(records)
            # Positions, not the last records: behind those lie transaction markers, and a reader of the lag sees 0.
            for place in self._read_to:
                self._read_to[place] = await consumer.position(place)
            if self._read_to != self._committed:
                self._news.set()

    async def _wait_for_news(self, reading: asyncio.Task[None]) -> None:
        """Until something was read or answered, the next row is due, or it is time to stop."""
        due_ms = self._schedule.next_ms() if self._may_ask() else None
        timeout_s = None if due_ms is None else max(0.0, (due_ms - _now_ms()) / 1_000)
        news = asyncio.create_task(self._news.wait())
        await asyncio.wait((reading, news), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        if reading.done():
            reading.result()

    def _may_ask(self) -> bool:
        return len(self._asking) < self._settings.payments_in_flight_max

    def _ask_due(self) -> list[str]:
        """Begin with the payments that are due, as many as may be under way; returns the rows whose time has passed."""
        now_ms = _now_ms()
        expired = []
        while self._may_ask() and (payment := self._schedule.take(now_ms)) is not None:
            if not payment.is_open:
                expired.append(payment.payment_id)
            elif payment.payment_id not in self._asking:
                asking = asyncio.create_task(self._ask(payment))
                asking.add_done_callback(lambda _: self._news.set())
                self._asking[payment.payment_id] = asking
        return expired

    async def _ask(self, payment: Payment) -> tuple[Payment, Outcome]:
        original = self._rows.get(payment.refund_of or "")
        refunded = original.reference if original is not None and original.status == "succeeded" else None
        async with self._slots:
            with self._metrics.provider_seconds.time():
                return payment, await self._provider.ask(payment, refunded, _now_ms())

    async def _commit(self, writer: PartitionWriter, expired: list[str]) -> None:
        """Everything that has come since the last time, in one transaction."""
        self._news.clear()
        read_to = dict(self._read_to)
        batch = self._gather(expired)
        if batch.changed or read_to[self.requests] != self._committed[self.requests]:
            await writer.commit(self._entries(batch), read_to[self.requests])
            self._apply(batch.changed)
            self._count(batch)
        if read_to[self.notes] != self._committed[self.notes]:
            await self._notes_seen(self.notes, read_to[self.notes])
        self._committed = read_to

    def _gather(self, expired: list[str]) -> Batch:
        batch = Batch(self._rows, _now_ms())
        fetched, self._fetched = self._fetched, []
        for record in fetched:
            if record.topic == self.notes.topic:
                batch.note(record.value)
            elif (unusual := batch.request(record, self.requests.partition, self._settings.partitions)) is not None:
                where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
                logger.error("payment request not taken", reason=unusual, **where)
        for payment_id in [name for name, asking in self._asking.items() if asking.done()]:
            payment, outcome = self._asking.pop(payment_id).result()
            batch.outcome(payment, outcome)
            if isinstance(outcome, Unknown):
                # The payment's own id holds the account's; the answer's will be this one.
                payment_name = answer_id(payment_id)
                logger.warning(
                    "outcome unknown", payment=payment_name, what=outcome.what, attempts=payment.attempts + 1
                )
        for payment_id in expired:
            batch.forget(payment_id)
        return batch

    def _entries(self, batch: Batch) -> dict[str, list[Entry]]:
        rows: list[Entry] = [
            (payment_id.encode(), None if row is None else encode_row(row), [])
            for payment_id, row in batch.changed.items()
        ]
        answers: list[Entry] = [
            (payment.account_id.encode(), value, signed(value, self._key))
            for payment, value in ((payment, answer_bytes(payment)) for payment in batch.answered)
        ]
        return {self._rows_topic: rows, self._answers_topic: answers}

    def _apply(self, rows: Mapping[str, Payment | None]) -> None:
        """Take over what is committed. The only way a row changes."""
        for payment_id, row in rows.items():
            self.open.pop(payment_id, None)
            if row is None:
                self._rows.pop(payment_id, None)
                continue
            self._rows[payment_id] = row
            self._schedule.add(row)
            if row.is_open:
                self.open[payment_id] = row

    def _count(self, batch: Batch) -> None:
        counters = self._metrics.requests, self._metrics.answers, self._metrics.retries
        by_family = dict(zip(("requests", "answers", "retries"), counters, strict=True))
        for (family, label), count in batch.tally.items():
            by_family[family].labels(label).inc(count)
        logger.debug(
            "batch",
            partition=self.requests.partition,
            rows=len(batch.changed),
            answers=len(batch.answered),
            open=len(self.open),
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

"""The provider on Kafka: reads `payment-requests` and writes each answer to `account-events` when it is due."""

import asyncio
import heapq
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from demo.provider import Answer, Provider, reversals
from demo.wire import INPUT_TOPIC
from stream.settings import Settings

PAYMENT_REQUESTS = "payment-requests"
POLL_MS = 10  # An answer may be late by this much.


def group_of(settings: Settings) -> str:
    return f"{settings.app_id}-provider"


@dataclass(slots=True)
class Waiting:
    """Answers that are not due yet, and the read position of each partition."""

    due: list[tuple[float, TopicPartition, int, Answer]] = field(default_factory=list)
    read_to: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=dict)

    def add(self, due_s: float, partition: TopicPartition, offset: int, answer: Answer) -> None:
        heapq.heappush(self.due, (due_s, partition, offset, answer))

    def take_due(self, now_s: float) -> Iterator[Answer]:
        while self.due and self.due[0][0] <= now_s:
            yield heapq.heappop(self.due)[3]

    def to_commit(self) -> dict[TopicPartition, int]:
        """Offsets before which every request is answered: a restarted provider must read waiting requests again."""
        offsets = dict(self.read_to)
        for _, partition, offset, _ in self.due:
            offsets[partition] = min(offsets[partition], offset)
        return {where: offset for where, offset in offsets.items() if self.committed.get(where) != offset}


async def serve(settings: Settings, provider: Provider, speed_up: float) -> None:
    """Answer payment requests until SIGTERM or SIGINT; `speed_up` divides the provider's virtual delays.

    A request is committed only after its answer is sent and acknowledged. A crash in between sends the same bytes
    again, which the worker recognises as a repeat.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    consumer = AIOKafkaConsumer(
        settings.topic(PAYMENT_REQUESTS),
        **settings.connection.options,
        group_id=group_of(settings),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(**settings.connection.options, acks="all", enable_idempotence=True)
    waiting = Waiting()
    async with consumer, producer:
        while not stopping.is_set():
            await _read(consumer, provider, waiting, speed_up)
            await _send_due(producer, settings.topic(INPUT_TOPIC), waiting)
            await _commit(consumer, waiting)


async def _read(consumer: AIOKafkaConsumer, provider: Provider, waiting: Waiting, speed_up: float) -> None:
    for partition, requests in (await consumer.getmany(timeout_ms=POLL_MS)).items():
        for request in requests:
            answer = provider.answer(request.value)
            if answer is not None:
                for record in (answer, *reversals(request.value, provider.settings)):
                    due_s = time.monotonic() + record.delay_ms / 1_000 / speed_up
                    waiting.add(due_s, partition, request.offset, record)
    for partition in consumer.assignment():
        # The position, not the last request: it is behind the transaction markers, so that the lag becomes 0.
        waiting.read_to[partition] = await consumer.position(partition)


async def _send_due(producer: AIOKafkaProducer, topic: str, waiting: Waiting) -> None:
    sent = [
        await producer.send(topic, key=record.key, value=record.value, headers=list(record.headers))
        for record in (answer.record for answer in waiting.take_due(time.monotonic()))
    ]
    for acknowledged in sent:
        await acknowledged


async def _commit(consumer: AIOKafkaConsumer, waiting: Waiting) -> None:
    offsets = waiting.to_commit()
    if offsets:
        await consumer.commit(offsets)
        waiting.committed.update(offsets)

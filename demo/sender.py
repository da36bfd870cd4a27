"""Sends an ordered sequence of records to the input topic, at a given speed of virtual time."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path

from aiokafka import AIOKafkaProducer

from demo.wire import INPUT_TOPIC, Timed
from stream.settings import Settings

IN_FLIGHT_MAX = 5_000  # Records sent and not yet acknowledged; at this limit the sender waits for the broker.
STEP_S = 0.01  # Waits shorter than this are skipped.
BATCH_BYTES_MAX = 256 * 1024
REQUEST_BYTES_MAX = 2 * 1024 * 1024  # Records that are too large for the contract must still reach the log.


async def play(settings: Settings, month: Iterable[Timed], speed_up: float) -> Counter[str]:
    """Send all records in order, `speed_up` virtual seconds per real second. Returns the number of acknowledged records
    of each kind, and of each `dead-letter:CODE` that they must become.

    Raises KafkaError when the broker rejects a record: the month would be incomplete.
    """
    producer = AIOKafkaProducer(
        **settings.connection.options,
        acks="all",
        enable_idempotence=True,  # Also keeps the order of an account when a request is retried.
        linger_ms=5,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=REQUEST_BYTES_MAX,
    )
    async with producer:
        return await _play(producer, settings.topic(INPUT_TOPIC), month, speed_up)


async def _play(producer: AIOKafkaProducer, topic: str, month: Iterable[Timed], speed_up: float) -> Counter[str]:
    kinds: Counter[str] = Counter()
    in_flight: deque[asyncio.Future[object]] = deque()
    began_s = time.monotonic()
    first_ms: int | None = None
    for record in month:
        first_ms = record.at_ms if first_ms is None else first_ms
        due_s = began_s + (record.at_ms - first_ms) / 1_000 / speed_up
        if due_s - time.monotonic() > STEP_S:
            await asyncio.sleep(due_s - time.monotonic())
        in_flight.append(
            await producer.send(
                topic,
                key=record.key,
                value=record.value,
                partition=record.partition,
                headers=list(record.headers),
            )
        )
        kinds[record.kind] += 1
        if record.dead_letter is not None:
            kinds[f"dead-letter:{record.dead_letter}"] += 1
        await _await_acknowledged(in_flight, IN_FLIGHT_MAX)
    await _await_acknowledged(in_flight, 0)
    return kinds


async def _await_acknowledged(in_flight: deque[asyncio.Future[object]], left: int) -> None:
    """Wait until at most `left` records are unacknowledged. Raises KafkaError for a rejected record."""
    while in_flight and (len(in_flight) > left or in_flight[0].done()):
        await in_flight.popleft()


def write_report(kinds: Counter[str], path: Path) -> None:
    path.write_text(json.dumps(dict(sorted(kinds.items())), indent=1))

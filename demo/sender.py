"""Plays an ordered sequence of records onto the input topic, as fast as virtual time is told to run."""

import asyncio
import json
import time
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path

from aiokafka import AIOKafkaProducer

from demo.wire import INPUT_TOPIC, Timed
from stream.settings import Settings

IN_FLIGHT_MAX = 5_000  # Records sent and not yet acknowledged; beyond it the sender waits for the broker.
STEP_S = 0.01  # The sender looks at the clock this often.
BATCH_BYTES_MAX = 256 * 1024
REQUEST_BYTES_MAX = 2 * 1024 * 1024  # Records too large for the contract still have to reach the log.


async def play(settings: Settings, day: Iterable[Timed], speed_up: float) -> Counter[str]:
    """Send all records in order, `speed_up` virtual seconds in one; returns how many of each kind were acknowledged.

    Kinds are those of the records, and `dead-letter:CODE` for those that must become one. Raises KafkaError when the
    broker refuses a record: the day would have a hole.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        acks="all",
        enable_idempotence=True,  # Also keeps the order of an account when a request is retried.
        linger_ms=5,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=REQUEST_BYTES_MAX,
    )
    async with producer:
        return await _play(producer, settings.topic(INPUT_TOPIC), day, speed_up)


async def _play(producer: AIOKafkaProducer, topic: str, day: Iterable[Timed], speed_up: float) -> Counter[str]:
    kinds: Counter[str] = Counter()
    in_flight: deque[asyncio.Future[object]] = deque()
    began_s = time.monotonic()
    first_ms: int | None = None
    for record in day:
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
        await _settle(in_flight, IN_FLIGHT_MAX)
    await _settle(in_flight, 0)
    return kinds


async def _settle(in_flight: deque[asyncio.Future[object]], left: int) -> None:
    """Wait until at most `left` records are unacknowledged. A refused one raises here."""
    while in_flight and (len(in_flight) > left or in_flight[0].done()):
        await in_flight.popleft()


def write_report(kinds: Counter[str], path: Path) -> None:
    path.write_text(json.dumps(dict(sorted(kinds.items())), indent=1))

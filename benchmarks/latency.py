"""Latency from handing `call-started` to a producer until a `read_committed` consumer reads its decision."""

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure, quantile
from benchmarks.input_log import fill
from benchmarks.processes import StuckError, Worker, poll_until_deadline
from benchmarks.traffic import Traffic, call_ended, call_started
from stream import topics
from stream.settings import Settings

SECTION = "latency"
P50_MS_MAX = 60.0
P99_MS_MAX = 120.0
ACCOUNTS = 1_000
WARM_UP_S = 1.5
LATE_MS = 5.0  # A sender later than this distorts the measurement.


class Decided(msgspec.Struct):
    """The field of a decision that is read."""

    call_id: str


@dataclass(slots=True)
class Stopwatch:
    """When each call's start was sent and when its decision was read (seconds, monotonic)."""

    sent_s: dict[str, float] = field(default_factory=dict)
    read_s: dict[str, float] = field(default_factory=dict)
    behind_ms: float = 0.0  # The sender's largest delay behind its schedule.

    def milliseconds(self, since_s: float, until_s: float = math.inf) -> list[float]:
        """Latencies of the calls sent from `since_s` and before `until_s`; all must have been decided."""
        return [
            (self.read_s[call] - sent_s) * 1_000 for call, sent_s in self.sent_s.items() if since_s <= sent_s < until_s
        ]


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Measure each rate several times on one worker with default partitions and a ticking clock."""
    settings = bench.named("latency", topic_prefix="latency.")
    await fill(settings, Traffic(ACCOUNTS, 0, _now_ms()).opening())
    worker = Worker(settings, bench.folder)
    try:
        await worker.wait_ready()
        figures = []
        for rate in bench.size.rates:
            p50s, p99s = [], []
            for _ in range(bench.size.repeats):
                latencies_ms = await _measure_rate(bench, settings, rate)
                p50s.append(quantile(latencies_ms, 0.5))
                p99s.append(quantile(latencies_ms, 0.99))
                worker.child.check()
                bench.report(
                    f"{rate} events/s: p50 {p50s[-1]:.1f} ms, p99 {p99s[-1]:.1f} ms of {len(latencies_ms):,} calls"
                )
            figures.append(Figure(SECTION, f"{rate} events/s, p50", "ms", tuple(p50s), at_most=P50_MS_MAX))
            figures.append(Figure(SECTION, f"{rate} events/s, p99", "ms", tuple(p99s), at_most=P99_MS_MAX))
    finally:
        worker.stop()
    return figures


async def _measure_rate(bench: BenchmarkRun, settings: Settings, rate: int) -> list[float]:
    """Latencies (ms) of the calls started in the window, at `rate` inputs a second, starts and ends alternating."""
    watch = Stopwatch()
    consumer = AIOKafkaConsumer(
        **settings.connection.options, isolation_level="read_committed", auto_offset_reset="latest"
    )
    producer = AIOKafkaProducer(**settings.connection.options, acks="all", enable_idempotence=True)
    async with consumer, producer:
        places = [TopicPartition(settings.topic("call-decisions"), number) for number in range(settings.partitions)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        reading = asyncio.create_task(read_decisions(consumer, watch))
        try:
            since_s = time.monotonic() + WARM_UP_S
            await _send(producer, settings, watch, rate, until_s=since_s + bench.size.window_s, run=bench.next_number())
            async for _ in poll_until_deadline("a decision for every call", 30.0):
                if reading.done() or len(watch.read_s) == len(watch.sent_s):
                    break
        finally:
            reading.cancel()
    if watch.behind_ms > LATE_MS:
        bench.report(f"the sender was up to {watch.behind_ms:.0f} ms behind its schedule: the machine is busy")
    return watch.milliseconds(since_s)


async def read_decisions(consumer: AIOKafkaConsumer, watch: Stopwatch) -> None:
    """Record when the decision of each measured call is read, until cancelled."""
    decoder = msgspec.json.Decoder(Decided)
    while True:
        fetched = await consumer.getmany(timeout_ms=200)
        now_s = time.monotonic()
        for records in fetched.values():
            for record in records:
                call_id = decoder.decode(record.value).call_id
                if call_id in watch.sent_s:
                    watch.read_s[call_id] = now_s


async def _send(
    producer: AIOKafkaProducer, settings: Settings, watch: Stopwatch, rate: int, *, until_s: float, run: int
) -> None:
    """Send in an open loop: the next input does not wait for the decision of the last."""
    topic = settings.topic(topics.INPUTS)
    due_s = time.monotonic()
    for account_id, call_id, value in _inputs(run):
        due_s += 1 / rate
        if due_s > until_s:
            break
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        sent_s = time.monotonic()
        watch.behind_ms = max(watch.behind_ms, (sent_s - due_s) * 1_000)
        if call_id:
            watch.sent_s[call_id] = sent_s
        await producer.send(topic, value, key=account_id.encode())
    await producer.flush()
    if not watch.sent_s:
        raise StuckError("nothing was sent")


def _inputs(run: int) -> Iterator[tuple[str, str, bytes]]:
    """Account, call id (empty for an end) and value: the start of a call, then its end as if it began 30 s ago."""
    rng = Random(run)
    traffic = Traffic(ACCOUNTS, 0, 0)
    number = 0
    while True:
        account_id = traffic.account_id(rng.randrange(ACCOUNTS))
        call_id = f"run{run}-c{number}"
        yield account_id, call_id, call_started(account_id, call_id, _now_ms(), rng)
        now_ms = _now_ms()
        yield account_id, "", call_ended(account_id, call_id, (now_ms - 30_000, now_ms - 20_000, now_ms), rng)
        number += 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

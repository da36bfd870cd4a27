"""Latency of the gate while a billing period ends for all accounts of one partition at once.

Time comes from the ticks, so that the period can end at any time of day.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure, quantile
from benchmarks.input_log import fill, watch
from benchmarks.latency import Stopwatch, read_decisions
from benchmarks.processes import Worker, poll_until_deadline
from benchmarks.traffic import MINUTES, Keyed, call_started
from demo.wire import encode
from schemas.instant import DAY_MS, SECOND_MS, parse_instant
from schemas.partitioning import partition_of
from stream import topics
from stream.settings import Settings

SECTION = "month end"
PARTITION = 0
RATE = 50  # Calls a second, all on the one partition.
WARM_UP_S = 2.0
ADDED_MS_MAX = 250.0
SLICE_MS_MAX = 100.0
MONTH_END_DEADLINE_S = 1_800.0
SIGNUP_MS = int(parse_instant("2026-01-15T09:00:00Z"))
BOUNDARY_MS = int(parse_instant("2026-02-15T00:00:00Z"))
TICK_KEY = b"*"
_ISSUED = re.compile(r'^tollgate_facts_total\{type="invoice-issued"\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class Crossing:
    """When the tick of the period's end was sent, and when all invoices were issued (seconds, monotonic)."""

    watch: Stopwatch = field(default_factory=Stopwatch)
    began_s: float = 0.0
    done_s: float = 0.0
    lines_before: int = 0


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Gate latency before the period's end and from it until every invoice is issued, and the longest slice. Once."""
    settings = bench.named("month-end", topic_prefix="month-end.", clock="simulation", log_level="debug")
    ids = account_ids(bench.size.month_end_accounts, settings.partitions)
    bench.report(f"filling another log: {len(ids):,} accounts of one partition whose periods end together")
    filled = sum(await fill_partition(settings, ids))
    worker = Worker(settings, bench.folder)
    try:
        await worker.wait_ready()
        await watch(settings, worker.child, filled, MONTH_END_DEADLINE_S)
        crossing = await cross(settings, worker, ids, before_s=bench.size.window_s)
        decide_ms = decide_times(worker, crossing.lines_before)
    finally:
        worker.stop()
    took_s = crossing.done_s - crossing.began_s
    before_ms = crossing.watch.milliseconds(0.0, crossing.began_s)
    across_ms = crossing.watch.milliseconds(crossing.began_s, crossing.done_s)
    before, across = quantile(before_ms, 0.99), quantile(across_ms, 0.99)
    bench.report(
        f"all invoices after {took_s:.1f} s; {len(across_ms):,} calls meanwhile, the slowest {max(across_ms):.0f} ms"
    )
    return [
        Figure(SECTION, "gate before, p99", "ms", (before,)),
        Figure(SECTION, f"gate across the end of {len(ids):,}, p99", "ms", (across,), at_most=before + ADDED_MS_MAX),
        Figure(SECTION, "longest slice", "ms", (max(decide_ms),), at_most=SLICE_MS_MAX),
        Figure(SECTION, "accounts a second", "1/s", (len(ids) / took_s,)),
    ]


def account_ids(count: int, partitions: int) -> list[str]:
    """The first `count` ids of a series that belong to the partition."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        account_id = f"month-end-{number}"
        if partition_of(account_id.encode(), partitions) == PARTITION:
            found.append(account_id)
        number += 1
    return found


async def fill_partition(settings: Settings, ids: list[str]) -> list[int]:
    """Write each account with a card, then a tick. Returns the end of each partition."""
    ends = await fill(settings, _openings(ids))
    topic = settings.topic(topics.INPUTS)
    async with AIOKafkaProducer(**settings.connection.options, acks="all") as producer:
        await producer.send_and_wait(topic, _tick(BOUNDARY_MS - DAY_MS), key=TICK_KEY, partition=PARTITION)
    ends[PARTITION] += 1
    return ends


def _openings(ids: list[str]) -> Iterator[Keyed]:
    card = {"token": "tok", "brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031}
    for account_id in ids:
        key = account_id.encode()
        yield key, encode("account-opened", "open", account_id, SIGNUP_MS, {"plan": MINUTES})
        yield key, encode("payment-method-added", "card", account_id, SIGNUP_MS, {"payment_method_id": "pm", **card})


async def cross(settings: Settings, worker: Worker, ids: list[str], *, before_s: float) -> Crossing:
    """Send calls at an even rate and a tick each second, across the period's end, until every account has its
    invoice.
    """
    crossing = Crossing()
    consumer = AIOKafkaConsumer(
        **settings.connection.options, isolation_level="read_committed", auto_offset_reset="latest"
    )
    producer = AIOKafkaProducer(**settings.connection.options, acks="all", enable_idempotence=True)
    async with consumer, producer:
        place = TopicPartition(settings.topic("call-decisions"), PARTITION)
        consumer.assign([place])
        await consumer.seek_to_end(place)
        tasks = [
            asyncio.create_task(read_decisions(consumer, crossing.watch)),
            asyncio.create_task(_send(producer, settings, worker, ids, crossing, before_s)),
        ]
        try:
            async for _ in poll_until_deadline("an invoice for every account", MONTH_END_DEADLINE_S, every_s=0.2):
                worker.child.check()
                for task in tasks:
                    if task.done():
                        task.result()
                if crossing.began_s and await _issued(worker) >= len(ids):
                    break
            crossing.done_s = time.monotonic()
            tasks[1].cancel()
            async for _ in poll_until_deadline("a decision for every call", 60.0):
                if len(crossing.watch.read_s) == len(crossing.watch.sent_s):
                    break
        finally:
            for task in tasks:
                task.cancel()
    return crossing


async def _send(
    producer: AIOKafkaProducer, settings: Settings, worker: Worker, ids: list[str], crossing: Crossing, before_s: float
) -> None:
    """Send in an open loop. The ticks run in real time, with the period's end after warm-up and `before_s`."""
    topic, rng = settings.topic(topics.INPUTS), Random(1)
    boundary_s = time.monotonic() + WARM_UP_S + before_s
    due_s, number, ticked_ms = time.monotonic(), 0, 0
    measured_from_s = boundary_s - before_s
    while True:
        due_s += 1 / RATE
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        now_s = time.monotonic()
        at_ms = BOUNDARY_MS + int((now_s - boundary_s) * 1_000)
        if at_ms - ticked_ms >= SECOND_MS:
            ticked_ms = at_ms // SECOND_MS * SECOND_MS
            if ticked_ms >= BOUNDARY_MS and not crossing.began_s:
                crossing.lines_before, crossing.began_s = len(worker.child.lines()), time.monotonic()
            await producer.send(topic, _tick(ticked_ms), key=TICK_KEY, partition=PARTITION)
        account_id, call_id = rng.choice(ids), f"c{number}"
        value = call_started(account_id, call_id, at_ms, rng)
        if now_s >= measured_from_s:
            crossing.watch.sent_s[call_id] = time.monotonic()
        await producer.send(topic, value, key=account_id.encode(), partition=PARTITION)
        number += 1


def _tick(at_ms: int) -> bytes:
    return encode("clock-ticked", f"tick-{at_ms}", "*", at_ms, {})


async def _issued(worker: Worker) -> int:
    found = _ISSUED.search(await asyncio.to_thread(worker.metrics))
    return 0 if found is None else int(float(found[1]))


def decide_times(worker: Worker, lines_before: int) -> list[float]:
    """Decide time (ms) of each batch logged since then: its records and one slice of due work."""
    lines = worker.child.lines()[lines_before:]
    return [json.loads(line)["decide_ms"] for line in lines if '"event": "batch"' in line]

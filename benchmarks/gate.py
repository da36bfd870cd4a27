"""The gate beside the bare round trip through Kafka (a plain producer and a plain consumer) of the same run: from the
request to its answer. And what a gateway costs that nobody asks.
"""

import asyncio
import hashlib
import json
import secrets
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure, quantile
from benchmarks.input_log import fill
from benchmarks.latency import LATE_MS, WARM_UP_S, Stopwatch, read_decisions
from benchmarks.processes import LOOPBACK, Child, StuckError, Worker, environment, free_port, poll_until_deadline
from benchmarks.traffic import Keyed, Traffic, call_started
from devkit.redis import DevRedis
from stream import topics
from stream.offsets import OffsetReader
from stream.settings import Settings

SECTION = "gate"
RATES = (50, 200)
RATIO_MAX = 1.5
# So long that the engine answers every call: what takes longer than the default is counted instead.
PATIENCE_MS = 10_000
DEFAULT_MS = 800
ACCOUNTS = 1_000
# What the engine does while nobody asks the gateway.
EVENTS_PER_S = 5_000
EVENTS_EVERY_S = 0.05


class Gateway(NamedTuple):
    """A running gateway, with a key that it knows."""

    child: Child
    url: str
    key: str


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Alternate both ways at each rate, with one worker, views and one gateway."""
    settings = bench.named("gate", topic_prefix="gate.")
    await fill(settings, Traffic(ACCOUNTS, 0, _now_ms()).opening())
    worker = Worker(settings, bench.folder)
    with DevRedis(bench.folder / "redis-gate") as redis:
        views = Child(
            "tollgate", bench.folder, _environment(settings, redis) | {"TOLLGATE_VIEWS_HEALTH_PORT": "0"}, "views"
        )
        try:
            await worker.wait_ready()
            with _gateway(bench, settings, redis) as gateway:
                await _wait_ready(gateway)
                figures = []
                for rate in RATES:
                    figures += await _compare(bench, settings, gateway, rate)
                figures += await _unasked(bench, settings, gateway)
        finally:
            views.stop()
            worker.stop()
    return figures


async def _compare(bench: BenchmarkRun, settings: Settings, gateway: Gateway, rate: int) -> list[Figure]:
    found: dict[str, list[float]] = {name: [] for name in ("bare p50", "bare p99", "p50", "p99", "blind", "ms")}
    for _ in range(bench.size.repeats):
        bare = await _bare(bench, settings, rate)
        spent_s = gateway.child.processor_s()
        authorized, asked = await _authorize(bench, gateway, rate)
        found["ms"].append((gateway.child.processor_s() - spent_s) / asked * 1_000)
        for name, latencies_ms in (("bare ", bare), ("", authorized)):
            found[f"{name}p50"].append(quantile(latencies_ms, 0.5))
            found[f"{name}p99"].append(quantile(latencies_ms, 0.99))
        found["blind"].append(sum(taken_ms > DEFAULT_MS for taken_ms in authorized))
        bench.report(f"{rate} calls/s: {', '.join(f'{name} {values[-1]:.1f}' for name, values in found.items())}")
    figures = []
    for name in ("p50", "p99"):
        bare_ms, own_ms = found[f"bare {name}"], found[name]
        ratios = tuple(own / other for own, other in zip(own_ms, bare_ms, strict=True))
        figures += [
            Figure(SECTION, f"{rate} calls/s, bare round trip, {name}", "ms", tuple(bare_ms)),
            Figure(SECTION, f"{rate} calls/s, authorize, {name}", "ms", tuple(own_ms)),
            Figure(SECTION, f"{rate} calls/s, ratio of the {name}", "", ratios, at_most=RATIO_MAX),
        ]
    name = f"{rate} calls/s, blind with the default of {DEFAULT_MS} ms"
    figures.append(Figure(SECTION, name, "calls", tuple(found["blind"])))
    return [*figures, Figure(SECTION, f"{rate} calls/s, gateway's processor time", "ms a call", tuple(found["ms"]))]


async def _bare(bench: BenchmarkRun, settings: Settings, rate: int) -> list[float]:
    """From handing `call-started` to a producer until a `read_committed` consumer reads the decision."""
    watch, topic = Stopwatch(), settings.topic(topics.INPUTS)
    consumer = AIOKafkaConsumer(
        **settings.connection.options, isolation_level="read_committed", auto_offset_reset="latest"
    )
    producer = AIOKafkaProducer(**settings.connection.options, acks="all", enable_idempotence=True)
    async with consumer, producer:
        places = [TopicPartition(settings.topic("call-decisions"), number) for number in range(settings.partitions)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        reading = asyncio.create_task(read_decisions(consumer, watch))

        async def send(account_id: str, call_id: str) -> None:
            watch.sent_s[call_id] = time.monotonic()
            value = call_started(account_id, call_id, _now_ms(), Random(call_id))
            await producer.send(topic, value, key=account_id.encode())

        try:
            since_s = await _open_loop(bench, rate, send)
            async for _ in poll_until_deadline("a decision for every call", 30.0):
                if reading.done() or len(watch.read_s) == len(watch.sent_s):
                    break
        finally:
            reading.cancel()
    return watch.milliseconds(since_s)


async def _authorize(bench: BenchmarkRun, gateway: Gateway, rate: int) -> tuple[list[float], int]:
    """From the request of a client that keeps its connections until the body of the answer; and how many it sent."""
    watch, asking = Stopwatch(), set[asyncio.Task[None]]()
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with aiohttp.ClientSession(gateway.url, headers=headers, connector=aiohttp.TCPConnector(limit=0)) as client:

        async def ask(account_id: str, call_id: str) -> None:
            watch.sent_s[call_id] = time.monotonic()
            body = {"account_id": account_id, "call_id": call_id, "direction": "inbound"}
            async with client.post("/v1/calls/authorize", json=body) as reply:
                answer = await reply.json()
            watch.read_s[call_id] = time.monotonic()
            if answer["source"] != "engine":
                raise StuckError(f"the engine did not decide within {PATIENCE_MS} ms")

        async def begin(account_id: str, call_id: str) -> None:
            asking.add(asyncio.create_task(ask(account_id, call_id)))

        since_s = await _open_loop(bench, rate, begin)
        await asyncio.gather(*asking)
    gateway.child.check()
    return watch.milliseconds(since_s), len(watch.sent_s)


async def _open_loop(bench: BenchmarkRun, rate: int, begin: Callable[[str, str], Awaitable[None]]) -> float:
    """Begin `rate` calls a second, none of which waits for another. Returns when the measured time began."""
    run, traffic, behind_ms, number = bench.next_number(), Traffic(ACCOUNTS, 0, 0), 0.0, 0
    rng = Random(run)
    due_s = time.monotonic()
    since_s = due_s + WARM_UP_S
    while due_s < since_s + bench.size.window_s:
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        behind_ms = max(behind_ms, (time.monotonic() - due_s) * 1_000)
        await begin(traffic.account_id(rng.randrange(ACCOUNTS)), f"gate{run}-c{number}")
        due_s += 1 / rate
        number += 1
    if behind_ms > LATE_MS:
        bench.report(f"the sender was up to {behind_ms:.0f} ms behind its schedule: the machine is busy")
    return since_s


async def _unasked(bench: BenchmarkRun, settings: Settings, gateway: Gateway) -> list[Figure]:
    """The processor time of a gateway that reads past all that the engine publishes about others' calls."""
    decided, shares = [], []
    for _ in range(bench.size.repeats):
        count, label = int(EVENTS_PER_S * (bench.size.window_s + WARM_UP_S)), f"unasked{bench.next_number()}-c"
        traffic = Traffic(ACCOUNTS, count // 2, _now_ms(), seed=bench.next_number())
        records = [(key, value.replace(b"bench-c", label.encode())) for key, value in traffic.played()]
        per_second, share = await _load(settings, records, gateway)
        decided.append(per_second)
        shares.append(share * 100)
        bench.report(f"{per_second:,.0f} events/s that nobody waits for: {shares[-1]:.1f} % of a core")
    name = f"events that nobody waits for, {EVENTS_PER_S:,}/s sent"
    return [
        Figure(SECTION, f"{name}, decided", "events/s", tuple(decided)),
        Figure(SECTION, f"{name}, gateway", "% of a core", tuple(shares)),
    ]


async def _load(settings: Settings, records: list[Keyed], gateway: Gateway) -> tuple[float, float]:
    """Events per second that the engine decided, and the gateway's share of a core meanwhile, once both run warm."""
    topic, some, first = settings.topic(topics.INPUTS), int(EVENTS_PER_S * EVENTS_EVERY_S), EVENTS_PER_S * WARM_UP_S
    producer = AIOKafkaProducer(**settings.connection.options, acks="all", linger_ms=10, max_batch_size=1 << 18)
    offsets = await OffsetReader.open(settings, topic)
    began: tuple[float, float, int] | None = None
    try:
        async with producer:
            due_s = time.monotonic()
            for at in range(0, len(records), some):
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                if began is None and at >= first:
                    began = await _progress(offsets, gateway)
                for key, value in records[at : at + some]:
                    await producer.send(topic, value, key=key)
                due_s += EVENTS_EVERY_S
        assert began is not None, "fewer records than are sent before the measurement"
        ended = await _progress(offsets, gateway)
    finally:
        await offsets.close()
    elapsed_s, spent_s, decided = (after - before for before, after in zip(began, ended, strict=True))
    return decided / elapsed_s, spent_s / elapsed_s


async def _progress(offsets: OffsetReader, gateway: Gateway) -> tuple[float, float, int]:
    """The time, the gateway's processor time until then, and the offsets that the engine has committed, in all."""
    committed = sum(one.committed for one in (await offsets.read()).values())
    return time.monotonic(), gateway.child.processor_s(), committed


@contextmanager
def _gateway(bench: BenchmarkRun, settings: Settings, redis: DevRedis) -> Iterator[Gateway]:
    key, file, port = f"tg_{secrets.token_urlsafe(32)}", bench.folder / "keys.toml", free_port()
    _write_key(file, key)
    own = {"GATEWAY_PORT": port, "GATEWAY_HEALTH_PORT": 0, "API_KEYS": file, "GATE_TIMEOUT_MS": PATIENCE_MS}
    shared = _environment(settings, redis)
    child = Child(
        "tollgate", bench.folder, shared | {f"TOLLGATE_{name}": str(value) for name, value in own.items()}, "gateway"
    )
    try:
        yield Gateway(child, f"http://{LOOPBACK}:{port}", key)
    finally:
        child.stop()


def _write_key(file: Path, key: str) -> None:
    digest = hashlib.sha256(key.encode()).hexdigest()
    file.write_text(f'[[key]]\nid = "bench"\nsha256 = "{digest}"\nscopes = ["calls"]\nrequests_per_s = 10000\n')


async def _wait_ready(gateway: Gateway) -> None:
    async for _ in poll_until_deadline("a ready gateway"):
        gateway.child.check()
        starts = [json.loads(line) for line in gateway.child.lines() if '"event": "gateway starts"' in line]
        ready = await asyncio.to_thread(_is_ready, int(starts[0]["health_port"])) if starts else False
        if ready:
            return


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=5):
            return True
    except OSError:  # Not listening yet, or not ready yet: urllib's errors are OSErrors.
        return False


def _environment(settings: Settings, redis: DevRedis) -> dict[str, str]:
    return environment(settings) | {"TOLLGATE_REDIS_URL": redis.url}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

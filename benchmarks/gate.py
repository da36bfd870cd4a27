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
from benchmarks.processes import LOOPBACK, Child, Worker, environment, free_port, poll_until_deadline
from benchmarks.traffic import Keyed, Traffic, call_started
from devkit.redis import DevRedis
from stream import topics
from stream.settings import Settings

SECTION = "gate"
RATES = (50, 200)
RATIO_MAX = 1.5
ACCOUNTS = 1_000
# What the engine does while nobody asks the gateway.
EVENTS_PER_S = 5_000
EVENTS_EVERY_S = 0.05


class Gateway(NamedTuple):
    """A running gateway, with a key that it knows."""

    child: Child
    url: str
    key: str


class Latencies(NamedTuple):
    """Milliseconds, and how many answers came from the policy."""

    values: list[float]
    blind: int = 0


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Alternate both ways at each rate, with one worker, views and one gateway."""
    settings = bench.named("gate", topic_prefix="gate.")
    await fill(settings, Traffic(ACCOUNTS, 0, _now_ms()).opening())
    worker = Worker(settings, bench.folder)
    with DevRedis(bench.folder / "redis-gate") as redis:
        views = Child("tollgate", bench.folder, _environment(settings, redis) | _port("VIEWS_HEALTH"), "views")
        try:
            await worker.wait_ready()
            with _gateway(bench, settings, redis) as gateway:
                await _wait_ready(gateway)
                figures = []
                for rate in RATES:
                    figures += await _compare(bench, settings, gateway, rate)
                figures.append(await _unasked(bench, settings, gateway))
        finally:
            views.stop()
            worker.stop()
    return figures


async def _compare(bench: BenchmarkRun, settings: Settings, gateway: Gateway, rate: int) -> list[Figure]:
    found: dict[str, list[float]] = {name: [] for name in ("bare p50", "bare p99", "p50", "p99", "blind")}
    for _ in range(bench.size.repeats):
        bare = await _bare(bench, settings, rate)
        authorized = await _authorize(bench, gateway, rate)
        for name, latencies in (("bare ", bare), ("", authorized)):
            found[f"{name}p50"].append(quantile(latencies.values, 0.5))
            found[f"{name}p99"].append(quantile(latencies.values, 0.99))
        found["blind"].append(authorized.blind)
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
    return [*figures, Figure(SECTION, f"{rate} calls/s, answered by the policy", "calls", tuple(found["blind"]))]


async def _bare(bench: BenchmarkRun, settings: Settings, rate: int) -> Latencies:
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
    return Latencies(watch.milliseconds(since_s))


async def _authorize(bench: BenchmarkRun, gateway: Gateway, rate: int) -> Latencies:
    """From the request of a client that keeps its connections until the body of the answer."""
    watch, blind, asking = Stopwatch(), 0, set[asyncio.Task[None]]()
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with aiohttp.ClientSession(gateway.url, headers=headers) as client:

        async def ask(account_id: str, call_id: str) -> None:
            nonlocal blind
            watch.sent_s[call_id] = time.monotonic()
            body = {"account_id": account_id, "call_id": call_id, "direction": "inbound"}
            async with client.post("/v1/calls/authorize", json=body) as reply:
                answer = await reply.json()
            watch.read_s[call_id] = time.monotonic()
            blind += answer["source"] == "policy"

        async def begin(account_id: str, call_id: str) -> None:
            task = asyncio.create_task(ask(account_id, call_id))
            asking.add(task)

        since_s = await _open_loop(bench, rate, begin)
        await asyncio.gather(*asking)
    gateway.child.check()
    return Latencies(watch.milliseconds(since_s), blind)


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


async def _unasked(bench: BenchmarkRun, settings: Settings, gateway: Gateway) -> Figure:
    """The processor time of a gateway that reads past all that the engine publishes about others' calls."""
    shares = []
    for _ in range(bench.size.repeats):
        count = int(EVENTS_PER_S * (bench.size.window_s + WARM_UP_S))
        traffic = Traffic(ACCOUNTS, count // 2, _now_ms(), seed=bench.next_number())
        label = f"unasked{bench.next_number()}"
        records = [(key, value.replace(b"bench-c", label.encode() + b"-c")) for key, value in traffic.played()]
        sent, share = await _load(settings, records, gateway)
        shares.append(share * 100)
        bench.report(f"{sent:,.0f} inputs/s of calls that nobody asks about: {shares[-1]:.1f} % of a core")
    return Figure(SECTION, f"gateway at {EVENTS_PER_S:,} events/s, not asked", "% of a core", tuple(shares))


async def _load(settings: Settings, records: list[Keyed], gateway: Gateway) -> tuple[float, float]:
    """Inputs per second that were sent, and the gateway's share of a core meanwhile, without the first moments."""
    topic, some = settings.topic(topics.INPUTS), int(EVENTS_PER_S * EVENTS_EVERY_S)
    producer = AIOKafkaProducer(**settings.connection.options, acks="all", linger_ms=10, max_batch_size=1 << 18)
    began_s, spent_s, first = 0.0, 0.0, int(EVENTS_PER_S * WARM_UP_S)
    async with producer:
        due_s = time.monotonic()
        for at in range(0, len(records), some):
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if not began_s and at >= first:
                began_s, spent_s, first = time.monotonic(), gateway.child.processor_s(), at
            for key, value in records[at : at + some]:
                await producer.send(topic, value, key=key)
            due_s += EVENTS_EVERY_S
        await producer.flush()
        elapsed_s = time.monotonic() - began_s
        return (len(records) - first) / elapsed_s, (gateway.child.processor_s() - spent_s) / elapsed_s


@contextmanager
def _gateway(bench: BenchmarkRun, settings: Settings, redis: DevRedis) -> Iterator[Gateway]:
    key, file, port = f"tg_{secrets.token_urlsafe(32)}", bench.folder / "keys.toml", free_port()
    _write_key(file, key)
    own = _environment(settings, redis) | _port("GATEWAY_HEALTH") | {"TOLLGATE_GATEWAY_PORT": str(port)}
    child = Child("tollgate", bench.folder, own | {"TOLLGATE_API_KEYS": str(file)}, "gateway")
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


def _port(name: str) -> dict[str, str]:
    return {f"TOLLGATE_{name}_PORT": "0"}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

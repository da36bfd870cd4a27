"""Open streams of events: the gateway's memory for each, and how long an event takes to reach all of its readers.

A worker and the views serve the accounts; the readers are connections of this process.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from aiokafka import AIOKafkaProducer

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure, quantile
from benchmarks.input_log import fill
from benchmarks.processes import LOOPBACK, Child, Worker, environment, free_port, poll_until_deadline
from benchmarks.reads import wait_ready
from benchmarks.traffic import Traffic, call_started
from devkit.redis import DevRedis
from gateway.streams.streams import PER_ACCOUNT_MAX, PER_KEY_MAX
from stream import topics
from stream.settings import Settings

SECTION = "streams"
STREAMS, SHORT_STREAMS = 2_000, 200
# Opened at a time, so that no connection waits for the listening socket.
AT_ONCE = 50
STREAM_KIB_MAX = 32.0
ALL_REACHED_MS_MAX = 500.0
ADMITTED = b"event: call-admitted"


@dataclass(slots=True)
class Reader:
    """One connection. `admitted_s` is when each decision about a call arrived."""

    account: str
    admitted_s: list[float]

    async def read(self, port: int, key: str, opened: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        head = f"Host: {LOOPBACK}\r\nAuthorization: Bearer {key}\r\n\r\n"
        writer.write(f"GET /v1/accounts/{self.account}/events HTTP/1.1\r\n{head}".encode())
        try:
            status = await reader.readline()
            assert b" 200 " in status, f"a stream was refused: {status!r}"
            while line := await reader.readline():
                if line.startswith(b"event: account-snapshot"):
                    opened.set()
                elif line.startswith(ADMITTED):
                    self.admitted_s.append(time.monotonic())
        finally:
            writer.close()


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Open all streams, then decide one call of each account, several times."""
    count = SHORT_STREAMS if bench.size.short else STREAMS
    settings = bench.named("streams", topic_prefix="streams.")
    traffic = Traffic(count // PER_ACCOUNT_MAX, 0, _now_ms())
    accounts = [traffic.account_id(number) for number in range(count // PER_ACCOUNT_MAX)]
    await fill(settings, traffic.opening())
    keys = [f"tg_{secrets.token_urlsafe(32)}" for _ in range(count // PER_KEY_MAX)]
    async with _served(bench, settings, keys) as (gateway, port):
        before = gateway.resident_bytes()
        readers = [Reader(accounts[number % len(accounts)], []) for number in range(count)]
        reading = await _open(readers, port, keys)
        kib = (gateway.resident_bytes() - before) / 1_024 / count
        bench.report(f"{count:,} streams: {kib:.1f} KiB each")
        rounds = []
        for _ in range(bench.size.repeats):
            rounds.append(await _reach(settings, accounts, readers, bench.next_number()))
            bench.report(
                f"an event reached half of the readers in {rounds[-1][0]:.0f} ms, all in {rounds[-1][1]:.0f} ms"
            )
        gateway.check()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return [
        Figure(SECTION, f"memory of each of {count:,} streams", "KiB", (kib,), at_most=STREAM_KIB_MAX),
        Figure(
            SECTION, "an event of each account has reached half of the readers", "ms", tuple(half for half, _ in rounds)
        ),
        Figure(
            SECTION,
            "an event of each account has reached all readers",
            "ms",
            tuple(all_ms for _, all_ms in rounds),
            at_most=ALL_REACHED_MS_MAX,
        ),
    ]


async def _open(readers: Sequence[Reader], port: int, keys: Sequence[str]) -> list[asyncio.Task[None]]:
    """Open the streams, and wait until each has its snapshot."""
    tasks: list[asyncio.Task[None]] = []
    for first in range(0, len(readers), AT_ONCE):
        opened = []
        for number, reader in enumerate(readers[first : first + AT_ONCE], first):
            opened.append(asyncio.Event())
            tasks.append(asyncio.create_task(reader.read(port, keys[number // PER_KEY_MAX], opened[-1])))
        async for _ in poll_until_deadline("a snapshot on every stream"):
            for task in tasks:
                if task.done():
                    task.result()
            if all(event.is_set() for event in opened):
                break
    return tasks


async def _reach(
    settings: Settings, accounts: Sequence[str], readers: Sequence[Reader], run: int
) -> tuple[float, float]:
    """One call of each account begins. Milliseconds until half and all of the streams have the decision about it."""
    seen = len(readers[0].admitted_s)
    async with AIOKafkaProducer(**settings.connection.options, acks="all") as producer:
        began_s = time.monotonic()
        for account in accounts:
            call_id = f"streams{run}-{account}"
            value = call_started(account, call_id, _now_ms(), Random(call_id))
            await producer.send(settings.topic(topics.INPUTS), value, key=account.encode())
        async for _ in poll_until_deadline("a decision on every stream"):
            if all(len(reader.admitted_s) > seen for reader in readers):
                break
    took_ms = [(reader.admitted_s[seen] - began_s) * 1_000 for reader in readers]
    return quantile(took_ms, 0.5), max(took_ms)


@asynccontextmanager
async def _served(bench: BenchmarkRun, settings: Settings, keys: Sequence[str]) -> AsyncIterator[tuple[Child, int]]:
    """A worker, views that have caught up, and a gateway beside them with its port."""
    file = bench.folder / "keys-streams.toml"
    file.write_text("".join(_entry(number, key) for number, key in enumerate(keys)))
    ports = {name: free_port() for name in ("VIEWS_HEALTH_PORT", "GATEWAY_HEALTH_PORT", "GATEWAY_PORT")}
    with DevRedis(bench.folder / "redis-streams") as redis:
        shared = environment(settings) | {"TOLLGATE_REDIS_URL": redis.url, "TOLLGATE_API_KEYS": str(file)}
        shared |= {f"TOLLGATE_{name}": str(port) for name, port in ports.items()}
        worker, children = Worker(settings, bench.folder), list[Child]()
        try:
            await worker.wait_ready()
            for process in ("views", "gateway"):
                children.append(Child("tollgate", bench.folder, shared, process))
                await wait_ready(children[-1], ports[f"{process.upper()}_HEALTH_PORT"])
            yield children[-1], ports["GATEWAY_PORT"]
        finally:
            for child in children:
                child.stop()
            worker.stop()


def _entry(number: int, key: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'[[key]]\nid = "bench-{number}"\nsha256 = "{digest}"\nscopes = ["accounts:read"]\nrequests_per_s = 1000\n'


def _now_ms() -> int:
    return time.time_ns() // 1_000_000

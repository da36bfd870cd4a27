"""The gateway's reads: how long they take at a steady rate, and the highest rate that keeps them short.

A worker publishes the log, the views fill Redis from it, and a process of its own reads over HTTP.
"""

import asyncio
import hashlib
import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure, quantile
from benchmarks.processes import LOOPBACK, Child, environment, free_port, poll_until_deadline
from benchmarks.throughput import run_worker
from benchmarks.traffic import Traffic
from devkit.redis import DevRedis
from stream.settings import Settings

SECTION = "reads"
RATE = 500
P99_MS_MAX = 25.0
CONNECTIONS = 64
PATHS = 5_000
# Steps of about a quarter, so that the highest one that holds is near the true limit.
RATES = (600, 750, 900, 1_000, 1_250, 1_500, 1_750, 2_000, 2_500, 3_000, 4_000, 5_000, 6_000)
SHORT_RATES = RATES[:1]
# How often a rate must hold: once may be luck.
CONFIRMATIONS = 2
# Of ten reads: what a page and a call of the API ask for.
MIX = ("", "", "", "", "/charges", "/charges?limit=10", "/calls?limit=20", "/ledger", "/alerts", "/invoices")


@dataclass(frozen=True, slots=True)
class Round:
    """One window at one rate. `late_ms` is how far the sender itself was behind."""

    p50_ms: float
    p99_ms: float
    failures: int
    late_ms: float

    @property
    def holds(self) -> bool:
        return self.p99_ms <= P99_MS_MAX and not self.failures


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Measure RATE several times, then rising rates until one does not hold, or not again."""
    await bench.fill_log()
    settings = bench.consuming_settings()
    await run_worker(bench, settings)
    with DevRedis(bench.folder / "redis-reads") as redis:
        async with _served(bench, settings, redis) as load:
            rounds = [await load(RATE) for _ in range(bench.size.repeats)]
            highest = 0
            if all(each.holds for each in rounds):
                highest = await _highest(load, SHORT_RATES if bench.size.short else RATES)
    return [
        Figure(SECTION, f"{RATE} reads/s, p50", "ms", tuple(each.p50_ms for each in rounds)),
        Figure(SECTION, f"{RATE} reads/s, p99", "ms", tuple(each.p99_ms for each in rounds), at_most=P99_MS_MAX),
        Figure(SECTION, "not 200", "reads", tuple(each.failures for each in rounds), at_most=0),
        Figure(SECTION, f"highest rate with p99 of {P99_MS_MAX:.0f} ms, {CONFIRMATIONS} times", "reads/s", (highest,)),
    ]


async def _highest(load: "_Reader", rates: Sequence[int]) -> int:
    """The last of the rising `rates` that held each time; RATE for none."""
    highest = RATE
    for rate in rates:
        for _ in range(CONFIRMATIONS):
            if not (await load(rate)).holds:
                return highest
        highest = rate
    return highest


@asynccontextmanager
async def _served(bench: BenchmarkRun, settings: Settings, redis: DevRedis) -> AsyncIterator["_Reader"]:
    """Views that have caught up, and a gateway beside them."""
    key, keys = f"tg_{secrets.token_urlsafe(32)}", bench.folder / "keys.toml"
    digest = hashlib.sha256(key.encode()).hexdigest()
    keys.write_text(f'[[key]]\nid = "bench"\nsha256 = "{digest}"\nscopes = ["admin"]\nrequests_per_s = 1000000\n')
    ports = {name: free_port() for name in ("VIEWS_HEALTH_PORT", "GATEWAY_HEALTH_PORT", "GATEWAY_PORT")}
    shared = environment(settings) | {"TOLLGATE_REDIS_URL": redis.url, "TOLLGATE_API_KEYS": str(keys)}
    shared |= {f"TOLLGATE_{name}": str(port) for name, port in ports.items()}
    children = []
    try:
        for process in ("views", "gateway"):
            children.append(Child("tollgate", bench.folder, shared, process))
            await wait_ready(children[-1], ports[f"{process.upper()}_HEALTH_PORT"])
        yield _Reader(bench, children[-1], ports["GATEWAY_PORT"], key)
    finally:
        for child in children:
            child.stop()


async def wait_ready(child: Child, port: int) -> None:
    async for _ in poll_until_deadline("a ready process", every_s=0.2):
        child.check()
        if _is_ready(port):
            return


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):  # Not listening yet, or not ready yet.
        return False


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads over HTTP from another process."""

    bench: BenchmarkRun
    gateway: Child
    port: int
    key: str

    async def __call__(self, rate: int) -> Round:
        arguments = (str(self.port), str(rate), str(self.bench.size.window_s), str(CONNECTIONS))
        environment: Mapping[str, str] = {**os.environ, "BENCH_KEY": self.key}
        began_processor_s = self.gateway.processor_s()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.http_load", *arguments), stdin=PIPE, stdout=PIPE, env=environment
        )
        printed, _ = await process.communicate("\n".join(_paths(self.bench)).encode())
        assert process.returncode == 0, "the load generator failed"
        self.gateway.check()
        made = json.loads(printed)
        used_s = self.gateway.processor_s() - began_processor_s
        found = Round(
            quantile(made["ms"], 0.5), quantile(made["ms"], 0.99), sum(made["failures"].values()), made["behind_ms"]
        )
        self.bench.report(
            f"{rate} reads/s: p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms of {len(made['ms']):,},"
            f" {found.failures} not 200, {used_s:.1f} s of the gateway's processor, sender up to {found.late_ms:.0f} ms"
            " behind"
        )
        return found


def _paths(bench: BenchmarkRun) -> list[str]:
    """Reads of random accounts, drawn with the same seed each time."""
    rng, traffic = Random(1), Traffic(bench.size.accounts, 0, 0)
    accounts = (traffic.account_id(rng.randrange(bench.size.accounts)) for _ in range(PATHS))
    return [f"/v1/accounts/{account}{rng.choice(MIX)}" for account in accounts]

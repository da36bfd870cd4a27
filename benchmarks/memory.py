"""Memory of a worker per wallet and per call, from the growth of its resident set."""

import time
from collections.abc import Iterable
from random import Random

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure
from benchmarks.input_log import fill, watch
from benchmarks.processes import Worker
from benchmarks.traffic import Keyed, Traffic, call_ended, call_started
from stream.settings import Settings

SECTION = "memory"


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Idle accounts first, then one open call for each later account, then its end."""
    settings = bench.named("memory", topic_prefix="memory.")
    few, many = bench.size.idle_accounts
    added = many - few
    traffic = Traffic(many, 0, time.time_ns() // 1_000_000)
    opening = list(traffic.opening())
    split = len(opening) * few // many
    worker = Worker(settings, bench.folder)
    try:
        before = await _after(bench, settings, worker, opening[:split])
        idle = await _after(bench, settings, worker, opening[split:])
        live = await _after(bench, settings, worker, _calls(traffic, few, ended=False))
        done = await _after(bench, settings, worker, _calls(traffic, few, ended=True))
    finally:
        worker.stop()
    bench.report(f"{before >> 20} MiB with {few:,} idle accounts, {idle >> 20} MiB with {many:,}")
    return [
        Figure(SECTION, "an idle wallet with five remembered inputs", "bytes", ((idle - before) / added,)),
        Figure(SECTION, "an open call", "bytes", ((live - idle) / added,)),
        Figure(SECTION, "its end, remembered for corrections", "bytes", ((done - live) / added,)),
    ]


async def _after(bench: BenchmarkRun, settings: Settings, worker: Worker, records: Iterable[Keyed]) -> int:
    """The resident set (bytes) after the worker has committed `records`."""
    ends = await fill(settings, records)
    await watch(settings, worker.child, sum(ends))
    resident = worker.child.resident_bytes()
    bench.report(f"{sum(ends):,} inputs processed: {resident >> 20} MiB")
    return resident


def _calls(traffic: Traffic, few: int, *, ended: bool) -> Iterable[Keyed]:
    rng = Random(1)
    for number in range(few, traffic.accounts):
        account_id, call_id = traffic.account_id(number), f"c{number}"
        started_ms = traffic.now_ms - 120_000
        if ended:
            times_ms = (started_ms, started_ms + 10_000, traffic.now_ms)
            yield account_id.encode(), call_ended(account_id, call_id, times_ms, rng)
        else:
            yield account_id.encode(), call_started(account_id, call_id, started_ms, rng)

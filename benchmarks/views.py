"""The views: published events per second from the topics into a Redis, beside the worker that publishes them."""

import json
import time
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure
from benchmarks.processes import LOOPBACK, Child, environment, free_port, poll_until_deadline
from benchmarks.throughput import run_worker
from devkit.redis import DevRedis
from stream.settings import Settings

SECTION = "views"
RECORDS_PER_SECOND_MIN = 5_000


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Have a worker publish the whole log once, then fill an empty Redis from it in each round, with one process."""
    await bench.fill_log()
    settings = bench.consuming_settings()
    published, _ = await run_worker(bench, settings)
    rates, per_core, records = [], [], 0.0
    for number in range(bench.size.repeats):
        with DevRedis(bench.folder / f"redis-{number}") as redis:
            views = bench.named(f"views-{bench.next_number()}")
            records, elapsed_s, processor_s = await _fill(bench, views, redis)
        rates.append(records / elapsed_s)
        per_core.append(records / processor_s)
        bench.report(f"{records:,.0f} events in {elapsed_s:.1f} s, {processor_s:.1f} s of processor time")
    return [
        Figure(SECTION, "worker before it, inputs", "events/s", (published.per_second,)),
        Figure(SECTION, "events read", "events", (records,)),
        Figure(SECTION, "events into Redis", "events/s", tuple(rates)),
        Figure(SECTION, "events on one core", "events/s", tuple(per_core), at_least=RECORDS_PER_SECOND_MIN),
    ]


async def _fill(bench: BenchmarkRun, settings: Settings, redis: DevRedis) -> tuple[float, float, float]:
    """Events, seconds and processor seconds of one process, from its first position until it is ready."""
    port = free_port()
    shared = environment(settings) | {"TOLLGATE_REDIS_URL": redis.url, "TOLLGATE_VIEWS_HEALTH_PORT": str(port)}
    child = Child("tollgate", bench.folder, shared, "views")
    try:
        async for _ in poll_until_deadline("positions of the views"):
            child.check()
            if any(_event(line) == "reading begins" for line in child.lines()):
                break
        began_s, began_processor_s = time.monotonic(), child.processor_s()
        async for _ in poll_until_deadline("caught up views"):
            child.check()
            if _get(port, "/readyz") is not None:
                break
        elapsed_s, processor_s = time.monotonic() - began_s, child.processor_s() - began_processor_s
        return _records(_get(port, "/metrics") or ""), elapsed_s, processor_s
    finally:
        child.stop()


def _event(line: str) -> str:
    return str(json.loads(line).get("event")) if line.startswith("{") else ""


def _records(text: str) -> float:
    """The sum over all topics."""
    families = text_string_to_metric_families(text)
    return sum(s.value for family in families for s in family.samples if s.name == "tollgate_views_records_total")


def _get(port: int, path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):  # Not ready yet.
        return None

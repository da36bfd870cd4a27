"""The views: published events per second from the topics into a Redis, alone and beside a worker that decides events at
the same time.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure
from benchmarks.input_log import Rate, rate, recreate_fact_topics, watch
from benchmarks.processes import LOOPBACK, Child, Worker, environment, free_port, poll_until_deadline
from benchmarks.throughput import run_worker
from benchmarks.traffic import OPENING_INPUTS
from devkit.redis import DevRedis
from stream.settings import Settings

SECTION = "views"
RECORDS_PER_SECOND_MIN = 5_000


class Written(NamedTuple):
    """Events that one process of the views has written, and how long it took."""

    records: float
    elapsed_s: float
    processor_s: float

    @property
    def per_second(self) -> float:
        return self.records / self.elapsed_s

    @property
    def per_core(self) -> float:
        return self.records / self.processor_s

    def __str__(self) -> str:
        return f"{self.records:,.0f} events in {self.elapsed_s:.1f} s, {self.processor_s:.1f} s of processor time"


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """In each round fill an empty Redis from the topics that a worker has filled. Then let another worker decide the
    whole log anew, while the views write what it publishes.
    """
    await bench.fill_log()
    before, _ = await run_worker(bench, bench.consuming_settings())
    alone, beside, workers = list[Written](), list[Written](), list[Rate]()
    for _ in range(bench.size.repeats):
        alone.append(await _fill(bench))
        bench.report(f"alone: {alone[-1]}")
    for _ in range(bench.size.repeats):
        written, worker = await _follow(bench)
        beside.append(written)
        workers.append(worker)
        bench.report(f"beside a worker that decides {worker.per_second:,.0f} events/s: {written}")
    least = RECORDS_PER_SECOND_MIN
    return [
        Figure(SECTION, "worker alone, inputs", "events/s", (before.per_second,)),
        Figure(SECTION, "alone: events read", "events", tuple(each.records for each in alone)),
        Figure(SECTION, "alone: events into Redis", "events/s", tuple(each.per_second for each in alone)),
        Figure(SECTION, "alone: events on one core", "events/s", tuple(each.per_core for each in alone)),
        Figure(SECTION, "beside a worker: its inputs", "events/s", tuple(each.per_second for each in workers)),
        Figure(
            SECTION, "beside a worker: events into Redis", "events/s", tuple(each.per_second for each in beside), least
        ),
        Figure(
            SECTION, "beside a worker: events on one core", "events/s", tuple(each.per_core for each in beside), least
        ),
    ]


async def _fill(bench: BenchmarkRun) -> Written:
    """From the first position of the views until they are ready."""
    with _views(bench) as (child, port):
        async for _ in poll_until_deadline("positions of the views"):
            child.check()
            if any(_event(line) == "reading begins" for line in child.lines()):
                break
        began_s, began_processor_s = time.monotonic(), child.processor_s()
        await _wait_ready(child, port)
        elapsed_s, processor_s = time.monotonic() - began_s, child.processor_s() - began_processor_s
        return Written(_records(_get(port, "/metrics") or ""), elapsed_s, processor_s)


async def _follow(bench: BenchmarkRun) -> tuple[Written, Rate]:
    """From the first commit of a worker until its last. What the views write after that does not count."""
    settings = bench.consuming_settings()
    await recreate_fact_topics(settings)
    with _views(bench) as (child, port):
        await _wait_ready(child, port)
        worker = Worker(settings, bench.folder)
        try:
            await watch(settings, worker.child, 1)
            began = _progress(child, port)
            samples = await watch(settings, worker.child, bench.events)
            ended = _progress(child, port)
        finally:
            worker.stop()
    written = Written(*(end - begin for begin, end in zip(began, ended, strict=True)))
    return written, rate(samples, bench.size.accounts * OPENING_INPUTS)


def _progress(child: Child, port: int) -> Written:
    """Events so far, the time, and processor time. The difference of two is what was written between."""
    return Written(_records(_get(port, "/metrics") or ""), time.monotonic(), child.processor_s())


@contextmanager
def _views(bench: BenchmarkRun) -> Iterator[tuple[Child, int]]:
    """One process of the views, on an empty Redis, and its port."""
    number, port = bench.next_number(), free_port()
    with DevRedis(bench.folder / f"redis-{number}") as redis:
        settings: Settings = bench.named(f"views-{number}")
        shared = environment(settings) | {"TOLLGATE_REDIS_URL": redis.url, "TOLLGATE_VIEWS_HEALTH_PORT": str(port)}
        child = Child("tollgate", bench.folder, shared, "views")
        try:
            yield child, port
        finally:
            child.stop()


async def _wait_ready(child: Child, port: int) -> None:
    async for _ in poll_until_deadline("caught up views"):
        child.check()
        if _get(port, "/readyz") is not None:
            return


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

"""The measurements with tiny sizes on a real Kafka. Checks no timing: only that like is compared with like."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from benchmarks import latency, memory, month_end, restore, throughput
from benchmarks.benchmark_run import BenchmarkRun, Size
from benchmarks.traffic import MINUTES
from devkit.broker import DevBroker
from stream.settings import Settings
from tests.lane.stage import log_ends

TINY = Size(
    accounts=40,
    calls=2_000,
    repeats=1,
    rates=(50,),
    window_s=0.5,
    idle_accounts=(50, 100),
    month_end_accounts=300,
    short=True,
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[BenchmarkRun]:
    with DevBroker(tmp_path / "kafka") as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap, topic_prefix="bench.", batch_records_max=50)
        yield BenchmarkRun(settings, tmp_path, TINY, Console(quiet=True))


async def read(settings: Settings, name: str) -> Counter[tuple[bytes, bytes]]:
    """The number of committed records of a topic by key and value."""
    places = [TopicPartition(settings.topic(name), number) for number in range(settings.partitions)]
    found: Counter[tuple[bytes, bytes]] = Counter()
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await log_ends(settings.bootstrap_servers, places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.update((record.key, record.value) for record in records)
    return found


@pytest.mark.timeout(600)
async def test_the_bare_loops_write_the_records_that_the_worker_writes(bench: BenchmarkRun) -> None:
    await bench.fill_log()
    worker, _ = await throughput.run_worker(bench, bench.consuming_settings())
    assert worker.per_second > 0
    written = {name: await read(bench.settings, name) for name in ("call-decisions", "charges", "ledger-entries")}
    # Some calls end after a later one and move it beyond the allowance: its charge is adjusted.
    assert written["charges"].total() >= TINY.calls
    child = await throughput.prepared_loop(bench)
    try:
        for number, (_, how) in enumerate(throughput.LOOPS):
            await throughput.run_loop(bench, child, how, number)
            for name, once in written.items():
                # The group's offset may be readable shortly before the last facts of the same transaction.
                deadline_s = time.monotonic() + 60
                while (found := await read(bench.settings, name)) != once:
                    difference = f"{name}: missing {sorted(once - found)[:5]}, too many {sorted(found - once)[:5]}"
                    assert time.monotonic() < deadline_s, difference
                    await asyncio.sleep(0.2)
    finally:
        child.stop()


@pytest.mark.timeout(600)
async def test_the_same_calls_are_processed_on_a_minutes_plan(bench: BenchmarkRun) -> None:
    await bench.fill_log()
    await bench.fill_minutes_log()
    settings = bench.named("minutes", topic_prefix=bench.minutes_prefix)
    worker, _ = await throughput.run_worker(bench, settings)
    assert worker.per_second > 0
    charged = [json.loads(value) for _, value in await read(settings, "charges")]
    assert {fact["plan"] for fact in charged} == {MINUTES}
    assert len(charged) >= TINY.calls


@pytest.mark.timeout(600)
async def test_latency_restore_and_memory_give_figures(bench: BenchmarkRun) -> None:
    figures = [figure for section in (latency, restore, memory) for figure in await section.measure(bench)]
    assert {figure.section for figure in figures} == {"latency", "restore", "memory"}
    [rows] = [figure for figure in figures if figure.name == "rows read"]
    assert rows.value > TINY.calls, "a call leaves a row"


@pytest.mark.timeout(600)
async def test_g02_calls_are_decided_while_a_period_ends_for_all_accounts(bench: BenchmarkRun) -> None:
    before, across, longest, _ = await month_end.measure(bench)
    assert min(before.value, across.value, longest.value) > 0
    settings = bench.named("month-end", topic_prefix="month-end.")
    issued = [json.loads(value) for _, value in await read(settings, "invoices")]
    assert Counter(fact["type"] for fact in issued) == {"invoice-issued": TINY.month_end_accounts}
    # However late an invoice was issued, its cause is the tick that first reached the period's end.
    assert {fact["caused_by"] for fact in issued} == {f"tick-{month_end.BOUNDARY_MS}"}

"""The measurements in miniature on a real Kafka. Nothing here is timed: it shows that like is compared with like."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from benchmarks import latency, memory, restore, throughput
from benchmarks.scene import Scene, Size
from benchmarks.traffic import MINUTES
from stream.dev_broker import DevBroker
from stream.settings import Settings

TINY = Size(accounts=40, calls=2_000, repeats=1, rates=(50,), window_s=0.5, idle_accounts=(50, 100), short=True)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with DevBroker(tmp_path / "kafka") as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap, topic_prefix="bench.", batch_records_max=50)
        yield Scene(settings, tmp_path, TINY, Console(quiet=True))


async def read(settings: Settings, name: str) -> Counter[tuple[bytes, bytes]]:
    """Key and value of everything committed on a topic, with how often it is there."""
    places = [TopicPartition(settings.topic(name), number) for number in range(settings.partitions)]
    found: Counter[tuple[bytes, bytes]] = Counter()
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.update((record.key, record.value) for record in records)
    return found


@pytest.mark.timeout(600)
async def test_the_bare_loops_write_the_records_that_the_worker_writes(scene: Scene) -> None:
    await scene.filled()
    worker, _ = await throughput.run_worker(scene, scene.consuming_settings())
    assert worker.per_second > 0
    written = {name: await read(scene.settings, name) for name in ("call-decisions", "charges", "ledger-entries")}
    # Some calls end after a later one and move it beyond the allowance: its charge is adjusted.
    assert written["charges"].total() >= TINY.calls
    child = await throughput.prepared_loop(scene)
    try:
        for time, (_, how) in enumerate(throughput.LOOPS):
            await throughput.run_loop(scene, child, how, time)
            for name, once in written.items():
                again = await read(scene.settings, name)
                assert again == Counter({record: count * (time + 2) for record, count in once.items()}), name
    finally:
        child.stop()


@pytest.mark.timeout(600)
async def test_the_same_calls_are_taken_in_on_a_minutes_plan(scene: Scene) -> None:
    await scene.filled()
    await scene.filled_with_minutes()
    settings = scene.named("minutes", topic_prefix=scene.minutes_prefix)
    worker, _ = await throughput.run_worker(scene, settings)
    assert worker.per_second > 0
    charged = [json.loads(value) for _, value in await read(settings, "charges")]
    assert {fact["plan"] for fact in charged} == {MINUTES}
    assert len(charged) >= TINY.calls


@pytest.mark.timeout(600)
async def test_latency_restore_and_memory_give_figures(scene: Scene) -> None:
    figures = [figure for section in (latency, restore, memory) for figure in await section.measure(scene)]
    assert {figure.section for figure in figures} == {"latency", "restore", "memory"}
    [rows] = [figure for figure in figures if figure.name == "rows read"]
    assert rows.value > TINY.calls, "a call leaves a row"

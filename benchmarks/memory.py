"""Bytes of a worker's memory for one more wallet and for one more call, by how its resident set grows."""

import time
from collections.abc import Iterable
from random import Random

from benchmarks.figures import Figure
from benchmarks.scene import Scene
from benchmarks.stage import Worker, fill, watch
from benchmarks.traffic import Keyed, Traffic, call_ended, call_started
from stream.settings import Settings

SECTION = "memory"


async def measure(scene: Scene) -> list[Figure]:
    """Idle accounts first, then one open call on each of the later ones, then its end."""
    settings = scene.named("memory", topic_prefix="memory.")
    few, many = scene.size.idle_accounts
    added = many - few
    traffic = Traffic(many, 0, time.time_ns() // 1_000_000)
    opening = list(traffic.opening())
    split = len(opening) * few // many
    worker = Worker(settings, scene.folder)
    try:
        before = await _after(scene, settings, worker, opening[:split])
        idle = await _after(scene, settings, worker, opening[split:])
        live = await _after(scene, settings, worker, _calls(traffic, few, ended=False))
        done = await _after(scene, settings, worker, _calls(traffic, few, ended=True))
    finally:
        worker.stop()
    scene.say(f"{before >> 20} MiB with {few:,} idle accounts, {idle >> 20} MiB with {many:,}")
    return [
        Figure(SECTION, "an idle wallet, its five inputs remembered", "bytes", ((idle - before) / added,)),
        Figure(SECTION, "an open call", "bytes", ((live - idle) / added,)),
        Figure(SECTION, "its end, remembered for corrections", "bytes", ((done - live) / added,)),
    ]


async def _after(scene: Scene, settings: Settings, worker: Worker, records: Iterable[Keyed]) -> int:
    """The resident set (bytes) when the worker has committed `records` as well."""
    ends = await fill(settings, records)
    await watch(settings, worker.child, sum(ends))
    resident = worker.child.resident_bytes()
    scene.say(f"{sum(ends):,} inputs taken in: {resident >> 20} MiB")
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

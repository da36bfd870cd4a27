"""Rows a second from the changelog of a worker that took in the whole log, until its table can be used."""

from benchmarks.figures import Figure
from benchmarks.scene import Scene
from benchmarks.stage import Worker

SECTION = "restore"
ROWS_PER_SECOND_MIN = 100_000


async def measure(scene: Scene) -> list[Figure]:
    """Start the worker again and again; what it says itself counts: fetching, checking, and rebuilding the books."""
    settings = await scene.with_changelog()
    rates, rows = [], 0
    for _ in range(scene.size.repeats):
        worker = Worker(settings, scene.folder)
        try:
            await worker.wait_ready()
            rows, seconds = worker.restored()
        finally:
            worker.stop()
        rates.append(rows / seconds)
        scene.say(f"restored {rows:,} rows in {seconds:.2f} s")
    return [
        Figure(SECTION, "rows read", "rows", (rows,)),
        Figure(SECTION, "table restored", "rows/s", tuple(rates), at_least=ROWS_PER_SECOND_MIN),
    ]

"""Restore rate: rows per second from the changelog of a worker that processed the whole log, until the table is
usable.
"""

from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure
from benchmarks.processes import Worker

SECTION = "restore"
ROWS_PER_SECOND_MIN = 100_000


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Start the worker repeatedly. Its own log gives the time, which includes fetching, checking and rebuilding."""
    settings = await bench.with_changelog()
    rates, rows = [], 0
    for _ in range(bench.size.repeats):
        worker = Worker(settings, bench.folder)
        try:
            await worker.wait_ready()
            rows, seconds = worker.restored()
        finally:
            worker.stop()
        rates.append(rows / seconds)
        bench.report(f"restored {rows:,} rows in {seconds:.2f} s")
    return [
        Figure(SECTION, "rows read", "rows", (rows,)),
        Figure(SECTION, "table restored", "rows/s", tuple(rates), at_least=ROWS_PER_SECOND_MIN),
    ]

"""Events per second on one log: the worker with all rules, a bare transactional loop, and plain Faust."""

import signal
from collections import defaultdict
from collections.abc import Callable, Iterator

from prometheus_client.parser import text_string_to_metric_families

from benchmarks import bare_loop
from benchmarks.benchmark_run import BenchmarkRun
from benchmarks.figures import Figure, bucket_quantile
from benchmarks.input_log import Rate, rate, recreate_fact_topics, watch
from benchmarks.processes import Child, Worker, environment, poll_until_deadline
from benchmarks.traffic import OPENING_INPUTS
from stream.settings import Settings

SECTION = "throughput"
OF_BARE_MIN = 0.5
OF_FAUST_MIN = 12.0
OF_CREDITS_MIN = 0.8
PLAIN_FAUST_WINDOW_S = 10.0  # It commits every 2.8 s, and would need minutes for the whole log.
SHORT_WINDOW_S = 3.0

WORKER, MINUTES = "worker, all rules", "worker, the same on a minutes plan"
BARE, OWN, FAUST = "bare loop", "bare loop, worker's commits", "plain Faust"
LOOPS = ((BARE, signal.SIGUSR1), (OWN, signal.SIGUSR2))


async def measure(bench: BenchmarkRun) -> list[Figure]:
    """Measure all programs in each round, so that noise on the machine affects all of them."""
    runs: dict[str, list[Rate]] = defaultdict(list)
    metrics = ""
    await bench.fill_log()
    await bench.fill_minutes_log()
    bare = await prepared_loop(bench)
    try:
        for number in range(bench.size.repeats):
            measured, metrics = await run_worker(bench, bench.consuming_settings())
            runs[WORKER].append(measured)
            minutes = bench.named(f"minutes-{bench.next_number()}", topic_prefix=bench.minutes_prefix)
            runs[MINUTES].append((await run_worker(bench, minutes))[0])
            for place, (name, how) in enumerate(LOOPS):
                runs[name].append(await run_loop(bench, bare, how, number * len(LOOPS) + place))
            runs[FAUST].append(await run_faust(bench))
            rates = ", ".join(f"{name} {some[-1].per_second:,.0f}" for name, some in runs.items())
            bench.report(f"round {number + 1} of {bench.size.repeats}, events/s: {rates}")
    finally:
        bare.stop()
    return [*_figures(runs), *_batch_figures(metrics)]


async def run_worker(bench: BenchmarkRun, settings: Settings) -> tuple[Rate, str]:
    """Run a new worker on a whole log. Returns its rate, and its metrics at the end."""
    await recreate_fact_topics(settings)
    worker = Worker(settings, bench.folder)
    try:
        samples = await watch(worker.settings, worker.child, bench.events)
        return rate(samples, _opening(bench)), worker.metrics()
    finally:
        worker.stop()


def _opening(bench: BenchmarkRun) -> int:
    """The number of inputs that open the accounts: the steady state begins after them."""
    return bench.size.accounts * OPENING_INPUTS


async def prepared_loop(bench: BenchmarkRun) -> Child:
    """Start the bare loop's process and wait until it is ready for `run_loop`."""
    bench.report("running the rules once, to prepare the records that the bare loop writes")
    child = Child("benchmarks.bare_loop", bench.folder, environment(bench.named("bare")))
    async for _ in poll_until_deadline("a prepared bare loop", every_s=0.2):
        child.check()
        if bare_loop.PREPARED in child.lines():
            break
    return child


async def run_loop(bench: BenchmarkRun, child: Child, how: signal.Signals, number: int) -> Rate:
    """Run the bare loop once on the whole log; `number` counts the passes from 0."""
    settings = bare_loop.settings_of_pass(bench.named("bare"), number)
    await recreate_fact_topics(settings)
    child.signal(how)
    return rate(await watch(settings, child, bench.events), _opening(bench))


async def run_faust(bench: BenchmarkRun) -> Rate:
    """Run plain Faust for the window."""
    settings = bench.named(f"faust-{bench.next_number()}")
    child = Child("benchmarks.plain_faust", bench.folder, environment(settings))
    try:
        window_s = SHORT_WINDOW_S if bench.size.short else PLAIN_FAUST_WINDOW_S
        # Measured from its first commit: opening an account costs plain Faust no more than a call.
        return rate(await watch(settings, child, bench.events, window_s), 0)
    finally:
        child.stop()


def _figures(runs: dict[str, list[Rate]]) -> Iterator[Figure]:
    def ratios(by: Callable[[Rate], float], above: list[Rate], *below: list[Rate]) -> tuple[float, ...]:
        return tuple(by(one) / max(map(by, others)) for one, *others in zip(above, *below, strict=True))

    for name, some in runs.items():
        yield Figure(SECTION, name, "events/s", tuple(one.per_second for one in some))
    for name, some in runs.items():
        yield Figure(SECTION, f"{name}: processor time", "µs/event", tuple(one.spent_us for one in some))
    of_bare = ratios(_speed, runs[WORKER], runs[BARE], runs[OWN])
    yield Figure(SECTION, "worker / the faster bare loop", "times", of_bare, at_least=OF_BARE_MIN)
    of_faust = ratios(_speed, runs[WORKER], runs[FAUST])
    yield Figure(SECTION, "worker / plain Faust", "times", of_faust, at_least=OF_FAUST_MIN)
    of_credits = ratios(_speed, runs[MINUTES], runs[WORKER])
    yield Figure(SECTION, "minutes plan / credits plan", "times", of_credits, at_least=OF_CREDITS_MIN)


def _speed(one: Rate) -> float:
    return one.per_second


def _batch_figures(metrics: str) -> Iterator[Figure]:
    """Figures from the histograms of the last worker, under full load."""
    for name, what in (("decide", "rules"), ("commit", "transaction")):
        buckets = _buckets(metrics, f"tollgate_batch_{name}_seconds")
        for share in (0.5, 0.99):
            value = bucket_quantile(buckets, share) * 1_000
            yield Figure("batch at full load", f"{what}, p{share * 100:.0f}", "ms", (value,))


def _buckets(metrics: str, name: str) -> list[tuple[float, float]]:
    return [
        (float(sample.labels["le"]), sample.value)
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == f"{name}_bucket"
    ]

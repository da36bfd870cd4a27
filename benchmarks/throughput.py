"""Events a second on one log: the worker with all rules, a bare transactional loop, and plain Faust."""

import signal
from collections import defaultdict
from collections.abc import Callable, Iterator

from prometheus_client.parser import text_string_to_metric_families

from benchmarks import bare_loop
from benchmarks.child import Child
from benchmarks.figures import Figure, bucket_quantile
from benchmarks.scene import Scene
from benchmarks.stage import Rate, Worker, environment, patiently, rate, watch
from benchmarks.traffic import OPENING_INPUTS
from stream.settings import Settings

SECTION = "throughput"
OF_BARE_MIN = 0.5
OF_FAUST_MIN = 12.0
OF_CREDITS_MIN = 0.8
PLAIN_FAUST_WINDOW_S = 10.0  # It commits every 2.8 s and takes minutes for what the others do in seconds.
SHORT_WINDOW_S = 3.0

WORKER, MINUTES = "worker, all rules", "worker, the same on a minutes plan"
BARE, OWN, FAUST = "bare loop", "bare loop, worker's commits", "plain Faust"
LOOPS = ((BARE, signal.SIGUSR1), (OWN, signal.SIGUSR2))


async def measure(scene: Scene) -> list[Figure]:
    """Rounds of all contenders, one after another, so that a noisy minute of the machine hits all of them."""
    runs: dict[str, list[Rate]] = defaultdict(list)
    metrics = ""
    await scene.filled()
    await scene.filled_with_minutes()
    bare = await prepared_loop(scene)
    try:
        for number in range(scene.size.repeats):
            measured, metrics = await run_worker(scene, scene.consuming_settings())
            runs[WORKER].append(measured)
            minutes = scene.named(f"minutes-{scene.next_number()}", topic_prefix=scene.minutes_prefix)
            runs[MINUTES].append((await run_worker(scene, minutes))[0])
            for place, (name, how) in enumerate(LOOPS):
                runs[name].append(await run_loop(scene, bare, how, number * len(LOOPS) + place))
            runs[FAUST].append(await run_faust(scene))
            said = ", ".join(f"{name} {some[-1].per_second:,.0f}" for name, some in runs.items())
            scene.say(f"round {number + 1} of {scene.size.repeats}, events/s: {said}")
    finally:
        bare.stop()
    return [*_figures(runs), *_batch_figures(metrics)]


async def run_worker(scene: Scene, settings: Settings) -> tuple[Rate, str]:
    """A fresh worker over a whole log; also its metrics at the end."""
    worker = Worker(settings, scene.folder)
    try:
        samples = await watch(worker.settings, worker.child, scene.events)
        return rate(samples, _opening(scene)), worker.metrics()
    finally:
        worker.stop()


def _opening(scene: Scene) -> int:
    """The steady state begins when the accounts are open."""
    return scene.size.accounts * OPENING_INPUTS


async def prepared_loop(scene: Scene) -> Child:
    """The bare loop's process, ready for `run_loop`."""
    scene.say("running the rules once, for the records that the bare loop writes")
    child = Child("benchmarks.bare_loop", scene.folder, environment(scene.named("bare")))
    async for _ in patiently("a bare loop that is prepared", every_s=0.2):
        child.check()
        if bare_loop.PREPARED in child.lines():
            break
    return child


async def run_loop(scene: Scene, child: Child, how: signal.Signals, time: int) -> Rate:
    """The bare loop once over the whole log; `time` counts from 0."""
    settings = bare_loop.group_of(scene.named("bare"), time)
    child.signal(how)
    return rate(await watch(settings, child, scene.events), _opening(scene))


async def run_faust(scene: Scene) -> Rate:
    """Plain Faust over as much of the log as it manages in the window."""
    settings = scene.named(f"faust-{scene.next_number()}")
    child = Child("benchmarks.plain_faust", scene.folder, environment(settings))
    try:
        window_s = SHORT_WINDOW_S if scene.size.short else PLAIN_FAUST_WINDOW_S
        # It counts from its first commit: opening an account costs it no more than a call.
        return rate(await watch(settings, child, scene.events, window_s), 0)
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
    """Of the last worker, under full load: what its own histograms say."""
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

"""The metrics of the views. No label carries an account."""

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.views import layout
from agents.views.starts import Why
from stream.ops.metric_table import Meaning
from stream.ops.metrics import BATCH_SIZES, SECONDS, new_registry

AGE = "tollgate_views_caught_up_age_seconds"
METRICS = (
    Meaning("tollgate_views_records_total", "counter", ("topic",), "Events that Redis has, by topic."),
    Meaning(
        "tollgate_views_unreadable_total", "counter", ("topic",), "Records that no engine wrote; they are skipped."
    ),
    Meaning("tollgate_views_starts_total", "counter", ("why",), "Partitions of topics whose reading began, by reason."),
    Meaning("tollgate_views_redis_errors_total", "counter", (), "Answers that Redis did not give, or refused for now."),
    Meaning("tollgate_views_batch_records", "histogram", (), "Records in one batch."),
    Meaning("tollgate_views_write_seconds", "histogram", (), "Time until Redis had a batch."),
    Meaning("tollgate_views_redis_up", "gauge", (), "1 while Redis answers."),
    Meaning("tollgate_views_partitions", "gauge", (), "Partitions that this process reads."),
    Meaning(
        AGE,
        "gauge",
        ("partition",),
        "Age of what Redis shows of a partition; until it caught up, the time since its reading began.",
    ),
)
_BY_NAME = {row.name: row for row in METRICS}


class Metrics:
    """The metrics of one process, in their own registry. `caught_up` gives the time (ms) up to which each partition is
    in Redis, at each scrape.
    """

    def __init__(self, caught_up: Callable[[], Mapping[int, int]]) -> None:
        self.registry = new_registry()
        self.records = self._counter("tollgate_views_records_total", layout.TOPICS)
        self.unreadable = self._counter("tollgate_views_unreadable_total", layout.TOPICS)
        self.starts = self._counter("tollgate_views_starts_total", Why)
        self.redis_errors = self._counter("tollgate_views_redis_errors_total")
        self.batch_records = self._histogram("tollgate_views_batch_records", BATCH_SIZES)
        self.write_seconds = self._histogram("tollgate_views_write_seconds", SECONDS)
        self.redis_up = self._gauge("tollgate_views_redis_up")
        self.partitions = self._gauge("tollgate_views_partitions")
        self.registry.register(_Ages(caught_up))

    def _counter(self, name: str, known: Iterable[str] = ()) -> Counter:
        row = _BY_NAME[name]
        counter = Counter(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            counter.labels(label)
        return counter

    def _gauge(self, name: str) -> Gauge:
        return Gauge(name, _BY_NAME[name].meaning, registry=self.registry)

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, _BY_NAME[name].meaning, buckets=buckets, registry=self.registry)


class _Ages(Collector):
    """Computed at each scrape, so that the age grows while nothing is read."""

    def __init__(self, caught_up: Callable[[], Mapping[int, int]]) -> None:
        self._caught_up = caught_up

    def collect(self) -> Iterable[Metric]:
        ages = GaugeMetricFamily(AGE, _BY_NAME[AGE].meaning, labels=("partition",))
        for partition, at_ms in self._caught_up().items():
            ages.add_metric((str(partition),), max(0.0, time.time() - at_ms / 1_000))
        yield ages

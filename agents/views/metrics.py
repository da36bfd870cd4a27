"""The metrics of the views. No label carries an account."""

import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from agents.views import layout
from agents.views.starts import Why
from stream.ops.instruments import BATCH_SIZES, SECONDS, Instruments, Meaning, gauge_family

AGE = Meaning(
    "tollgate_views_caught_up_age_seconds",
    "gauge",
    ("partition",),
    "Age of the data of a partition in Redis; before the views have caught up, the time since reading began.",
)
METRICS = (
    Meaning("tollgate_views_records_total", "counter", ("topic",), "Events written to Redis, by topic."),
    Meaning(
        "tollgate_views_unreadable_total",
        "counter",
        ("topic",),
        "Records skipped because Tollgate did not write them.",
    ),
    Meaning(
        "tollgate_views_starts_total",
        "counter",
        ("why",),
        "Starts of reading a topic's partition, by reason.",
    ),
    Meaning("tollgate_views_redis_errors_total", "counter", (), "Requests that Redis did not answer, or refused."),
    Meaning("tollgate_views_batch_records", "histogram", (), "Records in one batch."),
    Meaning("tollgate_views_write_seconds", "histogram", (), "Time to write a batch to Redis."),
    Meaning("tollgate_views_redis_up", "gauge", (), "1 while Redis answers."),
    Meaning("tollgate_views_partitions", "gauge", (), "Partitions that this process reads."),
    AGE,
)


class Metrics:
    """The metrics of one process, in their own registry. `caught_up` gives the time (ms) up to which each partition is
    in Redis, at each scrape.
    """

    def __init__(self, caught_up: Callable[[], Mapping[int, int]]) -> None:
        made = Instruments(METRICS)
        self.registry = made.registry
        self.records = made.counter("tollgate_views_records_total", layout.TOPICS)
        self.unreadable = made.counter("tollgate_views_unreadable_total", layout.TOPICS)
        self.starts = made.counter("tollgate_views_starts_total", Why)
        self.redis_errors = made.counter("tollgate_views_redis_errors_total")
        self.batch_records = made.histogram("tollgate_views_batch_records", BATCH_SIZES)
        self.write_seconds = made.histogram("tollgate_views_write_seconds", SECONDS)
        self.redis_up = made.gauge("tollgate_views_redis_up")
        self.partitions = made.gauge("tollgate_views_partitions")
        self.registry.register(_Ages(caught_up))


class _Ages(Collector):
    """Computed at each scrape, so that the age grows while nothing is read."""

    def __init__(self, caught_up: Callable[[], Mapping[int, int]]) -> None:
        self._caught_up = caught_up

    def collect(self) -> Iterable[Metric]:
        ages = gauge_family(AGE)
        for partition, at_ms in self._caught_up().items():
            ages.add_metric((str(partition),), max(0.0, time.time() - at_ms / 1_000))
        yield ages

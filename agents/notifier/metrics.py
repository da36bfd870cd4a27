"""The notifier's metrics. No label carries an account or an address; a target is known by its name in the file."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.notifier.event_types import TOPICS
from agents.notifier.mail.metrics import METRICS as MAIL_METRICS
from agents.notifier.mail.metrics import MailMetrics
from stream.ops.instruments import Instruments, Meaning, gauge_family

OUTCOMES = ("delivered", "failed", "refused")
READS = ("usable", "unusable")
SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)

WAITING = Meaning(
    "tollgate_notifier_waiting",
    "gauge",
    ("target",),
    "Events that wait for delivery to a target, in the partitions of this process.",
)
OLDEST = Meaning(
    "tollgate_notifier_oldest_waiting_seconds",
    "gauge",
    ("target",),
    "Age of the oldest event that waits for a target in this process; 0 without one.",
)
METRICS = (
    Meaning(
        "tollgate_notifier_attempts_total",
        "counter",
        ("target", "outcome"),
        "Attempts to deliver an event, by target and outcome. `refused`: no further attempt would succeed.",
    ),
    Meaning(
        "tollgate_notifier_given_up_total",
        "counter",
        ("target",),
        "Events given up, by target: refused, or failed at the last attempt. The log names them.",
    ),
    Meaning("tollgate_notifier_attempt_seconds", "histogram", (), "Duration of one attempt."),
    Meaning("tollgate_notifier_events_total", "counter", ("topic",), "Events read for at least one target, by topic."),
    Meaning(
        "tollgate_notifier_skipped_total",
        "counter",
        (),
        "Records skipped at the very first start because they were older than `TOLLGATE_NOTIFY_MAX_AGE`, including "
        "markers of transactions.",
    ),
    Meaning("tollgate_notifier_unreadable_total", "counter", ("topic",), "Records that are no event of their topic."),
    Meaning("tollgate_notifier_file_reads_total", "counter", ("outcome",), "Reads of the changed file of targets."),
    Meaning(
        "tollgate_notifier_file_usable",
        "gauge",
        (),
        "1 when the present file of targets is in force; 0 when it is unusable and the former one stays in force.",
    ),
    Meaning("tollgate_notifier_partitions", "gauge", (), "Partitions that this process serves."),
    WAITING,
    OLDEST,
    *MAIL_METRICS,
)

# The count of what waits and the age of the oldest, by target.
Waits = Callable[[], Mapping[str, tuple[int, float]]]


class Metrics:
    """The metrics of one notifier, in their own registry. `waits` is called at each scrape, once it is set."""

    def __init__(self, waits: Waits = dict) -> None:
        made = Instruments(METRICS)
        self.registry = made.registry
        self.attempts = made.counter("tollgate_notifier_attempts_total")
        self.given_up = made.counter("tollgate_notifier_given_up_total")
        self.attempt_seconds = made.histogram("tollgate_notifier_attempt_seconds", SECONDS)
        self.events = made.counter("tollgate_notifier_events_total", TOPICS)
        self.skipped = made.counter("tollgate_notifier_skipped_total")
        self.unreadable = made.counter("tollgate_notifier_unreadable_total", TOPICS)
        self.file_reads = made.counter("tollgate_notifier_file_reads_total", READS)
        self.file_usable = made.gauge("tollgate_notifier_file_usable")
        self.partitions = made.gauge("tollgate_notifier_partitions")
        self.mails = MailMetrics(made)
        self.waits = waits
        self.registry.register(_Waiting(self))

    def file_read(self, usable: bool) -> None:
        self.file_reads.labels("usable" if usable else "unusable").inc()
        self.file_usable.set(usable)

    def show_target(self, name: str) -> None:
        """Make the series of a target before its first attempt."""
        for outcome in OUTCOMES:
            self.attempts.labels(name, outcome)
        self.given_up.labels(name)


class _Waiting(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        count: GaugeMetricFamily = gauge_family(WAITING)
        oldest: GaugeMetricFamily = gauge_family(OLDEST)
        for name, (waiting, seconds) in self._metrics.waits().items():
            count.add_metric([name], waiting)
            oldest.add_metric([name], seconds)
        yield count
        yield oldest

"""The adapter's metrics. No label carries an account or a payment."""

from collections import Counter as Counts
from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from payments.outcome import Why
from stream.ops.metric_table import Meaning
from stream.ops.metrics import new_registry

REQUESTS = ("new", "repeat", "unreadable")
ANSWERS = ("succeeded", "declined", "declined_for_now")
RETRIES = ("pending", "unknown", "refused")
REVERSALS = ("dispute", "dispute_won", "refund", "refund_failed")
LOOKS = ("done", "listed", "unknown")
WEBHOOKS = ("taken", "not_ours", "refused", "unknown")
# A provider usually takes a second or two, and up to half a minute during an outage.
SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40, 80)

METRICS = (
    Meaning("tollgate_payments_requests_total", "counter", ("outcome",), "Payment requests read, by kind."),
    Meaning("tollgate_payments_answers_total", "counter", ("outcome",), "Answers committed, by outcome."),
    Meaning("tollgate_payments_retries_total", "counter", ("why",), "Provider calls that left the payment open."),
    Meaning("tollgate_payments_reversals_total", "counter", ("kind",), "Reversals committed, by kind."),
    Meaning("tollgate_payments_looks_total", "counter", ("outcome",), "Looks for reversals, by outcome."),
    Meaning("tollgate_payments_provider_seconds", "histogram", (), "Duration of one provider call."),
    Meaning("tollgate_payments_webhooks_total", "counter", ("outcome",), "Webhooks received, by result."),
    Meaning(
        "tollgate_payments_refused",
        "gauge",
        ("why",),
        "Payments and listings whose last request was refused for no fault of a card. They are retried.",
    ),
    Meaning("tollgate_payments_open", "gauge", (), "Unanswered payments in the partitions of this process."),
    Meaning("tollgate_payments_oldest_open_seconds", "gauge", (), "Age of the oldest of them; 0 without one."),
)
_BY_NAME = {row.name: row for row in METRICS}


class Metrics:
    """The metrics of one adapter, in their own registry. Every label exists from the start.

    `refused`, `open_count` and `oldest_open_s` are called at each scrape.
    """

    def __init__(
        self,
        open_count: Callable[[], int],
        oldest_open_s: Callable[[], float],
        refused: Callable[[], Counts[Why]] = Counts,
    ) -> None:
        self.registry = new_registry()
        self.requests = self._counter("tollgate_payments_requests_total", REQUESTS)
        self.answers = self._counter("tollgate_payments_answers_total", ANSWERS)
        self.retries = self._counter("tollgate_payments_retries_total", RETRIES)
        self.reversals = self._counter("tollgate_payments_reversals_total", REVERSALS)
        self.looks = self._counter("tollgate_payments_looks_total", LOOKS)
        self.webhooks = self._counter("tollgate_payments_webhooks_total", WEBHOOKS)
        name = "tollgate_payments_provider_seconds"
        self.provider_seconds = Histogram(name, _BY_NAME[name].meaning, buckets=SECONDS, registry=self.registry)
        self._gauge("tollgate_payments_open", open_count)
        self._gauge("tollgate_payments_oldest_open_seconds", oldest_open_s)
        row = _BY_NAME["tollgate_payments_refused"]
        gauge = Gauge(row.name, row.meaning, row.labels, registry=self.registry)
        for why in get_args(Why):
            gauge.labels(why).set_function(partial(_count_of, refused, why))

    def count(self, tally: Mapping[tuple[str, str], int]) -> None:
        """Add what one transaction committed, by family and label."""
        for (family, label), count in tally.items():
            counter: Counter = getattr(self, family)
            counter.labels(label).inc(count)

    def _counter(self, name: str, known: tuple[str, ...]) -> Counter:
        row = _BY_NAME[name]
        counter = Counter(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            counter.labels(label)
        return counter

    def _gauge(self, name: str, value: Callable[[], float]) -> None:
        Gauge(name, _BY_NAME[name].meaning, registry=self.registry).set_function(value)


def _count_of(refused: Callable[[], Counts[Why]], why: Why) -> float:
    return refused()[why]

"""What a worker counts, in Prometheus form. No label carries an account, a call or a number."""

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.batch import Outcome
from stream.batches import Batch

BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

OUTCOMES = ("accepted", "repeat", "dead_letter")
DEAD_LETTER_CODES = (
    "malformed_json",
    "not_utf8",
    "not_an_object",
    "schema_invalid",
    "unknown_type",
    "key_mismatch",
    "wrong_partition",
    "too_large",
    "unknown_account",
    "account_exists",
    "unknown_plan",
    "unknown_payment_method",
    "unknown_purchase",
    "card_number_refused",
    "last_payment_method",
    "refund_window_passed",
    "nothing_to_refund",
    "unknown_payment",
    "too_late",
    "future_time",
    "no_subscription",
    "unauthenticated",
    "unsupported_version",
)
FACT_TYPES = (
    "call-admitted",
    "call-redirected",
    "call-charged",
    "charge-adjusted",
    "balance-low",
    "funds-needed",
    "purchase-declined",
    "refill-requested",
    "refill-succeeded",
    "refill-declined",
    "refill-paused",
    "refill-unresolved",
    "subscription-payment-declined",
    "upgrade-suggested",
    "call-stuck",
    "payment-requested",
    "ledger-entry-posted",
    "account-snapshot",
    "invoice-issued",
    "invoice-paid",
    "receipt-issued",
)
GATE_REASONS = (
    "included",
    "credits",
    "subscription",
    "insufficient_balance",
    "extra_calls_off",
    "subscription_ended",
    "unknown_account",
)
CURRENCIES = ("USD",)


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the metrics table: name as scraped, type, labels, and what it tells."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


METRICS = (
    Meaning("tollgate_inputs_total", "counter", ("outcome",), "Inputs committed, by outcome."),
    Meaning("tollgate_dead_letters_total", "counter", ("code",), "Dead letters written, by code."),
    Meaning("tollgate_facts_total", "counter", ("type",), "Facts written, by type."),
    Meaning("tollgate_gate_decisions_total", "counter", ("reason",), "Calls admitted or redirected, by reason."),
    Meaning(
        "tollgate_charged_micros",
        "gauge",
        ("currency",),
        "Money charged by this worker, net of adjustments, in micros.",
    ),
    Meaning("tollgate_batch_records", "histogram", (), "Inputs in a batch."),
    Meaning("tollgate_batch_decide_seconds", "histogram", (), "Time the rules took for a batch."),
    Meaning("tollgate_batch_commit_seconds", "histogram", (), "Time a batch's transaction took."),
    Meaning("tollgate_lag_records", "gauge", ("partition",), "Offsets between the last commit and the end of the log."),
    Meaning(
        "tollgate_lag_seconds",
        "gauge",
        ("partition",),
        "Age of the newest input in the last batch when it was committed.",
    ),
    Meaning("tollgate_restored_rows_total", "counter", (), "Changelog records read to restore the table."),
    Meaning("tollgate_restore_seconds", "gauge", (), "How long the last restore took."),
    Meaning("tollgate_rebalances_total", "counter", (), "Assignments of partitions received from the group."),
    Meaning("tollgate_watchdog_seconds", "gauge", ("what",), "Age of what the watchdog watches: `loop`, `commit`."),
    Meaning("tollgate_held_micros", "gauge", (), "Sum of the holds of open calls (the exposure), in micros."),
    Meaning("tollgate_open_calls", "gauge", (), "Calls admitted and not ended."),
    Meaning("tollgate_accounts", "gauge", (), "Accounts in this worker's partitions."),
    Meaning("tollgate_rows", "gauge", (), "Rows in this worker's partitions."),
    Meaning("tollgate_build_info", "gauge", ("version", "python"), "Always 1; the labels say what is running."),
)
_BY_NAME = {row.name: row for row in METRICS}
WATCHED = ("loop", "commit")


class Metrics:
    """The metrics of one worker, in a registry of their own. Label sets known beforehand are there from the start."""

    def __init__(self, rule_gauges: Callable[[], Mapping[str, int]] | None = None) -> None:
        self.registry = CollectorRegistry()
        self.inputs = self._counter("tollgate_inputs_total", OUTCOMES)
        self.dead_letters = self._counter("tollgate_dead_letters_total", DEAD_LETTER_CODES)
        self.facts = self._counter("tollgate_facts_total", FACT_TYPES)
        self.gate = self._counter("tollgate_gate_decisions_total", GATE_REASONS)
        # A gauge, because adjustments make it fall.
        self.charged = self._gauge("tollgate_charged_micros", CURRENCIES)
        self.batch_records = self._histogram("tollgate_batch_records", BATCH_SIZES)
        self.decide_seconds = self._histogram("tollgate_batch_decide_seconds", SECONDS)
        self.commit_seconds = self._histogram("tollgate_batch_commit_seconds", SECONDS)
        self.lag_records = self._gauge("tollgate_lag_records")
        self.lag_seconds = self._gauge("tollgate_lag_seconds")
        self.restored_rows = self._counter("tollgate_restored_rows_total")
        self.restore_seconds = self._gauge("tollgate_restore_seconds")
        self.rebalances = self._counter("tollgate_rebalances_total")
        self.watchdog = self._gauge("tollgate_watchdog_seconds", WATCHED)
        self._gauge("tollgate_build_info").labels(_version(), platform.python_version()).set(1)
        self._tallies = {
            "inputs": self.inputs,
            "dead_letters": self.dead_letters,
            "facts": self.facts,
            "gate": self.gate,
        }
        if rule_gauges is not None:
            self.registry.register(_RuleGauges(rule_gauges))

    def committed(self, batch: Batch, outcome: Outcome, decide_s: float, commit_s: float, now_ms: int) -> None:
        """Count a batch that is in the log for good. `now_ms` is the wall clock."""
        for (family, label), count in outcome.tally.items():
            self._tallies[family].labels(label).inc(count)
        for currency, micros in outcome.charged_micros.items():
            self.charged.labels(currency).inc(micros)
        self.batch_records.observe(len(batch.records))
        self.decide_seconds.observe(decide_s)
        self.commit_seconds.observe(commit_s)
        partition = str(batch.partition)
        self.lag_records.labels(partition).set(max(0, batch.highwater - batch.end))
        self.lag_seconds.labels(partition).set(max(0, now_ms - batch.records[-1].timestamp) / 1_000)

    def restored(self, rows: int, seconds: float) -> None:
        self.restored_rows.inc(rows)
        self.restore_seconds.set(seconds)

    def owned(self, partitions: Iterable[int]) -> None:
        """Count a rebalance; a partition that went away must not keep showing its last lag."""
        self.rebalances.inc()
        for gauge in (self.lag_records, self.lag_seconds):
            gauge.clear()
            for partition in partitions:
                gauge.labels(str(partition))

    def _counter(self, name: str, known: Iterable[str] = ()) -> Counter:
        row = _BY_NAME[name]
        counter = Counter(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            counter.labels(label)
        return counter

    def _gauge(self, name: str, known: Iterable[str] = ()) -> Gauge:
        row = _BY_NAME[name]
        gauge = Gauge(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            gauge.labels(label)
        return gauge

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, _BY_NAME[name].meaning, buckets=buckets, registry=self.registry)


class _RuleGauges(Collector):
    """Asks the rules at each scrape, so that nothing is counted twice over."""

    def __init__(self, gauges: Callable[[], Mapping[str, int]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        for name, value in self._gauges().items():
            full = f"tollgate_{name}"
            row: Any = _BY_NAME.get(full)
            yield GaugeMetricFamily(full, row.meaning if row else name, value=value)


def _version() -> str:
    try:
        return version("tollgate")
    except ModuleNotFoundError:  # Run from a source tree that was never installed.
        return "source"

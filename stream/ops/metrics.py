"""The Prometheus metrics of a worker. No label carries an account, a call or a phone number."""

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.batch import BatchResult
from stream.lane.buffer import Batch
from stream.lane.takeover import How
from stream.ops.metric_table import (
    BY_NAME,
    DEAD_LETTER_CODES,
    FACT_TYPES,
    GATE_REASONS,
    OUTCOMES,
    UNBILLED_CODES,
    WATCHED,
)

BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

NOT_KNOWN = float("nan")


def new_registry() -> CollectorRegistry:
    """A registry with the process metrics and without `_created` series for counters."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Metrics:
    """The metrics of one worker, in their own registry. Label values known beforehand are present from the start."""

    def __init__(self, rule_gauges: Callable[[], Mapping[str, int]] | None = None) -> None:
        self.registry = new_registry()
        self.committed_at: dict[
            int, float
        ] = {}  # Monotonic time of the last commit or take-over of each owned partition.
        self.inputs = self._counter("tollgate_inputs_total", OUTCOMES)
        self.dead_letters = self._counter("tollgate_dead_letters_total", DEAD_LETTER_CODES)
        self.facts = self._counter("tollgate_facts_total", FACT_TYPES)
        self.unbilled = self._counter("tollgate_unbilled_calls_total", UNBILLED_CODES)
        self.gate = self._counter("tollgate_gate_decisions_total", GATE_REASONS)
        self.dropped_plan_changes = self._counter("tollgate_dropped_plan_changes_total")
        self.batch_records = self._histogram("tollgate_batch_records", BATCH_SIZES)
        self.decide_seconds = self._histogram("tollgate_batch_decide_seconds", SECONDS)
        self.commit_seconds = self._histogram("tollgate_batch_commit_seconds", SECONDS)
        self.lag_seconds = self._gauge("tollgate_lag_seconds")
        self.clock_seconds = self._gauge("tollgate_clock_seconds")
        self.clock_ahead = self._gauge("tollgate_clock_ahead_seconds")
        self.wall_clock_ahead = self._gauge("tollgate_wall_clock_ahead_seconds")
        self.restored_rows = self._counter("tollgate_restored_rows_total")
        self.restore_seconds = self._gauge("tollgate_restore_seconds")
        self.rebalances = self._counter("tollgate_rebalances_total")
        self.takeovers = self._counter("tollgate_takeovers_total", How)
        self.watchdog = self._gauge("tollgate_watchdog_seconds", WATCHED)
        self._gauge("tollgate_build_info").labels(_version(), platform.python_version()).set(1)
        self._tallies = {
            "inputs": self.inputs,
            "dead_letters": self.dead_letters,
            "unbilled": self.unbilled,
            "facts": self.facts,
            "gate": self.gate,
        }
        if rule_gauges is not None:
            self.registry.register(_RuleGauges(rule_gauges))

    def committed(self, batch: Batch, outcome: BatchResult, decide_s: float, commit_s: float, now_ms: int) -> None:
        """Count a committed batch. `now_ms` is the wall clock."""
        for (family, label), count in outcome.tally.items():
            self._tallies[family].labels(label).inc(count)
        self.dropped_plan_changes.inc(len(outcome.dropped_plans))
        partition = str(batch.partition)
        if outcome.clock_ms is not None:
            self.clock_seconds.labels(partition).set(outcome.clock_ms / 1_000)
            if outcome.arrived_ms is not None:
                self.clock_ahead.labels(partition).set((outcome.clock_ms - outcome.arrived_ms) / 1_000)
        self.decide_seconds.observe(decide_s)
        self.commit_seconds.observe(commit_s)
        self.committed_at[batch.partition] = time.monotonic()
        if not batch.records:
            return
        self.batch_records.observe(len(batch.records))
        self.lag_seconds.labels(partition).set(max(0, now_ms - batch.records[-1].timestamp) / 1_000)

    def restored(self, rows: int, seconds: float) -> None:
        self.restored_rows.inc(rows)
        self.restore_seconds.set(seconds)

    def taken_over(self, how: How) -> None:
        self.takeovers.labels(how).inc()

    def owned(self, partitions: Iterable[int]) -> None:
        """Count a rebalance and drop the series of partitions that were given up."""
        self.rebalances.inc()
        now = time.monotonic()
        # Replaced as a whole because scrapes read it from another thread.
        self.committed_at = {partition: self.committed_at.get(partition, now) for partition in partitions}
        self.lag_seconds.clear()
        for partition in self.committed_at:
            self.lag_seconds.labels(str(partition))
        for gauge in (self.clock_seconds, self.clock_ahead):
            gauge.clear()
            for partition in self.committed_at:
                gauge.labels(str(partition)).set(NOT_KNOWN)

    def _counter(self, name: str, known: Iterable[str] = ()) -> Counter:
        row = BY_NAME[name]
        counter = Counter(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            counter.labels(label)
        return counter

    def _gauge(self, name: str, known: Iterable[str] = ()) -> Gauge:
        row = BY_NAME[name]
        gauge = Gauge(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            gauge.labels(label)
        return gauge

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, BY_NAME[name].meaning, buckets=buckets, registry=self.registry)


class _RuleGauges(Collector):
    """Reads the gauges of the rules at each scrape, so that no value is kept twice."""

    def __init__(self, gauges: Callable[[], Mapping[str, int]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        for name, value in self._gauges().items():
            full = f"tollgate_{name}"
            row: Any = BY_NAME.get(full)
            yield GaugeMetricFamily(full, row.meaning if row else name, value=value)


def _version() -> str:
    try:
        return version("tollgate")
    except ModuleNotFoundError:  # Run from a source tree that was never installed.
        return "source"

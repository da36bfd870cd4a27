"""The Prometheus metrics of a worker. No label carries an account, a call or a phone number."""

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from schemas.batch import BatchResult
from stream.lane.buffer import Batch
from stream.lane.takeover import How
from stream.ops.instruments import BATCH_SIZES, SECONDS, Instruments
from stream.ops.metric_table import (
    BY_NAME,
    DEAD_LETTER_CODES,
    FACT_TYPES,
    GATE_REASONS,
    METRICS,
    OUTCOMES,
    UNBILLED_CODES,
    WATCHED,
)
from stream.version import project_version

NOT_KNOWN = float("nan")


class Metrics:
    """The metrics of one worker, in their own registry. Label values known beforehand are present from the start."""

    def __init__(self, rule_gauges: Callable[[], Mapping[str, int]] | None = None) -> None:
        made = Instruments(METRICS)
        self.registry = made.registry
        self.committed_at: dict[
            int, float
        ] = {}  # Monotonic time of the last commit or take-over of each owned partition.
        self.inputs = made.counter("tollgate_inputs_total", OUTCOMES)
        self.dead_letters = made.counter("tollgate_dead_letters_total", DEAD_LETTER_CODES)
        self.facts = made.counter("tollgate_facts_total", FACT_TYPES)
        self.unbilled = made.counter("tollgate_unbilled_calls_total", UNBILLED_CODES)
        self.gate = made.counter("tollgate_gate_decisions_total", GATE_REASONS)
        self.dropped_plan_changes = made.counter("tollgate_dropped_plan_changes_total")
        self.batch_records = made.histogram("tollgate_batch_records", BATCH_SIZES)
        self.decide_seconds = made.histogram("tollgate_batch_decide_seconds", SECONDS)
        self.commit_seconds = made.histogram("tollgate_batch_commit_seconds", SECONDS)
        self.lag_seconds = made.gauge("tollgate_lag_seconds")
        self.clock_seconds = made.gauge("tollgate_clock_seconds")
        self.clock_ahead = made.gauge("tollgate_clock_ahead_seconds")
        self.wall_clock_ahead = made.gauge("tollgate_wall_clock_ahead_seconds")
        self.restored_rows = made.counter("tollgate_restored_rows_total")
        self.restore_seconds = made.gauge("tollgate_restore_seconds")
        self.rebalances = made.counter("tollgate_rebalances_total")
        self.takeovers = made.counter("tollgate_takeovers_total", How)
        self.watchdog = made.gauge("tollgate_watchdog_seconds", WATCHED)
        made.gauge("tollgate_build_info").labels(project_version(), platform.python_version()).set(1)
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


class _RuleGauges(Collector):
    """Reads the gauges of the rules at each scrape, so that no value is kept twice."""

    def __init__(self, gauges: Callable[[], Mapping[str, int]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[Metric]:
        for name, value in self._gauges().items():
            full = f"tollgate_{name}"
            row: Any = BY_NAME.get(full)
            yield GaugeMetricFamily(full, row.meaning if row else name, value=value)

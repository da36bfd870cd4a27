"""The metrics of each partition, read during a scrape, in the thread of the scrape.

The worker's loop owns all data read here, so each collection is copied in one step before use.
"""

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream.ops.instruments import gauge_family
from stream.ops.lag import LagView
from stream.ops.metric_table import BY_NAME, CURRENCIES


class PartitionCollector(Collector):
    """Exports the progress of every partition, and more for the partitions that this worker owns."""

    def __init__(self, app: Any, view: LagView, now: Callable[[], float] = monotonic) -> None:
        self._app, self._view, self._now = app, view, now

    def collect(self) -> Iterable[Metric]:
        yield from self._progress()
        yield from self._ownership()
        yield from self._money()
        yield self._payments()

    def _progress(self) -> Iterator[Metric]:
        now = self._now()
        lag, committed = _gauge("tollgate_lag_records"), _gauge("tollgate_committed_offset")
        undecided, stalled = _gauge("tollgate_undecided_records"), _gauge("tollgate_input_stalled_seconds")
        for partition, progress in self._view.shown(now).items():
            label = [str(partition)]
            if progress.committed is not None and progress.lag is not None:
                lag.add_metric(label, progress.lag)
                committed.add_metric(label, progress.committed)
            undecided.add_metric(label, progress.undecided)
            stalled.add_metric(label, progress.stalled_s(now))
        yield from (lag, committed, undecided, stalled)

    def _ownership(self) -> Iterator[Metric]:
        """Owned partitions and their last commit. A partition that is being restored is owned but has no commit yet."""
        owned, since = _gauge("tollgate_partition_owned"), _gauge("tollgate_seconds_since_commit")
        ours = dict(self._app.rows.owned)
        for partition in range(self._app.settings.partitions):
            owned.add_metric([str(partition)], int(partition in ours))
        for partition, at in dict(self._app.metrics.committed_at).items():
            since.add_metric([str(partition)], max(0.0, self._now() - at))
        yield from (owned, since)

    def _money(self) -> Iterator[Metric]:
        """The sums in each checkpoint. They are left out during a restore, when they would be out of date."""
        charged, given_back = _counter("tollgate_charged_micros_total"), _counter("tollgate_given_back_micros_total")
        for partition, ledger in dict(self._app.rows.owned).items():
            checkpoint = ledger.checkpoint
            if not ledger.open or checkpoint is None:
                continue
            for family, sums in ((charged, checkpoint.charged_micros), (given_back, checkpoint.given_back_micros)):
                for currency in sorted({*CURRENCIES, *sums}):
                    family.add_metric([currency, str(partition)], sums.get(currency, 0))
        yield from (charged, given_back)

    def _payments(self) -> Metric:
        """The oldest unanswered payment. An adapter that is gone reports nothing, but the engine sees missing
        answers.
        """
        oldest = _gauge("tollgate_oldest_unanswered_payment_seconds")
        clocks = dict(self._app.clocks)
        for partition, ledger in dict(self._app.rows.owned).items():
            requested_ms = self._app.wallets.oldest_unanswered_ms(partition)
            clock_ms = clocks.get(partition, requested_ms)
            if ledger.open:
                age_ms = 0 if requested_ms is None or clock_ms is None else max(0, clock_ms - requested_ms)
                oldest.add_metric([str(partition)], age_ms / 1_000)
        return oldest


def _gauge(name: str) -> GaugeMetricFamily:
    return gauge_family(BY_NAME[name])


def _counter(name: str) -> CounterMetricFamily:
    row = BY_NAME[name]
    return CounterMetricFamily(name, row.meaning, labels=row.labels)

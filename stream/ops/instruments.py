"""The Prometheus metrics of a process, made from a table that declares them."""

from collections.abc import Iterable
from dataclasses import dataclass

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
from prometheus_client.core import GaugeMetricFamily

BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of a metrics table, with the name as scraped. No label may carry an account, a call or a phone number."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


class Instruments:
    """Makes the metrics of one process, in a registry of its own, with labels and help as its table declares them.

    The label values in `known` are present from the start: a series that appears with its first event has no increase
    that an alert could see.
    """

    def __init__(self, table: Iterable[Meaning]) -> None:
        self.registry = _new_registry()
        self._by_name = {row.name: row for row in table}

    def counter(self, name: str, known: Iterable[str] = ()) -> Counter:
        row = self._by_name[name]
        counter = Counter(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            counter.labels(label)
        return counter

    def gauge(self, name: str, known: Iterable[str] = ()) -> Gauge:
        row = self._by_name[name]
        gauge = Gauge(name, row.meaning, row.labels, registry=self.registry)
        for label in known:
            gauge.labels(label)
        return gauge

    def histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        row = self._by_name[name]
        return Histogram(name, row.meaning, row.labels, buckets=buckets, registry=self.registry)


def gauge_family(row: Meaning) -> GaugeMetricFamily:
    """An empty gauge for a collector, which fills it at each scrape."""
    return GaugeMetricFamily(row.name, row.meaning, labels=row.labels)


def _new_registry() -> CollectorRegistry:
    """A registry with the process metrics and without `_created` series for counters."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry

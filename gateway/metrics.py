"""The metrics of the gateway's HTTP. No label carries an account: a route is the path's template."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from stream.ops.metric_table import Meaning
from stream.ops.metrics import SECONDS, new_registry

METRICS = (
    Meaning(
        "tollgate_gateway_requests_total",
        "counter",
        ("route", "method", "status"),
        "Requests answered, by the path's template and the class of the status (`2xx`).",
    ),
    Meaning(
        "tollgate_gateway_request_seconds",
        "histogram",
        ("route",),
        "Time from a request's headers to the end of its answer; streams are left out.",
    ),
    Meaning("tollgate_gateway_redis_errors_total", "counter", (), "Requests that Redis did not answer in time."),
    Meaning(
        "tollgate_gateway_key_file_failures_total", "counter", (), "Times that the changed file of keys was unusable."
    ),
    Meaning("tollgate_gateway_key_file_ok", "gauge", (), "1 while the file of keys is the one in force."),
    Meaning("tollgate_gateway_refused_keys_total", "counter", (), "Requests with a key that is not valid."),
)
_BY_NAME = {row.name: row for row in METRICS}


class Metrics:
    """The metrics of one process, in their own registry. Areas register theirs there as well."""

    def __init__(self) -> None:
        self.registry = new_registry()
        self.requests = self._counter("tollgate_gateway_requests_total")
        self.request_seconds = self._histogram("tollgate_gateway_request_seconds", SECONDS)
        self.redis_errors = self._counter("tollgate_gateway_redis_errors_total")
        self.key_file_failures = self._counter("tollgate_gateway_key_file_failures_total")
        self.key_file_ok = self._gauge("tollgate_gateway_key_file_ok")
        self.refused_keys = self._counter("tollgate_gateway_refused_keys_total")

    def key_file_read(self, usable: bool) -> None:
        """Record that the file of keys was read, and whether its keys are now in force."""
        self.key_file_ok.set(int(usable))
        if not usable:
            self.key_file_failures.inc()

    def _counter(self, name: str) -> Counter:
        return Counter(name, _BY_NAME[name].meaning, _BY_NAME[name].labels, registry=self.registry)

    def _gauge(self, name: str) -> Gauge:
        return Gauge(name, _BY_NAME[name].meaning, registry=self.registry)

    def _histogram(self, name: str, buckets: Iterable[float]) -> Histogram:
        row = _BY_NAME[name]
        return Histogram(name, row.meaning, row.labels, buckets=tuple(buckets), registry=self.registry)

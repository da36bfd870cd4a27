"""The metrics of the gateway's HTTP. No label carries an account: a route is the path's template."""

from stream.ops.instruments import SECONDS, Instruments, Meaning

METRICS = (
    Meaning(
        "tollgate_gateway_requests_total",
        "counter",
        ("route", "method", "status"),
        "Answered requests, by the path's template and the class of the status (`2xx`).",
    ),
    Meaning(
        "tollgate_gateway_request_seconds",
        "histogram",
        ("route",),
        "Time from a request's headers to the end of its answer; streams are left out.",
    ),
    Meaning("tollgate_gateway_redis_errors_total", "counter", (), "Requests that Redis did not answer in time."),
    Meaning(
        "tollgate_gateway_key_file_failures_total", "counter", (), "Reads of a changed file of keys that was unusable."
    ),
    Meaning("tollgate_gateway_key_file_ok", "gauge", (), "1 while the present file of keys is in force."),
    Meaning("tollgate_gateway_refused_keys_total", "counter", (), "Requests with a key that is not valid."),
)


class Metrics:
    """The metrics of one process, in their own registry. Areas register theirs there as well."""

    def __init__(self) -> None:
        made = Instruments(METRICS)
        self.registry = made.registry
        self.requests = made.counter("tollgate_gateway_requests_total")
        self.request_seconds = made.histogram("tollgate_gateway_request_seconds", SECONDS)
        self.redis_errors = made.counter("tollgate_gateway_redis_errors_total")
        self.key_file_failures = made.counter("tollgate_gateway_key_file_failures_total")
        self.key_file_ok = made.gauge("tollgate_gateway_key_file_ok")
        self.refused_keys = made.counter("tollgate_gateway_refused_keys_total")

    def key_file_read(self, usable: bool) -> None:
        """Record that the file of keys was read, and whether its keys are now in force."""
        self.key_file_ok.set(int(usable))
        if not usable:
            self.key_file_failures.inc()

"""The metrics of commands and of inputs without an answer. No label carries an account or a key."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from stream.ops.instruments import SECONDS, Meaning

METRICS = (
    Meaning(
        "tollgate_gateway_commands_total",
        "counter",
        ("outcome",),
        "Commands by their outcome: `accepted`, `repeat`, `refused`, or `unwritten` (the log did not take it).",
    ),
    Meaning(
        "tollgate_gateway_command_seconds",
        "histogram",
        (),
        "Time from the write of a command until its outcome was known.",
    ),
    Meaning("tollgate_gateway_commands_open", "gauge", (), "Commands that wait for their outcome."),
    Meaning(
        "tollgate_gateway_own_faults_total",
        "counter",
        (),
        "Inputs that the engine refused because of a part that the gateway added: a fault of the gateway or its "
        "settings.",
    ),
    Meaning(
        "tollgate_gateway_events_total",
        "counter",
        ("outcome",),
        "Inputs sent to `/v1/events`: `accepted`, `rejected`, or `unknown` (no broker acknowledged it).",
    ),
)
OUTCOMES = ("accepted", "repeat", "refused", "unwritten")
EVENT_OUTCOMES = ("accepted", "rejected", "unknown")
_BY_NAME = {row.name: row for row in METRICS}


class CommandMetrics:
    """In the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.commands = self._counter("tollgate_gateway_commands_total", OUTCOMES)
        seconds = _BY_NAME["tollgate_gateway_command_seconds"]
        self.seconds = Histogram(seconds.name, seconds.meaning, buckets=SECONDS, registry=registry)
        pending = _BY_NAME["tollgate_gateway_commands_open"]
        self.open = Gauge(pending.name, pending.meaning, registry=registry)
        self.own_faults = self._counter("tollgate_gateway_own_faults_total")
        self.events = self._counter("tollgate_gateway_events_total", EVENT_OUTCOMES)

    def _counter(self, name: str, known: tuple[str, ...] = ()) -> Counter:
        row = _BY_NAME[name]
        counter = Counter(name, row.meaning, row.labels, registry=self._registry)
        for label in known:
            counter.labels(label)
        return counter

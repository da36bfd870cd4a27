"""The metrics of the gate. No label carries an account or a key."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.gate.decision import ENGINE, ENGINE_REASONS, POLICY, POLICY_REASONS, Decision
from stream.ops.instruments import SECONDS, Meaning

METRICS = (
    Meaning(
        "tollgate_gate_decisions_total",
        "counter",
        ("source", "reason"),
        "Answers to authorize, by source and reason. The source `policy` answered without the engine's decision.",
    ),
    Meaning(
        "tollgate_gate_seconds",
        "histogram",
        ("source",),
        "Time from the last byte of a request to authorize a call until its answer, by source of the decision.",
    ),
    Meaning(
        "tollgate_gate_differing_total",
        "counter",
        ("policy", "engine"),
        "Calls that the policy allowed and the engine redirected, or the reverse, by the reasons of both.",
    ),
    Meaning("tollgate_gate_unwritten_starts", "gauge", (), "Starts of calls that no broker has acknowledged yet."),
    Meaning("tollgate_gate_undecided_starts", "gauge", (), "Starts of calls in the log that are not decided yet."),
    Meaning(
        "tollgate_gate_given_up_total",
        "counter",
        ("why",),
        "Starts of calls that the process no longer writes or waits for: `broker` (no answer for two minutes), `stop` "
        "(of this process), `memory` (too many unwritten) or `undecided` (too many undecided).",
    ),
    Meaning("tollgate_gate_redis_errors_total", "counter", (), "Look-ups of calls while Redis was away."),
)
GIVEN_UP = ("broker", "stop", "memory", "undecided")
_BY_NAME = {row.name: row for row in METRICS}


class GateMetrics:
    """The gate's metrics, in the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._decisions = self._counter("tollgate_gate_decisions_total")
        for source, reasons in ((ENGINE, ENGINE_REASONS), (POLICY, POLICY_REASONS)):
            for reason in reasons:
                self._decisions.labels(source, reason)
        seconds = _BY_NAME["tollgate_gate_seconds"]
        self._seconds = Histogram(seconds.name, seconds.meaning, seconds.labels, buckets=SECONDS, registry=registry)
        self._differing = self._counter("tollgate_gate_differing_total")
        for policy in POLICY_REASONS:
            for engine in ENGINE_REASONS:
                self._differing.labels(policy, engine)
        self.unwritten = self._gauge("tollgate_gate_unwritten_starts")
        self.undecided = self._gauge("tollgate_gate_undecided_starts")
        self.given_up = self._counter("tollgate_gate_given_up_total")
        for why in GIVEN_UP:
            self.given_up.labels(why)
        self.redis_errors = self._counter("tollgate_gate_redis_errors_total")

    def answered(self, decision: Decision, seconds: float) -> None:
        """Count one answer."""
        self._decisions.labels(decision.source, decision.reason).inc()
        self._seconds.labels(decision.source).observe(seconds)

    def decided(self, policy: Decision, engine: Decision) -> None:
        """Compare what a policy answered with what the engine then decided."""
        if policy.decision != engine.decision:
            self._differing.labels(policy.reason, engine.reason).inc()

    def _counter(self, name: str) -> Counter:
        return Counter(name, _BY_NAME[name].meaning, _BY_NAME[name].labels, registry=self._registry)

    def _gauge(self, name: str) -> Gauge:
        return Gauge(name, _BY_NAME[name].meaning, registry=self._registry)

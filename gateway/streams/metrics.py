"""The metrics of the streams. No label carries an account or a key."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.streams.stream import WHYS
from stream.ops.instruments import Meaning

METRICS = (
    Meaning("tollgate_gateway_streams", "gauge", (), "Streams of events that are open."),
    Meaning(
        "tollgate_gateway_streams_ended_total",
        "counter",
        ("why",),
        "Streams of events that ended: `client` (left, or its connection broke), `slow` (1 MiB behind), `key` "
        "(removed, disabled, expired or changed), `session` (of the owner's page, ended) or `stop` (of this process).",
    ),
    Meaning(
        "tollgate_gateway_streams_refused_total", "counter", (), "Streams of events refused by a limit on their number."
    ),
)


class StreamMetrics:
    """The streams' metrics, in the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge(METRICS[0].name, METRICS[0].meaning, registry=registry)
        ended, refused = METRICS[1], METRICS[2]
        self.ended = Counter(ended.name, ended.meaning, ended.labels, registry=registry)
        for why in WHYS:
            self.ended.labels(why)
        self.refused = Counter(refused.name, refused.meaning, registry=registry)

"""The rights on Kafka that the gateway needs."""

from agents.views import layout
from stream import topics
from stream.rights import Operation, Rights, on_group, on_topics
from stream.settings import Settings


def gateway(settings: Settings) -> Rights:
    names = [settings.topic(name) for name in layout.TOPICS]
    return (
        on_topics(Operation.Write, [settings.topic(topics.INPUTS)], "writes what its callers send"),
        on_topics(Operation.Read, names, "reads what becomes of it, and what streams show"),
        on_topics(
            Operation.DescribeConfigs, [settings.topic(topics.INPUTS), *names], "checks the topics when it starts"
        ),
        on_group(Operation.Describe, settings.app_id, "reads how far the worker is"),
    )

"""The rights on Kafka that the views need."""

from agents.views import layout
from agents.views.settings import group_of
from stream.rights import Operation, Rights, on_group, on_topics
from stream.settings import Settings


def views(settings: Settings) -> Rights:
    names = [settings.topic(name) for name in layout.TOPICS]
    return (
        on_topics(Operation.Read, names, "reads the events, and commits how far"),
        on_topics(Operation.DescribeConfigs, names, "checks the topics when it starts"),
        on_group(Operation.Read, group_of(settings), "shares the partitions with other processes of the views"),
    )


def audit(settings: Settings) -> Rights:
    """The rights of `views verify` and `views rebuild`."""
    names = [settings.topic(name) for name in (*layout.LISTS, layout.SNAPSHOTS)]
    return (on_topics(Operation.Read, names, "compares Redis with the events"),)

"""The rights on Kafka that the notifier needs."""

from agents.notifier.event_types import TOPICS
from agents.notifier.settings import group_of, rows_topic
from agents.notifier.topics import needed
from stream.rights import Operation, Rights, apply_topics, compare_topics, on_group, on_topics
from stream.settings import Settings


def notifier(settings: Settings) -> Rights:
    events, rows = [settings.topic(name) for name in TOPICS], rows_topic(settings)
    return (
        on_topics(Operation.Read, events, "reads the events that its targets ask for, and commits how far"),
        on_topics(Operation.Read, [rows], "restores what waits for another attempt"),
        on_topics(Operation.Write, [rows], "writes what waits for another attempt"),
        on_topics(Operation.DescribeConfigs, [*events, rows], "checks the topics when it starts"),
        on_group(Operation.Read, group_of(settings), "shares the partitions with other notifiers"),
    )


def compare(settings: Settings) -> Rights:
    return compare_topics(needed(settings))


def apply(settings: Settings) -> Rights:
    return apply_topics(needed(settings), ())

"""The rights on Kafka that the adapter needs."""

from payments.adapter import topics
from payments.settings import Settings
from stream.rights import Operation, Rights, apply_topics, compare_topics, on_group, on_topics, transactions


def adapter(settings: Settings) -> Rights:
    requests, answers = settings.topic(topics.REQUESTS), settings.topic(topics.ANSWERS)
    rows, notes = topics.rows(settings), topics.webhooks(settings)
    return (
        on_topics(Operation.Read, [requests], "executes the requests, and commits how far"),
        on_topics(Operation.Read, [notes], "reads the notes of webhooks, and commits how far"),
        on_topics(Operation.Read, [rows], "restores its state"),
        on_topics(Operation.Write, [rows, answers], "commits state, answers and reversals"),
        on_topics(Operation.Write, [notes], "notes which payment a webhook is about"),
        on_topics(Operation.DescribeConfigs, topics.needed(settings), "checks the topics when it starts"),
        on_group(Operation.Read, settings.group, "shares the partitions with other adapters"),
        transactions(settings.group, settings.partitions, "commits, and shuts a former owner out"),
    )


def compare(settings: Settings) -> Rights:
    return compare_topics(topics.needed(settings))


def apply(settings: Settings) -> Rights:
    wanted = topics.needed(settings)
    return apply_topics(wanted, [topic.state for topic in wanted.values()])

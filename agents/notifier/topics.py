"""The notifier's topics: those of events, which it reads, and its own rows."""

from collections.abc import Mapping

from agents.notifier.event_types import TOPICS
from agents.notifier.settings import rows_topic
from stream.settings import Settings
from stream.topics import CONTRACT, KEPT_FOR_EVER, Topic


def needed(settings: Settings) -> Mapping[str, Topic]:
    """Every topic that the notifier uses, by its name on the cluster."""
    shared = {settings.topic(topic.name): topic for topic in CONTRACT if topic.name in TOPICS}
    return shared | {rows_topic(settings): Topic("notifier-rows", KEPT_FOR_EVER, compacted=True)}

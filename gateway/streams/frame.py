"""Events as a stream sends them. An event is written once, however many streams of its account show it."""

import msgspec

from agents.views.layout import DECISIONS, UNKEPT_REASONS
from gateway.log.reader import Seen
from gateway.reads.schemas import types_of
from gateway.streams.place import INDEX, TOPICS
from schemas.alerts import OPERATOR

SNAPSHOT = "account-snapshot"
PING = b": ping\n\n"
RETRY = b"retry: 2000\n\n"
RESET = b"event: reset\ndata: {}\n"


class _Head(msgspec.Struct, frozen=True, gc=False):
    type: str
    version: int = -1
    reason: str | None = None
    audience: str | None = None


_head = msgspec.json.Decoder(_Head).decode

# The types of events that a stream may show, by their topics.
_TYPES = [frozenset(types_of(topic)) for topic in TOPICS]
TYPES = frozenset[str]().union(*_TYPES)


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event. `topic` is an index of TOPICS; `version` is a snapshot's, -1 for others; the views have it unless
    it is not `kept`; `internal` is an alert to the operator; `text` lacks the id, which differs from stream to stream.
    """

    topic: int
    offset: int
    type: str
    version: int
    kept: bool
    internal: bool
    text: bytes


def frame_of(topic: int, offset: int, value: bytes) -> Frame:
    head = _head(value)
    version = head.version if head.type == SNAPSHOT else -1
    kept = TOPICS[topic] != DECISIONS or head.reason not in UNKEPT_REASONS
    internal = head.audience == OPERATOR
    return Frame(
        topic, offset, head.type, version, kept, internal, b"event: %b\ndata: %b\n" % (head.type.encode(), value)
    )


def frame_seen(seen: Seen) -> Frame | None:
    """The frame of a record; None for one that no stream shows."""
    index = INDEX.get(seen.topic)
    return None if index is None or seen.value is None else frame_of(index, seen.offset, seen.value)


def topics_of(types: frozenset[str]) -> list[int]:
    """The topics that carry events of these types."""
    return [index for index, carried in enumerate(_TYPES) if carried & types]

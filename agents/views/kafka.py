"""What the views ask Kafka beside reading events: which cluster and topics these are, and what a log holds.

The only place of the views, beside their Faust app, that makes a Kafka client.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

from agents.views.settings import Settings
from stream.broker_link import close_in_time
from stream.evidence import assign_paused, committed_reader
from stream.nodes import any_node

FETCH_BYTES = 1 << 20


class TopicId:
    """16 bytes that name a topic for its life: a topic that was deleted and made again has another id."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: Any) -> UUID:
        return UUID(bytes=data.read(16))

    @classmethod
    def repr(cls, value: UUID) -> str:
        return str(value)


class MetadataResponseV12(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", TopicId),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class MetadataRequestV12(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = MetadataResponseV12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", TopicId), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class MetadataWithIds(Request[MetadataRequestV12]):  # type: ignore[misc]  # aiokafka has no types
    """Asks for the cluster id and topic ids. aiokafka's own request is too old for topic ids."""

    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: Iterable[str]) -> None:
        self._topics: list[tuple[UUID, str, dict[int, bytes]]] = [(UUID(int=0), topic, {}) for topic in topics]

    def build(self, request_struct_class: type[MetadataRequestV12]) -> MetadataRequestV12:
        return request_struct_class(self._topics, False, False, {})


@dataclass(frozen=True, slots=True)
class Identity:
    """Which cluster, and which topics by their names, the events come from."""

    cluster_id: str
    topic_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The first offset of a partition and the end of its committed records."""

    begin: int
    end: int


class Log:
    """Asks about the log over connections of its own. Every method raises KafkaError."""

    def __init__(self, settings: Settings, places: Sequence[TopicPartition]) -> None:
        self._consumer: Any = new_reader(settings)
        self._places = list(places)

    async def open(self) -> None:
        await self._consumer.start()
        assign_paused(self._consumer, self._places)

    async def close(self) -> None:
        await close_in_time(self._consumer.stop())

    async def identity(self) -> Identity:
        client = self._consumer._client  # noqa: SLF001 the library is pinned
        names = sorted({place.topic for place in self._places})
        answer = await client.send(await any_node(client), MetadataWithIds(names))
        found = {}
        for code, name, topic_id, *_ in answer.topics:
            if code:
                raise for_code(code)(name)
            found[name] = str(topic_id)
        if missing := sorted(set(names) - found.keys()):
            raise UnknownTopicOrPartitionError(missing[0])
        return Identity(answer.cluster_id or "", found)

    async def bounds(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, Bounds]:
        begins = await self._consumer.beginning_offsets(list(places))
        ends = await self.ends(places)
        return {place: Bounds(begins[place], ends[place]) for place in places}

    async def ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The ends of what a reader of committed records can read."""
        return dict(await self._consumer.end_offsets(list(places)))

    async def since(self, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, int | None]:
        """The first offset of each partition whose record is of the given time (ms) or later, None without one."""
        found = await self._consumer.offsets_for_times(dict(places))
        return {place: None if at is None else at.offset for place, at in found.items()}


def new_reader(settings: Settings) -> AIOKafkaConsumer:
    """A consumer of committed records without a group, not started yet."""
    return committed_reader(settings.connection, settings.group, FETCH_BYTES)

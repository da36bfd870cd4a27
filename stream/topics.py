"""Declares the topics of the wire contract and the changelog. A worker creates them at start, or `topics --apply`."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    BrokerNotAvailableError,
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    TopicAuthorizationFailedError,
    for_code,
)

from agents.wallet.dead_letter import LETTER_BYTES_MAX
from stream import log
from stream.fail_stop import PersonNeededError
from stream.lane.lost_state import State, lost
from stream.new_topics import ASK_EVERY_S, KNOWN_WITHIN_S, wait_until_led
from stream.settings import Settings

DAY_MS = 86_400_000
KEPT_FOR_EVER = -1
TOPIC_EXISTS = 36
NOT_ALLOWED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)

# Time is the broker's (rule G2): with a producer's timestamp, which may be any year, retention could delete inputs.
TIMESTAMP_TYPE = "message.timestamp.type"
APPEND_TIME = "LogAppendTime"
LIMIT = "max.message.bytes"

INPUTS = "account-events"
DEAD_LETTERS = "dead-letters"


@dataclass(frozen=True, slots=True)
class Topic:
    """A declared topic: its name in the contract, and its retention (ms, -1 for ever) or compaction."""

    name: str
    retention_ms: int
    compacted: bool = False
    record_bytes_max: int = 1 << 20
    # `LogAppendTime` gives records the broker's time; empty leaves the choice to the broker.
    timestamp_type: str = ""
    compaction_lag_ms: int = 0  # A superseded record of a compacted topic is kept at least this long.
    state: State | None = None  # The state it holds. Such a topic is never created again once its state was in use.

    def config(self) -> Mapping[str, str]:
        """The topic settings given to the broker at creation; the broker's defaults apply to the rest."""
        shared = {LIMIT: str(self.record_bytes_max)}
        if self.timestamp_type:
            shared[TIMESTAMP_TYPE] = self.timestamp_type
        if self.compacted:
            if self.compaction_lag_ms:
                shared["min.compaction.lag.ms"] = str(self.compaction_lag_ms)
            # A tombstone stays a day, so that a slow reader sees it. A segment is closed after at most an hour.
            return {
                "cleanup.policy": "compact",
                "delete.retention.ms": str(DAY_MS),
                "segment.ms": str(DAY_MS // 24),
                **shared,
            }
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms), **shared}


# Inputs are kept far longer than the correction horizon (35 days), as evidence in disputes. Outputs are kept as long as
# the views show them (TOLLGATE_VIEWS_KEEP_DAYS), so that a lost Redis can be filled again.
CONTRACT = (
    Topic(INPUTS, 400 * DAY_MS, timestamp_type=APPEND_TIME),
    Topic("call-decisions", 400 * DAY_MS),
    Topic("charges", KEPT_FOR_EVER),
    Topic("alerts", 400 * DAY_MS),
    Topic("refills", 400 * DAY_MS),
    Topic("payment-requests", 400 * DAY_MS),
    Topic("ledger-entries", KEPT_FOR_EVER),
    # A caller reads from the header of a snapshot which of its inputs took effect, also from a superseded snapshot.
    Topic("account-snapshots", KEPT_FOR_EVER, compacted=True, compaction_lag_ms=DAY_MS),
    Topic("invoices", KEPT_FOR_EVER),
    Topic(DEAD_LETTERS, 400 * DAY_MS, record_bytes_max=LETTER_BYTES_MAX),
)


class TopicsError(PersonNeededError):
    """The cluster's topics differ from the declared ones; the message names them and the remedy."""


def changelog(settings: Settings) -> str:
    """The name of the changelog. It is fixed by hand because the state depends on it."""
    return settings.topic(f"{settings.app_id}-wallet-rows")


def declared(settings: Settings) -> dict[str, Topic]:
    """Every topic a worker needs, by its name on the cluster."""
    topics = {settings.topic(topic.name): topic for topic in CONTRACT}
    state = State(settings.app_id, settings.topic(INPUTS), fact_topics(settings))
    topics[changelog(settings)] = Topic("wallet-rows", KEPT_FOR_EVER, compacted=True, state=state)
    return topics


def fact_topics(settings: Settings) -> tuple[str, ...]:
    """The topics, by their names on the cluster, that only one app id may write to. Dead letters are not facts."""
    return tuple(settings.topic(topic.name) for topic in CONTRACT if topic.name not in {INPUTS, DEAD_LETTERS})


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the cluster and the declared topics. A `missing` topic can be created; a `fatal` difference
    prevents a start. For a setting, `key` is its name, `present` its value and `declared` the value it should have.
    """

    topic: str
    what: str
    missing: bool = False
    fatal: bool = False
    key: str = ""
    present: str = ""
    declared: str = ""


async def differences(settings: Settings, wanted: Mapping[str, Topic] | None = None) -> list[Difference]:
    """All differences between the cluster and the `wanted` topics, all `declared` ones when None.

    Raises KafkaError when no broker answers.
    """
    admin = AIOKafkaAdminClient(**settings.connection.options)
    await admin.start()
    try:
        return await _differences(admin, settings, declared(settings) if wanted is None else wanted)
    finally:
        await admin.close()


async def ensure(settings: Settings, wanted: Mapping[str, Topic] | None = None) -> list[str]:
    """Create the missing topics of `wanted`, all `declared` ones when None, and return their names.

    Raises TopicsError when a topic has another partition count, or when a topic of state that was in use is missing.
    """
    topics = declared(settings) if wanted is None else wanted
    admin = AIOKafkaAdminClient(**settings.connection.options)
    await admin.start()
    try:
        found = await _differences(admin, settings, topics)
        wrong = [f"{difference.topic}: {difference.what}" for difference in found if difference.fatal]
        if wrong:
            raise TopicsError("; ".join(wrong))
        _warn_of_limits(found)
        made = [difference.topic for difference in found if difference.missing]
        for name in made:
            await _refuse_lost(admin, settings, name, topics[name])
        if made:
            await _create(admin, settings, {name: topics[name] for name in made})
        return made
    finally:
        await admin.close()


def _warn_of_limits(found: list[Difference]) -> None:
    """Warn of size limits below the size of the records: each record that does not fit costs time."""
    for one in found:
        if one.key == LIMIT and int(one.present) < int(one.declared):
            log.get("topics").warning(
                "a topic's limit is smaller than the records written to it",
                topic=one.topic,
                limit_bytes=int(one.present),
                declared_bytes=int(one.declared),
                cure="tollgate topics --apply",
            )


async def _refuse_lost(admin: Any, settings: Settings, name: str, topic: Topic) -> None:
    if topic.state is None:
        return
    existing = await admin.list_topics()
    sign = await lost(admin, settings.connection, settings.partitions, topic.state, existing)
    # Another worker that starts at the same moment may have created the topic and used it already.
    if sign and name not in await admin.list_topics():
        raise TopicsError(f"{name}: missing, though {sign}")


async def check_time(settings: Settings) -> None:
    """Raise TopicsError when the inputs do not carry broker timestamps, which everything except a simulation
    requires.
    """
    if settings.simulation:
        return
    name = settings.topic(INPUTS)
    admin = AIOKafkaAdminClient(**settings.connection.options)
    await admin.start()
    try:
        config = (await _configs(admin, [name]))[name]
    finally:
        await admin.close()
    found = config.get(TIMESTAMP_TYPE)
    if found != APPEND_TIME:
        raise TopicsError(
            f"{name}: {TIMESTAMP_TYPE} is {found}, must be {APPEND_TIME}: set it with `tollgate topics --apply`"
        )


async def _create(admin: Any, settings: Settings, topics: Mapping[str, Topic]) -> None:
    response = await admin.create_topics(
        [
            NewTopic(name, settings.partitions, settings.replication_factor, topic_configs=dict(topic.config()))
            for name, topic in topics.items()
        ]
    )
    for name, code, message in response.topic_errors:
        # Another worker that starts at the same moment may have created it first.
        if code not in (0, TOPIC_EXISTS):
            raise creation_error(settings, name, code, message or "")
    await wait_until_led(admin, set(topics), settings.partitions)


def creation_error(settings: Settings, name: str, code: int, message: str) -> Exception:
    """Why the topic cannot be created: a KafkaError that passes, or a TopicsError. `message` is the broker's."""
    kind = for_code(code)
    # The controller takes a broker that was silent for some seconds as fenced, and a new topic has no place then.
    fenced = kind is InvalidReplicationFactorError and "fenced" in message
    if kind.retriable or fenced:
        passing: Exception = (BrokerNotAvailableError if fenced else kind)(f"{name}: {message or 'cannot be created'}")
        return passing
    if kind in NOT_ALLOWED:
        return TopicsError(
            f"{name}: missing, and {settings.connection.who} may not Create it: create the topics as a user who"
            " may, with `tollgate topics --apply` (those of the adapter: `tollgate payments topics --apply`,"
            " of the notifier: `tollgate notifier topics --apply`)"
        )
    return TopicsError(f"{name}: cannot be created: {kind.__name__} {message}".strip())


async def _differences(admin: Any, settings: Settings, topics: Mapping[str, Topic]) -> list[Difference]:
    existing = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    found = []
    for name in topics:
        count = existing.get(name)
        if count is None:
            found.append(Difference(name, "missing", missing=True))
        elif count != settings.partitions:
            found.append(
                Difference(
                    name,
                    f"has {count} partitions, TOLLGATE_PARTITIONS is {settings.partitions}: the count is fixed for the "
                    "life of the data, because it decides which partition owns an account",
                    fatal=True,
                )
            )
    present = [name for name in topics if name in existing]
    for name, config in (await _configs(admin, present)).items():
        found += [
            Difference(
                name,
                f"{key} is {config.get(key)}, must be {value}",
                # With another policy the broker would delete rows that are still needed.
                fatal=key == "cleanup.policy" and topics[name].state is not None,
                key=key,
                present=config.get(key, ""),
                declared=value,
            )
            for key, value in topics[name].config().items()
            if config.get(key) != value
        ]
    return found


async def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    """The settings of the topics. The request is repeated while a broker does not know a new topic yet; raises
    KafkaError when that takes more than KNOWN_WITHIN_S, or for any other refusal.
    """
    if not names:
        return {}
    now = asyncio.get_running_loop().time
    deadline = now() + KNOWN_WITHIN_S
    while True:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
        answers = [answer for response in responses for answer in response.resources]
        refused = [(name, for_code(code), message) for code, message, _, name, _ in answers if code]
        if not refused:
            return {name: {entry[0]: entry[1] for entry in entries} for _, _, _, name, entries in answers}
        name, error, message = refused[0]
        if not error.retriable or now() > deadline:
            raise error(f"{name}: its settings cannot be read: {message or error.__name__}")
        await asyncio.sleep(ASK_EVERY_S)

"""The topics of the wire contract and the changelog, declared once; made by a worker at start or `topics --apply`."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from stream.dead_letters import LETTER_BYTES_MAX
from stream.settings import Settings

DAY_MS = 86_400_000
KEPT_FOR_EVER = -1
TOPIC_EXISTS = 36

INPUTS = "account-events"
DEAD_LETTERS = "dead-letters"


@dataclass(frozen=True, slots=True)
class Topic:
    """A declared topic: its name in the contract, how long records stay (ms, -1 for ever) or only the last of a key."""

    name: str
    retention_ms: int
    compacted: bool = False
    record_bytes_max: int = 1 << 20

    def config(self) -> Mapping[str, str]:
        """The settings given to the broker when the topic is made; the broker's own hold for the rest."""
        size = {"max.message.bytes": str(self.record_bytes_max)}
        if self.compacted:
            # A tombstone stays a day, so that a slow reader sees it; a segment is closed after an hour at the latest.
            return {
                "cleanup.policy": "compact",
                "delete.retention.ms": str(DAY_MS),
                "segment.ms": str(DAY_MS // 24),
                **size,
            }
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms), **size}


# Inputs outlive the correction horizon (35 days) by far: they are what a dispute is settled with.
CONTRACT = (
    Topic(INPUTS, 400 * DAY_MS),
    Topic("call-decisions", 35 * DAY_MS),
    Topic("charges", KEPT_FOR_EVER),
    Topic("alerts", 35 * DAY_MS),
    Topic("refills", 400 * DAY_MS),
    Topic("payment-requests", 35 * DAY_MS),
    Topic("ledger-entries", KEPT_FOR_EVER),
    Topic("account-snapshots", KEPT_FOR_EVER, compacted=True),
    Topic("invoices", KEPT_FOR_EVER),
    Topic(DEAD_LETTERS, 35 * DAY_MS, record_bytes_max=LETTER_BYTES_MAX),
)


class TopicsError(Exception):
    """The cluster's topics are not those declared; the message says which and what to do."""


def changelog(settings: Settings) -> str:
    """The changelog's name, chosen by hand: the state hangs on it."""
    return settings.topic(f"{settings.app_id}-wallet-rows")


def declared(settings: Settings) -> dict[str, Topic]:
    """Every topic a worker needs, by its name on the cluster."""
    topics = {settings.topic(topic.name): topic for topic in CONTRACT}
    topics[changelog(settings)] = Topic("wallet-rows", KEPT_FOR_EVER, compacted=True)
    return topics


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which the cluster differs from what is declared. `missing` topics can be made; the rest cannot."""

    topic: str
    what: str
    missing: bool = False
    fatal: bool = False


async def differences(settings: Settings) -> list[Difference]:
    """What the cluster lacks or has otherwise. Raises KafkaError when no broker answers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        return await _differences(admin, settings, declared(settings))
    finally:
        await admin.close()


async def ensure(settings: Settings, wanted: Mapping[str, Topic] | None = None) -> list[str]:
    """Make the topics that are missing, of those `declared` or of `wanted`, and return their names.

    Raises TopicsError when one has other partitions.
    """
    topics = declared(settings) if wanted is None else wanted
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        found = await _differences(admin, settings, topics)
        wrong = [f"{difference.topic}: {difference.what}" for difference in found if difference.fatal]
        if wrong:
            raise TopicsError("; ".join(wrong))
        made = [difference.topic for difference in found if difference.missing]
        if made:
            await _create(admin, settings, {name: topics[name] for name in made})
        return made
    finally:
        await admin.close()


async def _create(admin: Any, settings: Settings, topics: Mapping[str, Topic]) -> None:
    response = await admin.create_topics(
        [
            NewTopic(name, settings.partitions, settings.replication_factor, topic_configs=dict(topic.config()))
            for name, topic in topics.items()
        ]
    )
    for name, code, message in response.topic_errors:
        # Another worker that starts at the same moment may have been first.
        if code not in (0, TOPIC_EXISTS):
            raise TopicsError(f"{name}: cannot be created: {for_code(code).__name__} {message or ''}".strip())


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
            Difference(name, f"{key} is {config.get(key)}, declared {value}")
            for key, value in topics[name].config().items()
            if config.get(key) != value
        ]
    return found


async def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for response in responses
        for _, _, _, name, entries in response.resources
    }


def command(
    apply: Annotated[bool, typer.Option("--apply", help="Create the topics that are missing.")] = False,
) -> None:
    """Show how the cluster's topics differ from those declared; with --apply, create what is missing.

    Exit status 0 when nothing differs (any more), 1 otherwise. Nothing that exists is ever changed or deleted.
    """
    settings = Settings()
    if apply:
        try:
            for name in asyncio.run(ensure(settings)):
                print(f"created {name}")
        except TopicsError as error:
            print(error)
            raise typer.Exit(1) from error
    left = asyncio.run(differences(settings))
    for difference in left:
        print(f"{difference.topic}: {difference.what}")
    if left:
        raise typer.Exit(1)

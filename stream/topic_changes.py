"""`tollgate topics [--apply]`: shows how the cluster's topics differ from the declared ones and applies safe
changes.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

from stream.access import check
from stream.rights import apply_topics, compare_topics
from stream.settings import Settings
from stream.topics import (
    APPEND_TIME,
    LIMIT,
    TIMESTAMP_TYPE,
    Difference,
    Topic,
    TopicsError,
    declared,
    differences,
    ensure,
)

# A greater value of these keeps more data, or keeps it longer; -1 means for ever.
KEEP_MORE = frozenset({"retention.ms", "delete.retention.ms", "min.compaction.lag.ms", LIMIT})
# The segment time only affects when superseded records may be removed.
NEUTRAL = frozenset({"segment.ms"})
SET = 0
FOR_EVER = 1 << 63
# A broker reports changed settings only once it has read them from the metadata log, a moment later.
VISIBLE_WITHIN_S = 10.0
CHECK_EVERY_S = 0.1


class IncrementalAlterConfigsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class IncrementalAlterConfigs(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """The client itself only has AlterConfigs, which resets every setting that it does not name."""

    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = IncrementalAlterConfigsResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                ("configs", Array(("name", String("utf-8")), ("operation", Int8), ("value", String("utf-8")))),
            ),
        ),
        ("validate_only", Boolean),
    )


class AlterRequest(Request[IncrementalAlterConfigs]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44

    def __init__(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        self._resources = [
            (ConfigResourceType.TOPIC, topic, [(name, SET, value) for name, value in changes.items()])
            for topic, changes in settings.items()
        ]

    def build(self, request_struct_class: type[IncrementalAlterConfigs]) -> IncrementalAlterConfigs:
        return request_struct_class(self._resources, False)


def loses_nothing(difference: Difference) -> bool:
    """Whether the declared value can be applied without removing a record earlier or making a reader miss one."""
    key, present, declared = difference.key, difference.present, difference.declared
    if key == TIMESTAMP_TYPE:
        return declared == APPEND_TIME
    if key in KEEP_MORE:
        return _forever_last(declared) > _forever_last(present)
    return key in NEUTRAL


def _forever_last(value: str) -> int:
    return FOR_EVER if value == "-1" else int(value)


async def apply(settings: Settings, wanted: Mapping[str, Topic]) -> list[str]:
    """Create missing topics of `wanted` and apply changes that lose nothing; returns a line for each.

    Raises TopicsError and KafkaError.

    A difference that cannot be removed does not prevent the other changes.
    """
    found = await differences(settings, wanted)
    missing = [one for one in found if one.missing]
    if missing and not any(one.fatal for one in found):
        await ensure(settings, wanted)
    else:
        missing = []
    changes = [one for one in found if one.key and loses_nothing(one)]
    by_topic: dict[str, dict[str, str]] = {}
    for one in changes:
        by_topic.setdefault(one.topic, {})[one.key] = one.declared
    if by_topic:
        await _alter(settings, by_topic)
    await _wait_until_applied(settings, wanted, {*missing, *changes})
    return [
        *(f"created {one.topic}" for one in missing),
        *(f"changed {one.topic}: {one.key} from {one.present} to {one.declared}" for one in changes),
    ]


async def _alter(settings: Settings, by_topic: Mapping[str, Mapping[str, str]]) -> None:
    admin: Any = AIOKafkaAdminClient(**settings.connection.options)
    await admin.start()
    try:
        response = await admin._send_request(AlterRequest(by_topic))  # noqa: SLF001 the library is pinned
    finally:
        await admin.close()
    refused = [
        f"{name}: cannot be changed: {for_code(code).__name__} {message or ''}".strip()
        for code, message, _, name in response.responses
        if code
    ]
    if refused:
        raise TopicsError("; ".join(refused))


async def _wait_until_applied(settings: Settings, wanted: Mapping[str, Topic], changed: set[Difference]) -> None:
    now = asyncio.get_running_loop().time
    deadline = now() + VISIBLE_WITHIN_S
    while changed and changed & set(await differences(settings, wanted)):
        if now() > deadline:
            raise TopicsError("the changes were accepted, but the broker does not show them: run the command again")
        await asyncio.sleep(CHECK_EVERY_S)


def command(
    apply_changes: Annotated[
        bool, typer.Option("--apply", help="Create missing topics, and apply changes that lose no data.")
    ] = False,
) -> None:
    """Compare the cluster's topics with the required ones.

    Prints the differences. With --apply it also makes the changes that lose no data: missing topics, the timestamp
    type, a longer retention or compaction lag, a larger record limit. A shorter retention, a different clean-up policy
    or partition count is only printed. Exit status 0 when no difference is left, 1 otherwise. Never deletes anything.
    """
    settings = Settings()
    compare(settings, declared(settings), apply_changes=apply_changes)


def compare(settings: Settings, wanted: Mapping[str, Topic], *, apply_changes: bool) -> None:
    """Print the differences from the `wanted` topics, after the changes with `apply_changes`. Raises typer.Exit with
    status 1 when one is left.
    """
    states = [topic.state for topic in wanted.values()]
    needed = apply_topics(wanted, states) if apply_changes else compare_topics(wanted)
    asyncio.run(check(settings.connection, needed))
    if apply_changes:
        for line in asyncio.run(apply(settings, wanted)):
            print(line)
    left = asyncio.run(differences(settings, wanted))
    for difference in left:
        print(f"{difference.topic}: {difference.what}")
    if left:
        raise typer.Exit(1)

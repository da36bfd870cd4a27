"""Checks at the start of a process that the brokers grant it every right it needs, and names those that are missing.

Without this check a right that is rarely used would stop a worker weeks later, in the middle of a transaction; and a
topic that a user may not describe looks as if it did not exist.
"""

import asyncio
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    MetadataEmptyBrokerList,
    NotCoordinatorForGroupError,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from stream.broker_link import REQUEST_TIMEOUT_MS, close_in_time
from stream.connection import Connection
from stream.fail_stop import PersonNeededError
from stream.failures import SEE
from stream.nodes import any_node, coordinator_of
from stream.rights import Kind, Operation, Right

NOT_AUTHORIZED = 29
# A broker without an answer to the question sends this, and then each request gives its own refusal.
NOT_KNOWN = -(1 << 31)
ALL = -1
# In a new cluster the first question about a group makes the broker create the topic that holds all groups.
STARTING = (
    GroupLoadInProgressError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorForGroupError,
    MetadataEmptyBrokerList,  # For a moment, after a broker stood still.
)
STARTED_WITHIN_S = 20.0
ASK_EVERY_S = 0.2
# The broker does not report on a topic that the user may not describe, not even whether it exists. The rights that
# include Describe are missing then; the others are not known.
NOT_DESCRIBED = ALL - sum(1 << one for one in (Operation.Read, Operation.Write, Operation.Delete, Operation.Describe))

# For each resource the operations that are granted on it, each its own bit.
Granted = Mapping[str, int]


class MissingRightError(PersonNeededError):
    """The brokers refuse this process something that it needs. The message names each right."""


class _TopicRightsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", String("utf-8")),
                ("internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("in_sync", Array(Int32)),
                        ("offline", Array(Int32)),
                    ),
                ),
                ("granted", Int32),
            ),
        ),
        ("cluster_granted", Int32),
    )


class _TopicRights(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """The client's own Metadata request, of an earlier version, does not ask for the rights."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _TopicRightsResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("create", Boolean),
        ("cluster_granted", Boolean),
        ("granted", Boolean),
    )


class _TopicRightsRequest(Request[_TopicRights]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_TopicRights]) -> _TopicRights:
        return request_struct_class(self._topics, False, False, True)


class _GroupRights(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """The client's own request of this version reads the response without the rights."""

    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("granted", Boolean))


class _GroupRightsRequest(Request[_GroupRights]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 15

    def __init__(self, groups: list[str]) -> None:
        self._groups = groups

    def build(self, request_struct_class: type[_GroupRights]) -> _GroupRights:
        return request_struct_class(self._groups, True)


async def check(connection: Connection, needed: Iterable[Right]) -> None:
    """Raises MissingRightError if the brokers do not grant all of `needed`, and KafkaError when none answers."""
    rights = tuple(needed)
    client = AIOKafkaClient(**connection.options, client_id="tollgate-rights", request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await client.bootstrap()
        granted = await _granted_in_time(client, rights)
    finally:
        await close_in_time(client.close())
    missing = [part for right in rights if (part := _missing(right, granted[right.kind]))]
    if missing:
        raise MissingRightError(f"{connection.who} may not {'; may not '.join(missing)}: grant it these rights ({SEE})")


async def _granted_in_time(client: AIOKafkaClient, rights: tuple[Right, ...]) -> dict[Kind, Granted]:
    deadline = monotonic() + STARTED_WITHIN_S
    while True:
        try:
            return {
                Kind.topic: await _on_topics(client, _names(rights, Kind.topic)),
                Kind.group: await _on_groups(client, _names(rights, Kind.group)),
                Kind.transactional_id: await _on_transactions(client, _names(rights, Kind.transactional_id)),
            }
        except STARTING:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(ASK_EVERY_S)


def _names(rights: Iterable[Right], kind: Kind) -> list[str]:
    return sorted({name for right in rights if right.kind is kind for name in right.names})


def _missing(right: Right, granted: Granted) -> str:
    """The part of the right that is not granted, in words; empty if all of it is."""
    names = [name for name in right.names if not granted[name] & 1 << right.operation]
    return f"{right.operation.name} on {right.kind} {', '.join(names)}" if names else ""


async def _on_topics(client: AIOKafkaClient, names: list[str]) -> dict[str, int]:
    if not names:
        return {}
    answer = await _send(client, _TopicRightsRequest(names))
    return {
        name: NOT_DESCRIBED if code == NOT_AUTHORIZED else _bits(granted) for code, name, _, _, granted in answer.topics
    }


async def _on_groups(client: AIOKafkaClient, names: list[str]) -> dict[str, int]:
    found = {}
    for name in names:
        try:
            node = await coordinator_of(client, CoordinationType.GROUP, name)
        except GroupAuthorizationFailedError:
            found[name] = 0
            continue
        [group] = (await client.send(node, _GroupRightsRequest([name]))).groups
        if group[0]:
            raise for_code(group[0])(name)
        found[name] = _bits(group[-1])
    return found


async def _on_transactions(client: AIOKafkaClient, names: list[str]) -> dict[str, int]:
    """All rights for an id that the user may describe, which Write includes: no request can check more. A user with
    Describe alone is refused when its first transaction begins.
    """
    found = {}
    for name in names:
        try:
            await coordinator_of(client, CoordinationType.TRANSACTION, name)
        except TransactionalIdAuthorizationFailed:
            found[name] = 0
        else:
            found[name] = ALL
    return found


async def _send(client: AIOKafkaClient, request: Any) -> Any:
    return await client.send(await any_node(client), request)


def _bits(granted: int) -> int:
    return ALL if granted == NOT_KNOWN else granted

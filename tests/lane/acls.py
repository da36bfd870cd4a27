"""Grants and takes away rights on a broker with an authorizer. The Kafka client has no requests for it."""

from collections.abc import Iterable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Schema, String

from stream.rights import Right

LITERAL, ALLOW = 3, 3
_ACL = Array(
    ("resource_type", Int8),
    ("resource_name", String("utf-8")),
    ("pattern_type", Int8),
    ("principal", String("utf-8")),
    ("host", String("utf-8")),
    ("operation", Int8),
    ("permission_type", Int8),
)


class CreateAclsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 30
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", Array(("error_code", Int16), ("error_message", String("utf-8")))),
    )


class CreateAcls(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 30
    API_VERSION = 1
    RESPONSE_TYPE = CreateAclsResponse
    SCHEMA = Schema(("creations", _ACL))


class CreateAclsRequest(Request[CreateAcls]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 30

    def __init__(self, acls: list[tuple[Any, ...]]) -> None:
        self._acls = acls

    def build(self, kind: type[CreateAcls]) -> CreateAcls:
        return kind(self._acls)


class DeleteAclsResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 31
    API_VERSION = 1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                (
                    "matching",
                    Array(
                        ("error_code", Int16),
                        ("error_message", String("utf-8")),
                        ("resource_type", Int8),
                        ("resource_name", String("utf-8")),
                        ("pattern_type", Int8),
                        ("principal", String("utf-8")),
                        ("host", String("utf-8")),
                        ("operation", Int8),
                        ("permission_type", Int8),
                    ),
                ),
            ),
        ),
    )


class DeleteAcls(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 31
    API_VERSION = 1
    RESPONSE_TYPE = DeleteAclsResponse
    SCHEMA = Schema(("filters", _ACL))


class DeleteAclsRequest(Request[DeleteAcls]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 31

    def __init__(self, acls: list[tuple[Any, ...]]) -> None:
        self._acls = acls

    def build(self, kind: type[DeleteAcls]) -> DeleteAcls:
        return kind(self._acls)


def acls_of(user: str, rights: Iterable[Right]) -> list[tuple[Any, ...]]:
    """One rule for each name of each right."""
    return [
        (right.kind, name, LITERAL, f"User:{user}", "*", right.operation, ALLOW)
        for right in rights
        for name in right.names
    ]


async def grant(bootstrap: str, acls: list[tuple[Any, ...]]) -> None:
    await _send(bootstrap, CreateAclsRequest(acls))


async def take_away(bootstrap: str, acls: list[tuple[Any, ...]]) -> None:
    await _send(bootstrap, DeleteAclsRequest(acls))


async def _send(bootstrap: str, request: object) -> None:
    """A broker applies the rules once it has read them from the metadata log, a moment later."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin._send_to_controller(request)
    finally:
        await admin.close()
    for code, message, *_ in answer.results:
        if code:
            raise for_code(code)(message)

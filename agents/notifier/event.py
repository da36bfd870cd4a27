"""An event of an output topic, as the notifier hands it to its targets."""

import hashlib
from functools import cached_property
from typing import Any

import msgspec


class UnreadableEventError(Exception):
    """A record that is no event of its topic; the message says why."""


class _Head(msgspec.Struct, frozen=True):
    """The fields that every event has. A refused start may be answered without a time (rule X2)."""

    type: str
    id: str
    account_id: str
    occurred_at: str | None = None


_object = msgspec.json.Decoder(dict[str, Any]).decode


class Event(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One published event. `topic` is the contract's name, `value` the bytes as published, `timestamp_ms` the
    record's, `fields` the value decoded.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp_ms: int
    type: str
    account_id: str
    id: str
    occurred_at: str | None
    fields: dict[str, Any]

    @cached_property
    def notification_id(self) -> str:
        """The same for every attempt and target: `webhook-id`, and the left part of `Message-ID`."""
        text = "\n".join((self.account_id, self.id, self.occurred_at or ""))
        return f"tg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def read_event(topic: str, partition: int, offset: int, key: bytes | None, value: bytes, timestamp_ms: int) -> Event:
    """The event in a record of the contract topic `topic`. Raises UnreadableEventError."""
    try:
        # Wholly, and as text: what a decoder skips it does not check, and a target would fail later.
        fields = _object(value.decode())
        head = msgspec.convert(fields, _Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableEventError(str(error)) from None
    return Event(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        timestamp_ms=timestamp_ms,
        type=head.type,
        account_id=head.account_id,
        id=head.id,
        occurred_at=head.occurred_at,
        fields=fields,
    )

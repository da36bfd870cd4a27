"""The notifier's state in its own compacted topic: what waits, where each target began, and how far was read.

A row that waits holds the place of its event in the log, and the event is read there again: so the topic holds no
event, no address of a person and no secret. Output topics are kept far longer than the last retry.
"""

from typing import TypeVar

import msgspec

from schemas.rows import CorruptRowError

VERSION = 1


class Place(msgspec.Struct, frozen=True, order=True):
    """Where an event is in its partition. `topic` is the contract's name."""

    topic: str
    offset: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a target does not have yet. After `attempts` failed ones the next is due at `due_ms`; before the
    first, in the order of `sequence`, the account's turn counts, and not before `due_ms`.
    """

    version: int = VERSION
    account_id: str
    attempts: int
    due_ms: int
    sequence: int
    first_ms: int


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Where a target begins in a topic. Of the events that were there at the very first start, below `old_below`, those
    older than `not_before_ms` are skipped: producers choose the times.
    """

    version: int = VERSION
    from_offset: int
    not_before_ms: int = 0
    old_below: int = 0

    def skips(self, offset: int, timestamp_ms: int) -> bool:
        return offset < self.old_below and timestamp_ms < self.not_before_ms


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Everything before this offset of a topic is settled."""

    version: int = VERSION
    next_offset: int


Row = Waiting | Mark | Position
WaitingKey = tuple[str, Place]
MarkKey = tuple[str, str]

Key = TypeVar("Key", WaitingKey, MarkKey)
AnyRow = TypeVar("AnyRow", Waiting, Mark, Position)
_encode = msgspec.json.Encoder().encode


class Rows(msgspec.Struct):
    """The rows of one partition."""

    waiting: dict[WaitingKey, Waiting] = msgspec.field(default_factory=dict)
    marks: dict[MarkKey, Mark] = msgspec.field(default_factory=dict)
    positions: dict[str, int] = msgspec.field(default_factory=dict)

    def read(self, key: bytes | None, value: bytes | None) -> None:
        """Apply a record of the topic. Raises CorruptRowError."""
        kind, _, rest = (key or b"").decode().partition("/")
        parts = rest.split("/")
        match kind, parts:
            case "waiting", [target, topic, offset]:
                self._set(self.waiting, (target, Place(topic, int(offset))), value, Waiting)
            case "mark", [target, topic]:
                self._set(self.marks, (target, topic), value, Mark)
            case "position", [topic] if value is not None:
                self.positions[topic] = _decode(value, Position).next_offset
            case _:
                raise CorruptRowError(f"no row of the notifier has the key {key!r}")

    def _set(self, rows: dict[Key, AnyRow], key: Key, value: bytes | None, kind: type[AnyRow]) -> None:
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = _decode(value, kind)


def _decode(value: bytes, kind: type[AnyRow]) -> AnyRow:
    try:
        row = msgspec.json.decode(value, type=kind)
    except msgspec.DecodeError as error:
        raise CorruptRowError(f"a row of the notifier is not readable: {error}") from None
    if row.version != VERSION:
        raise CorruptRowError(f"a row of the notifier has version {row.version}, and this program knows {VERSION}")
    return row


def waiting_key(target: str, place: Place) -> bytes:
    return f"waiting/{target}/{place.topic}/{place.offset}".encode()


def mark_key(target: str, topic: str) -> bytes:
    return f"mark/{target}/{topic}".encode()


def position_key(topic: str) -> bytes:
    return f"position/{topic}".encode()


def encode_row(row: Row) -> bytes:
    return _encode(row)

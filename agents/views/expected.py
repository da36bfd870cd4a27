"""What Redis must hold of an account, from the events of the topics alone, and how what it holds differs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from agents.views import layout
from agents.views.layout import ADJUSTMENT, CHARGES, DECISION, DECISIONS, INVOICES, SNAPSHOTS, Limits, Write

NOTHING = "nothing"
VERSION = b"snapshot_version"


@dataclass(slots=True)
class Call:
    """One call: per field its offset and value, and the adjustments by value."""

    parts: dict[bytes, Write] = field(default_factory=dict)
    adjustments: dict[bytes, Write] = field(default_factory=dict)

    def add(self, write: Write) -> None:
        assert write.call is not None
        known = self.adjustments if write.call.field == ADJUSTMENT else self.parts
        name = write.value if write.call.field == ADJUSTMENT else write.call.field
        if name not in known or known[name].offset < write.offset:
            known[name] = write

    def writes(self) -> Iterator[Write]:
        yield from self.parts.values()
        yield from self.adjustments.values()

    def fields(self) -> dict[bytes, Write]:
        """The fields of its hash."""
        return self.parts | {b"a:%d" % write.offset: write for write in self.adjustments.values()}


@dataclass(slots=True)
class Account:
    """What the topics say of one account."""

    lists: dict[str, dict[bytes, Write]] = field(default_factory=dict)
    calls: dict[bytes, Call] = field(default_factory=dict)
    snapshot: Write | None = None
    at: dict[str, int] = field(default_factory=dict)

    def add(self, topic: str, write: Write) -> None:
        self.at[topic] = max(self.at.get(topic, -1), write.offset)
        if topic == SNAPSHOTS:
            if self.snapshot is None or (write.version, write.offset) > (self.snapshot.version, self.snapshot.offset):
                self.snapshot = write
            return
        rows = self.lists.setdefault(topic, {})
        if write.value not in rows or rows[write.value].offset < write.offset:
            rows[write.value] = write
        if write.call is not None:
            self.calls.setdefault(write.call.call_id, Call()).add(write)

    def writes(self) -> Iterator[tuple[str, list[Write]]]:
        """Its events by topic, each value once, in the order in which they are best applied."""
        for topic in layout.TOPICS:
            some = list(self.lists.get(topic, {}).values())
            if topic == SNAPSHOTS and self.snapshot is not None:
                some = [self.snapshot]
            if some:
                yield topic, some


@dataclass(slots=True)
class Held:
    """What Redis holds of one account."""

    snapshot: bytes | None
    at: dict[bytes, bytes]
    lists: dict[str, dict[bytes, int]]
    calls: dict[bytes, int]
    hashes: dict[bytes, dict[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of a topic, by its name on the cluster, and the end up to which it was read."""

    topic: str
    partition: int
    end: int

    def at(self, offset: int) -> str:
        return f"{self.topic}/{self.partition}@{offset}"


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference, in a line for the operator. `remedy` are commands that remove what is wrong; what
    is missing then is written again.
    """

    key: bytes
    place: str
    expected: str
    found: str
    remedy: tuple[tuple[Any, ...], ...] = ()

    def __str__(self) -> str:
        return f"{self.key.decode(errors='replace')}: {self.place} expected {self.expected} found {self.found}"


def shown(value: bytes | None) -> str:
    """A value in a line that may be kept anywhere: it may hold phone numbers."""
    return NOTHING if value is None else f"{len(value)} bytes (sha256 {sha256(value).hexdigest()[:12]})"


class Comparison:
    """Compares one account with what Redis holds. `places` are the partitions that were read, by the contract's topics:
    what Redis has from beyond their ends is newer, and no difference.
    """

    def __init__(self, name: bytes, account: Account, held: Held, keep: Limits, places: Mapping[str, Place]) -> None:
        self._name, self._account, self._held, self._keep, self._places = name, account, held, keep, places
        self._partition = places[SNAPSHOTS].partition

    def differences(self) -> list[Difference]:
        found = [*self._snapshot(), *self._at()]
        for topic in layout.LISTS:
            found += self._list(topic)
        return [*found, *self._calls()]

    @property
    def has_newer(self) -> bool:
        """Whether Redis has events of the account from beyond the ends."""
        return any(self._is_newer(topic, self._held_at(topic)) for topic in self._places)

    def _is_newer(self, topic: str, offset: int) -> bool:
        """What Redis has from beyond the end was applied, and `at` says how far."""
        return self._places[topic].end <= offset <= self._held_at(topic)

    def _place(self, topic: str, offset: int) -> str:
        return self._places[topic].at(offset)

    def _held_at(self, topic: str) -> int:
        return offset_at(self._held.at, self._places[topic].topic)

    def _snapshot(self) -> Iterator[Difference]:
        expected, held, at = self._account.snapshot, self._held, self._held_at(SNAPSHOTS)
        if self._is_newer(SNAPSHOTS, at):
            return
        key, at_key = (layout.account_key(self._name, name) for name in (b"snapshot", b"at"))
        place = self._place(SNAPSHOTS, at if expected is None else expected.offset)
        value = None if expected is None else expected.value
        version = None if expected is None else b"%d" % expected.version
        remedy = (("DEL", key), ("HDEL", at_key, VERSION))
        if held.snapshot != value:
            yield Difference(key, place, shown(value), shown(held.snapshot), remedy)
        if held.at.get(VERSION) != version:
            yield Difference(at_key, place, f"version {_text(version)}", f"{_text(held.at.get(VERSION))}", remedy)

    def _at(self) -> Iterator[Difference]:
        key = layout.account_key(self._name, b"at")
        names = {place.topic.encode(): topic for topic, place in self._places.items()}
        for name in sorted({*names, *self._held.at} - {VERSION}):
            topic, text = names.get(name), self._held.at.get(name)
            expected = None if topic is None else self._account.at.get(topic)
            if topic is not None and self._is_newer(topic, self._held_at(topic)):
                continue
            if text != (None if expected is None else b"%d" % expected):
                place = (
                    f"{name.decode(errors='replace')}/{self._partition}@-1"
                    if topic is None
                    else self._place(topic, expected or -1)
                )
                yield Difference(key, place, _text(expected), _text(text), (("HDEL", key, name),))

    def _list(self, topic: str) -> Iterator[Difference]:
        rows, held = self._account.lists.get(topic, {}), self._held.lists[topic]
        key = layout.list_key(self._name, topic)
        newer = 0
        for value, offset in held.items():
            if self._is_newer(topic, offset):
                newer += 1
            elif value not in rows or rows[value].offset != offset:
                expected = NOTHING if value not in rows else f"offset {rows[value].offset}"
                yield Difference(key, self._place(topic, offset), expected, shown(value), (("ZREM", key, value),))
        kept = sorted(rows.values(), key=lambda write: write.offset, reverse=True)
        if topic != INVOICES:
            kept = [write for write in kept if write.occurred_ms >= self._keep.cutoff_ms]
            kept = kept[: max(0, self._keep.rows - newer)]
        for write in kept:
            if write.value not in held:
                yield Difference(key, self._place(topic, write.offset), shown(write.value), NOTHING)

    def _calls(self) -> Iterator[Difference]:
        held, known = self._held, self._account.calls
        for call_id in held.calls:
            yield from self._call(call_id, known.get(call_id, Call()))
        newer = sum(call_id not in known for call_id in held.calls)
        first = {call_id: _first_ms(call.writes()) for call_id, call in known.items()}
        kept = sorted(known, key=lambda call_id: (first[call_id], call_id), reverse=True)
        oldest = min(held.calls.values(), default=0) if len(held.calls) >= self._keep.rows else 0
        for call_id in kept[: max(0, self._keep.rows - newer)]:
            floor = min(write.call.started_ms for write in known[call_id].writes() if write.call is not None)
            if call_id not in held.calls and floor >= self._keep.cutoff_ms and floor > oldest:
                newest = max(known[call_id].writes(), key=lambda write: write.offset)
                place = self._place(_topic_of(newest), newest.offset)
                key = layout.account_key(self._name, b"calls")
                yield Difference(key, place, f"call {call_id.decode()} at {first[call_id]}", NOTHING)

    def _call(self, call_id: bytes, call: Call) -> Iterator[Difference]:
        key, calls_key = layout.call_key(self._name, call_id), layout.account_key(self._name, b"calls")
        held, fields = self._held.hashes.get(call_id, {}), call.fields()
        newer = {name for name, value in held.items() if self._is_newer_part(name, value)}
        for name in sorted((held.keys() | fields.keys()) - newer):
            write, value = fields.get(name), held.get(name)
            if (value is None and write is not None and write.occurred_ms < self._keep.cutoff_ms) or (
                write is not None and write.value == value
            ):
                continue
            topic = DECISIONS if name == DECISION else CHARGES
            place = self._place(topic, -1 if write is None else write.offset)
            wanted = shown(None if write is None else write.value)
            yield Difference(key, place, wanted, shown(value), (("HDEL", key, name),))
        score, first = self._held.calls[call_id], _first_ms(call.writes())
        allowed = {first, _first_ms(w for w in call.writes() if w.occurred_ms >= self._keep.cutoff_ms)}
        if score not in allowed and not newer:
            topic, offset = max(((_topic_of(w), w.offset) for w in call.writes()), default=(DECISIONS, -1))
            remedy = (("ZREM", calls_key, call_id), *((("UNLINK", key),) if not fields else ()))
            expected = NOTHING if not fields else f"call {call_id.decode()} at {first}"
            yield Difference(calls_key, self._place(topic, offset), expected, f"at {score}", remedy)

    def _is_newer_part(self, name: bytes, value: bytes) -> bool:
        if name.startswith(b"a:") and name[2:].isdigit():
            return self._is_newer(CHARGES, int(name[2:]))
        topic = DECISIONS if name == DECISION else CHARGES
        offset = self._held.lists[topic].get(value)
        return offset is not None and self._is_newer(topic, offset)


def offset_at(at: Mapping[bytes, bytes], topic: str) -> int:
    """The last offset applied that a hash `at` has for a topic; -1 for none."""
    text = at.get(topic.encode(), b"")
    return int(text) if text.isdigit() else -1


def _first_ms(writes: Iterable[Write]) -> int:
    return min((write.occurred_ms for write in writes), default=-1)


def _topic_of(write: Write) -> str:
    return DECISIONS if write.call is not None and write.call.field == DECISION else CHARGES


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return NOTHING if value is None else str(value)

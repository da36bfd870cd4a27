"""Which keys of Redis a published event changes, and how. Layout 1.

Every key of an account has the account in braces, so a cluster keeps them together and one script may change them all.
Scores are Kafka offsets and members are the published bytes, so applying an event again changes nothing.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from schemas.instant import DAY_MS, SECOND_MS, format_instant, parse_instant

PREFIX: Final = b"tg:1:"
META: Final = b"tg:1:meta"
ACCOUNTS: Final = b"tg:1:accounts:"
# Below it the gateway keeps its own.
GATEWAY: Final = b"tg:1:gw:"

SNAPSHOTS = "account-snapshots"
DECISIONS = "call-decisions"
CHARGES = "charges"
INVOICES = "invoices"
# The sorted set of each topic's events.
LISTS: Mapping[str, str] = {
    CHARGES: "charges",
    "ledger-entries": "ledger",
    "alerts": "alerts",
    INVOICES: "invoices",
    DECISIONS: "decisions",
    "refills": "refills",
}
# Read for their position alone: their keys are whatever a producer sent, and no view shows them.
DEAD_LETTERS = "dead-letters"
# In the order in which a partition is best read from its start: the gate's decision is a call's first event.
TOPICS = (DECISIONS, CHARGES, SNAPSHOTS, "ledger-entries", "alerts", INVOICES, "refills", DEAD_LETTERS)

DECISION, CHARGE, ADJUSTMENT = b"decision", b"charge", b"a"
# Redirects of which the engine keeps no trace either: with these, anyone could fill Redis with invented accounts.
UNKEPT_REASONS = frozenset({"unknown_account", "refused"})
_ACCOUNT = re.compile(rb"[A-Za-z0-9._:+@-]{1,128}")
_SECOND_CHARACTERS = 19


class UnreadableEventError(Exception):
    """A record that is no event of its topic; the message says why."""


class _Receipt(msgspec.Struct, frozen=True, gc=False):
    started_at: str | None = None


class _CallEvent(msgspec.Struct, frozen=True, gc=False):
    type: str
    occurred_at: str | None = None
    call_id: str | None = None
    reason: str | None = None
    receipt: _Receipt | None = None


class _Event(msgspec.Struct, frozen=True, gc=False):
    occurred_at: str


class _Snapshot(msgspec.Struct, frozen=True, gc=False):
    version: int
    occurred_at: str


_call_event = msgspec.json.Decoder(_CallEvent).decode
_event = msgspec.json.Decoder(_Event).decode
_snapshot = msgspec.json.Decoder(_Snapshot).decode
_FIELDS = {
    (DECISIONS, "call-admitted"): DECISION,
    (DECISIONS, "call-redirected"): DECISION,
    (CHARGES, "call-charged"): CHARGE,
    (CHARGES, "charge-adjusted"): ADJUSTMENT,
}


class CallPart(msgspec.Struct, frozen=True, gc=False):
    """What an event adds to its call. `started_ms` is the earliest time of the call that the event knows."""

    call_id: bytes
    field: bytes
    started_ms: int


class Write(msgspec.Struct, frozen=True, gc=False):
    """One event as the views keep it. `version` is a snapshot's, -1 for all others."""

    account: bytes
    offset: int
    value: bytes
    occurred_ms: int
    version: int = -1
    call: CallPart | None = None


class Limits(msgspec.Struct, frozen=True):
    """What is kept of each account: `rows` of each list, and events from `cutoff_ms` on, a whole second."""

    rows: int
    cutoff_ms: int

    @property
    def cutoff_text(self) -> str:
        """The cutoff as the first characters of a time on the wire, which compare as the times do."""
        return format_instant(self.cutoff_ms)[:_SECOND_CHARACTERS]


def limits(keep_days: int, keep_rows: int, now_ms: int) -> Limits:
    """What is kept at `now_ms`."""
    return Limits(keep_rows, max(0, now_ms - keep_days * DAY_MS) // SECOND_MS * SECOND_MS)


def write_of(topic: str, offset: int, key: bytes | None, value: bytes | None) -> Write | None:
    """What the views keep of a record of the contract's `topic`; None for nothing.

    Raises UnreadableEventError: only the engine writes these topics, so somebody else has.
    """
    if topic == DEAD_LETTERS or value is None:
        return None
    if key is None or _ACCOUNT.fullmatch(key) is None:
        raise UnreadableEventError("its key is no account id")
    try:
        if topic == SNAPSHOTS:
            seen = _snapshot(value)
            return Write(key, offset, value, parse_instant(seen.occurred_at), seen.version)
        if topic in {DECISIONS, CHARGES}:
            return _call_write(topic, offset, key, value)
        return Write(key, offset, value, parse_instant(_event(value).occurred_at))
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableEventError(str(error)) from error


def _call_write(topic: str, offset: int, key: bytes, value: bytes) -> Write | None:
    event = _call_event(value)
    if topic == DECISIONS and event.type == "call-redirected" and event.reason in UNKEPT_REASONS:
        return None
    field = _FIELDS.get((topic, event.type))
    if field is None or event.call_id is None:
        raise UnreadableEventError("it is no event about a call")
    occurred_ms = int(parse_instant(event.occurred_at))
    started = event.receipt.started_at if event.receipt is not None else None
    started_ms = occurred_ms if started is None else min(occurred_ms, parse_instant(started))
    return Write(key, offset, value, occurred_ms, call=CallPart(event.call_id.encode(), field, started_ms))


def account_key(account: bytes, name: bytes) -> bytes:
    return b"tg:1:{%b}:%b" % (account, name)


def call_key(account: bytes, call_id: bytes) -> bytes:
    return b"tg:1:{%b}:call:%b" % (account, call_id)


def account_of(key: bytes) -> bytes:
    """The account of one of its keys; empty for any other key."""
    return key.removeprefix(PREFIX + b"{").partition(b"}:")[0] if key.startswith(PREFIX + b"{") else b""


def list_key(account: bytes, topic: str) -> bytes:
    return account_key(account, LISTS[topic].encode())


def position_field(topic: str, partition: int) -> bytes:
    """The field of `META` with the next offset. `topic` is the name on the cluster."""
    return f"{topic}/{partition}".encode()


def caught_up_field(partition: int) -> bytes:
    """The field of `META` with the time (ms) up to which the partition is in Redis."""
    return b"caught_up_at:%d" % partition


def by_account(writes: Iterable[Write]) -> dict[bytes, list[Write]]:
    found: dict[bytes, list[Write]] = {}
    for write in writes:
        found.setdefault(write.account, []).append(write)
    return found


def script_call(topic: str, name: bytes, writes: list[Write], keep: Limits) -> tuple[list[bytes], list[bytes | int]]:
    """Keys and arguments of `apply.lua` for events of one account and topic, which is called `name` on the cluster."""
    account = writes[0].account
    at, calls = account_key(account, b"at"), account_key(account, b"calls")
    last = max(write.offset for write in writes)
    if topic == SNAPSHOTS:
        newest = max(writes, key=lambda write: (write.version, write.offset))
        keys = [at, account_key(account, b"snapshot"), calls]
        return keys, [name, last, b"snapshot", newest.version, newest.offset, newest.value]
    kept = writes if topic == INVOICES else [write for write in writes if write.occurred_ms >= keep.cutoff_ms]
    keys = [at, list_key(account, topic), calls]
    rows = 0 if topic == INVOICES else keep.rows
    arguments: list[bytes | int] = [name, last, b"calls" if topic in {DECISIONS, CHARGES} else b"list"]
    arguments += [rows, keep.cutoff_text.encode(), keep.cutoff_ms, call_key(account, b"")]
    for write in kept:
        arguments += [write.offset, write.value]
        if write.call is not None:
            keys.append(call_key(account, write.call.call_id))
            arguments += [write.call.field, write.call.call_id, write.occurred_ms, write.call.started_ms]
    return keys, arguments

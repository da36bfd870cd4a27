"""Rows of the table: their keys, their bytes, and the checks that let a restore trust them.

A row's bytes are a head and a MessagePack body. The head has the version of the row format, a checksum over the key and
the rest, and a sequence number that grows with every write of the row. Rows that fall due have `due_ms`, 0 for never.
"""

import struct
import zlib

import msgspec

from schemas.account import Account, Row
from schemas.billing import Bill, Billing, Invoice
from schemas.call import Call
from schemas.payment_rows import Payment, Purchase, RecentLots, SeenGrant, SeenReversal
from schemas.plan import AnyPlan

FORMAT = 1
_HEAD = struct.Struct("<BIQ")
_CHECKED_FROM = 5  # The checksum covers everything behind itself.

CLOCK_KEY = "*"
CHECKPOINT_KEY = "*/checkpoint"


class CorruptRowError(Exception):
    """A row that cannot be trusted. The worker must not start, because it would charge from a wrong balance."""


class Clock(Row, frozen=True, array_like=True):
    """The clock of a partition: its greatest tick, and the ticks with undone work, time and id of each (rule G2)."""

    now_ms: int
    ticks: tuple[tuple[int, str], ...] = ()


class Checkpoint(Row, frozen=True, array_like=True):
    """How far a partition has applied its inputs, and totals of its table at that point. Every batch writes it in its
    own transaction, so it can be trusted where the consumer group's offset cannot.

    `next_offset` is the first input not yet applied. `rows` counts the rows of the table without this one, and
    `balances` sums the accounts' balances by currency: a restore that finds less has lost state. `charged_micros` and
    `given_back_micros`, by currency, are charges and the adjustments that lower them; both only grow.
    """

    next_offset: int
    rows: int
    balances: dict[str, int] = msgspec.field(default_factory=dict)
    charged_micros: dict[str, int] = msgspec.field(default_factory=dict)
    given_back_micros: dict[str, int] = msgspec.field(default_factory=dict)


class SeenInput(Row, frozen=True, array_like=True):
    """An id of an input that was accepted or a repeat (rule P7). A call's row has those of its start and first end."""

    due_ms: int


class Terms(Row, frozen=True, array_like=True):
    """A plan as it was in one version of the catalogue. Calls that started under it are charged by it (rule G9)."""

    plan: AnyPlan


_KINDS: dict[str, type[Row]] = {
    "": Account,
    "a": Billing,
    "b": Bill,
    "c": Call,
    "g": SeenGrant,
    "i": SeenInput,
    "l": RecentLots,
    "n": Invoice,
    "p": Purchase,
    "r": Purchase,
    "s": SeenInput,
    "v": SeenReversal,
    "y": Payment,
}
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(kind) for kind in {*_KINDS.values(), Checkpoint, Clock, Terms}}


def call_key(account_id: str, call_id: str) -> str:
    return f"{account_id}/c/{call_id}"


def seen_key(account_id: str, input_id: str, *, signed: bool = False) -> str:
    return f"{account_id}/s/{input_id}" if signed else f"{account_id}/i/{input_id}"


def grant_key(account_id: str, grant_id: str) -> str:
    return f"{account_id}/g/{grant_id}"


def purchase_key(account_id: str, purchase_id: str) -> str:
    return f"{account_id}/p/{purchase_id}"


def refill_key(account_id: str, refill_id: str) -> str:
    return f"{account_id}/r/{refill_id}"


def payment_key(account_id: str, payment_id: str) -> str:
    return f"{account_id}/y/{payment_id}"


def reversal_key(account_id: str, kind: str, payment_id: str, provider_reference: str) -> str:
    """Payment ids hold no space, so that no two reversals have the same key."""
    return f"{account_id}/v/{kind} {payment_id} {provider_reference}"


def recent_lots_key(account_id: str) -> str:
    return f"{account_id}/l/"


def billing_key(account_id: str) -> str:
    return f"{account_id}/a/"


def bill_key(account_id: str, bill: str) -> str:
    """The key of a bill such as `invoice/12`. Its number is padded, so that bills due at the same time sort by
    number.
    """
    purpose, _, number = bill.partition("/")
    return f"{account_id}/b/{purpose}/{number:0>9}"


def bill_of(key: str) -> str:
    """The name of the bill with this key."""
    purpose, _, number = key.split("/", 2)[2].partition("/")
    return f"{purpose}/{int(number)}"


def invoice_key(account_id: str, number: int) -> str:
    """The key of an unpaid invoice in rows of earlier versions."""
    return f"{account_id}/n/{number}"


def terms_key(plan: str, version: int) -> str:
    return f"*/{plan}/{version}"


def row_type(key: str) -> type[Row]:
    """The type of the row under `key`."""
    account_id, _, rest = key.partition("/")
    if key == CHECKPOINT_KEY:
        return Checkpoint
    if account_id == CLOCK_KEY:
        return Terms if rest else Clock
    kind = _KINDS.get(rest[:1])
    if kind is None or (rest and rest[1:2] != "/"):
        raise CorruptRowError(f"row {key!r}: no kind of row has such a key")
    return kind


def due_of(row: Row | None) -> int:
    """When a tick must next process the row, 0 for never."""
    return getattr(row, "due_ms", 0)


def encode_row(key: str, row: Row, previous: bytes | None) -> bytes:
    """The bytes of `row`, which replaces `previous` under the same key."""
    sequence = 1 if previous is None else sequence_of(previous) + 1
    body = _encoder.encode(row)
    checksum = zlib.crc32(body, zlib.crc32(sequence.to_bytes(8, "little"), zlib.crc32(key.encode())))
    return _HEAD.pack(FORMAT, checksum, sequence) + body


def decode_row(key: str, value: bytes) -> Row:
    """The row in `value`, which a restore has checked. Raises CorruptRowError when the body has another shape."""
    try:
        return _decoders[row_type(key)].decode(memoryview(value)[_HEAD.size :])  # type: ignore[no-any-return]  # the decoder of that row's type
    except msgspec.MsgspecError as error:
        reason = "its fields are not those of this version, a later version may have written it"
        raise CorruptRowError(f"row {key!r}: {reason}: {error}") from None


def sequence_of(value: bytes) -> int:
    """How often the row has been written, this time included."""
    return int.from_bytes(value[_CHECKED_FROM : _HEAD.size], "little")


def check_row(key: bytes, value: bytes, previous: bytes | None) -> None:
    """Refuse a row that a restore must not trust. Raises CorruptRowError that names the row and the fault.

    Refused are an unknown format version, a wrong checksum, and a sequence number that does not grow.
    """
    if len(value) < _HEAD.size:
        raise CorruptRowError(f"row {key!r}: {len(value)} bytes are too few for a row")
    version, checksum, sequence = _HEAD.unpack_from(value)
    if version != FORMAT:
        raise CorruptRowError(f"row {key!r}: format {version}, this version reads format {FORMAT}")
    if zlib.crc32(memoryview(value)[_CHECKED_FROM:], zlib.crc32(key)) != checksum:
        raise CorruptRowError(f"row {key!r}: checksum does not hold")
    if previous is not None and sequence <= sequence_of(previous):
        raise CorruptRowError(
            f"row {key!r}: sequence {sequence} after {sequence_of(previous)}: two have written this changelog"
        )

"""Rows of the table: their keys, their bytes, and the checks that let a restore trust them.

A row's bytes are a head and a MessagePack body. The head has the version of the row format, a checksum over the key and
the rest, and a sequence number that grows with every write of the row. Rows that fall due have `due_ms`, 0 for never.
"""

import struct
import zlib

import msgspec

from schemas.account import Account, Row
from schemas.call import Call
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
    """An input id that took effect (rule P7). The ids of a call's start and first end are in the call's row."""

    due_ms: int


class SeenGrant(Row, frozen=True, array_like=True):
    """A grant id, remembered for ever (rule P17)."""

    amount_micros: int


class Purchase(Row, frozen=True, array_like=True):
    """Credits bought by a purchase or a refill, remembered for ever (rule P17). `status` is requested, succeeded or
    declined.

    The lot of a successful purchase begins at `lot_start_micros` on the line of all credits (see
    agents/wallet/funds/lots.py). `refunds` counts the refunds requested, declined ones included.
    """

    amount_micros: int
    payment_id: str
    payment_method_id: str
    token: str
    status: str = "requested"
    credited_at_ms: int = 0
    lot_start_micros: int = 0
    refunds: int = 0


class Payment(Row, frozen=True, array_like=True):
    """A card charge or refund that was requested. `purpose` is the contract's, `status` is as for a purchase, and
    `requested_at_ms` is the instant of the request, 0 in rows of earlier versions.
    """

    purpose: str
    reference: str
    amount_micros: int
    status: str = "requested"
    due_ms: int = 0
    payment_method_id: str = ""
    requested_at_ms: int = 0


class FeeLine(Row, frozen=True, array_like=True):
    """A line of the invoice of the period that holds `at_ms`: a term's fee, or one side of a proration (rules M6 and
    M7).
    """

    kind: str
    description: str
    amount_micros: int
    at_ms: int


class PhoneNumber(Row, frozen=True, array_like=True):
    """A phone number with a monthly fee (rule M13). A removed number is kept until its last invoice."""

    number: str
    monthly_fee_micros: int
    added_at_ms: int
    removed_at_ms: int | None = None


class Billing(Row, frozen=True, array_like=True):
    """What an account is billed for besides its calls. Money in micros.

    `lines` are to be invoiced, and `bills` names the bills for them. `overages` and `invoices` count overage requests
    and invoices so far, `fees` the fee bills; invoices below `open_from` are paid. Of the overage on the card,
    `card_settled_micros` was paid or given back, and `card_invoiced_micros` is on invoices. `overage_wanted` is set
    when overage should have been requested and there was no card. `credit_micros` is the negative rest of earlier
    invoices. `plan_before` is the plan of a period that has ended and waits for its tick, if the account has changed
    its plan since.
    """

    lines: tuple[FeeLine, ...] = ()
    bills: tuple[str, ...] = ()
    numbers: tuple[PhoneNumber, ...] = ()
    tax_rate_ppm: int = 0
    fees: int = 0
    overages: int = 0
    overage_wanted: bool = False
    card_settled_micros: int = 0
    invoices: int = 0
    open_from: int = 1
    card_invoiced_micros: int = 0
    credit_micros: int = 0
    plan_before: str = ""


class Bill(Row, frozen=True, array_like=True):
    """An amount that is requested from the default card until it is paid (rules M6, P11 and P12). The row is removed
    once it is paid.

    `attempts` counts the payments requested, `declines` the declines since the current card became the default.
    `invoice` is the number of the invoice that carries the bill, the invoice of the period that holds `at_ms`; 0 before
    it is issued. `due_ms` is when a declined bill is requested again.
    """

    purpose: str
    amount_micros: int
    status: str
    at_ms: int
    invoice: int = 0
    attempts: int = 0
    declines: int = 0
    due_ms: int = 0


class Invoice(Row, frozen=True, array_like=True):
    """An unpaid invoice. The row is removed once the invoice is paid (rule P12).

    It is paid when nothing of its bills is open (`bills_micros`) and the account's settled overage has reached
    `card_mark_micros`.
    """

    bills_micros: int
    card_mark_micros: int


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
    "n": Invoice,
    "p": Purchase,
    "r": Purchase,
    "y": Payment,
}
_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(kind) for kind in {*_KINDS.values(), Checkpoint, Clock, Terms}}


def call_key(account_id: str, call_id: str) -> str:
    return f"{account_id}/c/{call_id}"


def seen_key(account_id: str, input_id: str) -> str:
    return f"{account_id}/i/{input_id}"


def grant_key(account_id: str, grant_id: str) -> str:
    return f"{account_id}/g/{grant_id}"


def purchase_key(account_id: str, purchase_id: str) -> str:
    return f"{account_id}/p/{purchase_id}"


def refill_key(account_id: str, refill_id: str) -> str:
    return f"{account_id}/r/{refill_id}"


def payment_key(account_id: str, payment_id: str) -> str:
    return f"{account_id}/y/{payment_id}"


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
        raise CorruptRowError(f"row {key!r}: {error}") from None


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

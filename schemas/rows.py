"""Rows of the table: their keys, their bytes, and the checks that let a restore trust them.

A row's bytes are a head and a MessagePack body. The head carries the row format's version, a checksum over key and
rest, and a sequence that grows with every write of the row. Rows that wait for time to pass carry `due_ms`, 0 for
never.
"""

import struct
import zlib

import msgspec

from schemas.account import Account, Row
from schemas.call import Call
from schemas.plan import AnyPlan

FORMAT = 1
_HEAD = struct.Struct("<BIQ")
_CHECKED_FROM = 5  # the checksum covers everything behind itself

CLOCK_KEY = "*"


class CorruptRowError(Exception):
    """A row cannot be trusted. The worker must not start: it would charge from a wrong balance."""


class Clock(Row, frozen=True, array_like=True):
    """The greatest tick seen by a partition (rule G2)."""

    now_ms: int


class SeenInput(Row, frozen=True, array_like=True):
    """An input id that took effect (rule P7); those of a call's start and first end are in the call's row."""

    due_ms: int


class SeenGrant(Row, frozen=True, array_like=True):
    """A grant id, remembered for ever (rule P17)."""

    amount_micros: int


class Purchase(Row, frozen=True, array_like=True):
    """Credits bought, by hand or by a refill: remembered for ever (rule P17). `status` is requested, succeeded or
    declined.

    When it succeeded its lot lies on the line of all credits from `lot_start_micros` on (see agents/wallet/lots.py);
    `refunds` counts the refunds asked for, declined ones included.
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
    """A card charge or refund asked of the payment provider. `purpose` is the contract's; `status` as for a
    purchase.
    """

    purpose: str
    reference: str
    amount_micros: int
    status: str = "requested"
    due_ms: int = 0
    payment_method_id: str = ""


class FeeLine(Row, frozen=True, array_like=True):
    """A line for the invoice of the period that holds `at_ms`: a term's fee, or one side of a proration (rules M6 and
    M7).
    """

    kind: str
    description: str
    amount_micros: int
    at_ms: int


class PhoneNumber(Row, frozen=True, array_like=True):
    """A number with a monthly fee (rule M13). One that was removed is kept until its last invoice."""

    number: str
    monthly_fee_micros: int
    added_at_ms: int
    removed_at_ms: int | None = None


class Billing(Row, frozen=True, array_like=True):
    """What an account is billed for besides its calls. Money in micros.

    `lines` are to be invoiced and `bills` name what was asked of the card for them, or is to be. `overages` and
    `invoices` count those there were, `fees` the bills; invoices below `open_from` are paid. Overage on the card: what
    was paid or given back is `card_settled_micros`, what invoices carried `card_invoiced_micros`; `overage_wanted`
    when it was to be asked for and there was no card. `credit_micros` is a negative rest of earlier invoices.
    `plan_before` is the plan of a period that is over and waits for its tick, when the account has changed since.
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
    """An amount that the default card is asked for until it pays (rules M6, P11 and P12). Gone once it is paid.

    `attempts` counts the payments asked for, `declines` those of them declined since a card came. `invoice` is the
    number of the invoice that carries it, 0 before that is issued: that of the period that holds `at_ms`. `due_ms` is
    when a declined one is asked for again.
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
    """An invoice that is not paid. Gone once it is (rule P12).

    It is paid when its bills are (`bills_micros` is what is open of them) and when the card has settled all overage up
    to its end, `card_mark_micros` of all that the account ever had.
    """

    bills_micros: int
    card_mark_micros: int


class Terms(Row, frozen=True, array_like=True):
    """A plan as it stood in one version of the catalogue, kept so that calls already started are charged by it (rule
    G9).
    """

    plan: AnyPlan


AnyRow = Account | Call | Clock | SeenInput | SeenGrant | Purchase | Payment | Billing | Bill | Invoice | Terms

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
_decoders = {kind: msgspec.msgpack.Decoder(kind) for kind in {*_KINDS.values(), Clock, Terms}}


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
    """The key of a bill such as `invoice/12`, in digits enough that keys sort by number: so do bills due at once."""
    purpose, _, number = bill.partition("/")
    return f"{account_id}/b/{purpose}/{number:0>9}"


def bill_of(key: str) -> str:
    """The bill's name, from its key."""
    purpose, _, number = key.split("/", 2)[2].partition("/")
    return f"{purpose}/{int(number)}"


def invoice_key(account_id: str, number: int) -> str:
    return f"{account_id}/n/{number}"


def terms_key(plan: str, version: int) -> str:
    return f"*/{plan}/{version}"


def row_type(key: str) -> type[Row]:
    """The type of the row under `key`."""
    account_id, _, rest = key.partition("/")
    if account_id == CLOCK_KEY:
        return Terms if rest else Clock
    kind = _KINDS.get(rest[:1])
    if kind is None or (rest and rest[1:2] != "/"):
        raise CorruptRowError(f"row {key!r}: no kind of row has such a key")
    return kind


def due_of(row: Row | None) -> int:
    """When time passing next does something to the row, 0 for never."""
    return getattr(row, "due_ms", 0)


def encode_row(key: str, row: Row, previous: bytes | None) -> bytes:
    """The bytes of `row`, following `previous` under the same key."""
    sequence = 1 if previous is None else sequence_of(previous) + 1
    body = _encoder.encode(row)
    checksum = zlib.crc32(body, zlib.crc32(sequence.to_bytes(8, "little"), zlib.crc32(key.encode())))
    return _HEAD.pack(FORMAT, checksum, sequence) + body


def decode_row(key: str, value: bytes) -> Row:
    """The row in `value`, checked before it entered the table. Raises CorruptRowError when the body is of another
    shape.
    """
    try:
        return _decoders[row_type(key)].decode(memoryview(value)[_HEAD.size :])  # type: ignore[no-any-return]  # the decoder of that row's type
    except msgspec.MsgspecError as error:
        raise CorruptRowError(f"row {key!r}: {error}") from None


def sequence_of(value: bytes) -> int:
    """How often the row was written, this time included."""
    return int.from_bytes(value[_CHECKED_FROM : _HEAD.size], "little")


def check_row(key: bytes, value: bytes, previous: bytes | None) -> None:
    """Refuse a row that a restore must not trust. Raises CorruptRowError naming the row and what is wrong with it.

    Wrong are an unknown format version, a checksum that does not hold, and a sequence that does not grow.
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

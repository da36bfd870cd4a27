"""One payment as the adapter knows it: the row that is committed before the provider is asked, and with each answer.

Pure: a row and what was learned give the next row. A row's bytes are a format version, a checksum over key and body,
and the body as JSON; `sequence` grows with each write, so that a restore can trust what it reads.
"""

import struct
import zlib
from typing import Literal

import msgspec
from msgspec.structs import replace

from payments.request import PaymentRequest
from schemas.instant import DAY_MS, HOUR_MS, SECOND_MS
from schemas.rows import CorruptRowError

FORMAT = 1
_HEAD = struct.Struct("<BI")

# A request may come again for as long as its topic keeps it (35 days), a refund may be asked for 30 days after the
# payment and needs its reference; after both a row is forgotten.
REMEMBERED_MS = 70 * DAY_MS

# An outcome that is unknown is asked for soon, one that is pending when there is a chance that it is no longer.
UNKNOWN_FIRST_MS, UNKNOWN_LAST_MS = SECOND_MS, 5 * 60 * SECOND_MS
PENDING_FIRST_MS, PENDING_LAST_MS = 5 * SECOND_MS, HOUR_MS
_DOUBLINGS_MAX = 20  # Beyond it the last pause is reached whatever the first one was.


class Payment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Money in micros. `requested_at` is the request's `occurred_at`, `asked_from_ms` when the request reached Kafka:
    the provider cannot have heard of the payment before.

    `due_ms` is when an open payment is asked for (again), and when an answered one is forgotten. `reference` is the
    provider's id, `answered_at_ms` its time. An answered payment keeps no token.
    """

    payment_id: str
    account_id: str
    purpose: str
    amount_micros: int
    currency: str
    token: str = ""
    refund_of: str | None = None
    requested_at: str
    asked_from_ms: int
    due_ms: int
    sequence: int = 1
    attempts: int = 0
    status: Literal["open", "succeeded", "declined"] = "open"
    reference: str | None = None
    answered_at_ms: int = 0
    reason: str | None = None
    retryable: bool = False

    @property
    def is_open(self) -> bool:
        return self.status == "open"


_decoder = msgspec.json.Decoder(Payment)


def open_payment(request: PaymentRequest, asked_from_ms: int, now_ms: int) -> Payment:
    """The row of a payment that has just been asked for: due at once."""
    return Payment(
        payment_id=request.payment_id,
        account_id=request.account_id,
        purpose=request.purpose,
        amount_micros=request.amount_micros,
        currency=request.currency,
        token=request.token,
        refund_of=request.refund_of,
        requested_at=request.occurred_at,
        asked_from_ms=asked_from_ms,
        due_ms=now_ms,
    )


def same_request(payment: Payment, request: PaymentRequest) -> bool:
    """Whether a request seen again asks for what it asked for before."""
    known = (payment.account_id, payment.purpose, payment.amount_micros, payment.currency, payment.refund_of)
    return known == (
        request.account_id,
        request.purpose,
        request.amount_micros,
        request.currency,
        request.refund_of,
    )


def wait_for_it(payment: Payment, reference: str | None, look_at_ms: int | None, now_ms: int) -> Payment:
    """Pending: looked at again at `look_at_ms`, or ever less often."""
    pause_ms = _pause_ms(payment.attempts, PENDING_FIRST_MS, PENDING_LAST_MS)
    due_ms = now_ms + pause_ms if look_at_ms is None else look_at_ms
    return _next(payment, attempts=payment.attempts + 1, due_ms=due_ms, reference=reference or payment.reference)


def ask_again(payment: Payment, now_ms: int) -> Payment:
    """Unknown: asked again soon, under the same id."""
    pause_ms = _pause_ms(payment.attempts, UNKNOWN_FIRST_MS, UNKNOWN_LAST_MS)
    return _next(payment, attempts=payment.attempts + 1, due_ms=now_ms + pause_ms)


def wake(payment: Payment, now_ms: int) -> Payment:
    """Somebody says that there is news."""
    return _next(payment, due_ms=now_ms)


def succeed(payment: Payment, reference: str, at_ms: int, now_ms: int) -> Payment:
    """Answered: the money has moved."""
    return _answered(payment, now_ms, status="succeeded", reference=reference, answered_at_ms=at_ms)


def decline(
    payment: Payment, reason: str, reference: str | None, at_ms: int, now_ms: int, *, retryable: bool
) -> Payment:
    """Answered: it has not."""
    return _answered(
        payment,
        now_ms,
        status="declined",
        reference=reference or payment.reference,
        answered_at_ms=at_ms,
        reason=reason,
        retryable=retryable,
    )


def _answered(payment: Payment, now_ms: int, **changes: object) -> Payment:
    assert payment.is_open, f"{payment.payment_id!r} has its answer"
    return _next(payment, token="", attempts=payment.attempts + 1, due_ms=now_ms + REMEMBERED_MS, **changes)


def _next(payment: Payment, **changes: object) -> Payment:
    return replace(payment, sequence=payment.sequence + 1, **changes)


def _pause_ms(attempts: int, first_ms: int, last_ms: int) -> int:
    return min(last_ms, first_ms << min(attempts, _DOUBLINGS_MAX))


def encode_row(payment: Payment) -> bytes:
    body = msgspec.json.encode(payment)
    return _HEAD.pack(FORMAT, zlib.crc32(payment.payment_id.encode() + body)) + body


def decode_row(key: bytes, value: bytes, previous: Payment | None) -> Payment:
    """Raises CorruptRowError: a row that cannot be trusted could charge a card again."""
    if len(value) < _HEAD.size:
        raise CorruptRowError("too short")
    version, checksum = _HEAD.unpack_from(value)
    if version != FORMAT:
        raise CorruptRowError(f"format {version}, expected {FORMAT}")
    body = value[_HEAD.size :]
    if checksum != zlib.crc32(key + body):
        raise CorruptRowError("wrong checksum")
    try:
        payment = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise CorruptRowError(str(error)) from error
    if payment.payment_id.encode() != key:
        raise CorruptRowError("the key is another payment's")
    if previous is not None and payment.sequence <= previous.sequence:
        raise CorruptRowError(f"sequence {payment.sequence} follows {previous.sequence}")
    return payment

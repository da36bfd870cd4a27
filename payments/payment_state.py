"""The adapter's row of one payment, committed before each provider request and again with each outcome.

Pure: a row and an outcome give the next row. A row's bytes are a format version, a checksum over key and body, and the
body as JSON. `sequence` grows with each write, so a restore detects a row that is out of order.
"""

import struct
import zlib
from typing import Literal

import msgspec
from msgspec.structs import replace

from payments.request import PaymentRequest
from payments.reversal import Looked, Reversal
from schemas.instant import DAY_MS, HOUR_MS, SECOND_MS
from schemas.rows import CorruptRowError

FORMAT = 1
_HEAD = struct.Struct("<BI")

# How long the row of a declined payment is kept: a request can be redelivered for as long as its topic keeps it (35
# days). A payment that succeeded is kept for as long as the wallet accepts its reversals (rule P7).
REMEMBERED_MS = 70 * DAY_MS
REVERSIBLE_MS = 600 * DAY_MS

# Pauses before the next attempt, doubled each time: short after an unknown outcome, longer while a payment is pending.
UNKNOWN_FIRST_MS, UNKNOWN_LAST_MS = SECOND_MS, 5 * 60 * SECOND_MS
PENDING_FIRST_MS, PENDING_LAST_MS = 5 * SECOND_MS, HOUR_MS
# The first pause between two looks at a payment whose money has moved again; the provider sets the longest.
LOOK_FIRST_MS = HOUR_MS
_DOUBLINGS_MAX = 20  # By then both pauses have reached their maximum.


class PaymentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Money in micros. `requested_at` is the request's `occurred_at`; `received_at_ms` is when the request reached
    Kafka: the provider cannot know the payment from before that time.

    `due_ms` is when an open payment is executed (again), and when an answered one may be forgotten. `reference` is the
    provider's id, `answered_at_ms` its time. An answered payment keeps no token.

    `look_at_ms` is when the provider is asked whether the payment's money has moved again, 0 for no such look; `looks`
    counts looks since the last sign of a change. `reversals` are those that were sent. `refusals` counts the requests
    that the provider has executed and refused: the next one needs another idempotency key.
    """

    payment_id: str
    account_id: str
    purpose: str
    amount_micros: int
    currency: str
    token: str = ""
    refund_of: str | None = None
    requested_at: str
    received_at_ms: int = msgspec.field(name="asked_from_ms")  # The name in rows already written.
    due_ms: int
    sequence: int = 1
    attempts: int = 0
    status: Literal["open", "succeeded", "declined"] = "open"
    reference: str | None = None
    answered_at_ms: int = 0
    reason: str | None = None
    retryable: bool = False
    look_at_ms: int = 0
    looks: int = 0
    reversals: tuple[Reversal, ...] = ()
    refusals: int = 0

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    @property
    def can_be_reversed(self) -> bool:
        """Whether its money may have moved. A declined refund moved none, and the wallet has taken it back."""
        return self.status == "succeeded" or (self.status == "declined" and self.purpose != "refund")

    @property
    def kept_until_ms(self) -> int:
        """When an answered payment is forgotten. Rows of earlier versions have a `due_ms` of 70 days."""
        if self.status == "succeeded":
            return max(self.due_ms, self.answered_at_ms + REVERSIBLE_MS)
        return self.due_ms

    @property
    def next_ms(self) -> int:
        """When there is something to do for this payment: execute it, look at it, or forget it."""
        if self.is_open:
            return self.due_ms
        return min(self.look_at_ms or self.kept_until_ms, self.kept_until_ms)


_decoder = msgspec.json.Decoder(PaymentState)


def open_payment(request: PaymentRequest, received_at_ms: int, now_ms: int) -> PaymentState:
    """The row of a new request, due immediately."""
    return PaymentState(
        payment_id=request.payment_id,
        account_id=request.account_id,
        purpose=request.purpose,
        amount_micros=request.amount_micros,
        currency=request.currency,
        token=request.token,
        refund_of=request.refund_of,
        requested_at=request.occurred_at,
        received_at_ms=received_at_ms,
        due_ms=now_ms,
    )


def matches_request(payment: PaymentState, request: PaymentRequest) -> bool:
    """Whether a redelivered request is the one that opened the payment."""
    known = (payment.account_id, payment.purpose, payment.amount_micros, payment.currency, payment.refund_of)
    return known == (
        request.account_id,
        request.purpose,
        request.amount_micros,
        request.currency,
        request.refund_of,
    )


def mark_pending(payment: PaymentState, reference: str | None, check_at_ms: int | None, now_ms: int) -> PaymentState:
    """Due again at `check_at_ms`; without it, after a pause that doubles each time."""
    pause_ms = _pause_ms(payment.attempts, PENDING_FIRST_MS, PENDING_LAST_MS)
    due_ms = now_ms + pause_ms if check_at_ms is None else check_at_ms
    return _next(payment, attempts=payment.attempts + 1, due_ms=due_ms, reference=reference or payment.reference)


def mark_unknown(payment: PaymentState, now_ms: int, *, spent: bool = False) -> PaymentState:
    """Due again soon, under the same payment id. `spent`: the request's idempotency key is of no more use."""
    pause_ms = _pause_ms(payment.attempts, UNKNOWN_FIRST_MS, UNKNOWN_LAST_MS)
    refusals = payment.refusals + spent
    return _next(payment, attempts=payment.attempts + 1, due_ms=now_ms + pause_ms, refusals=refusals)


def make_due(payment: PaymentState, now_ms: int) -> PaymentState:
    """Due immediately: the provider has signalled a change."""
    return _next(payment, due_ms=now_ms)


def mark_succeeded(payment: PaymentState, reference: str, at_ms: int, now_ms: int) -> PaymentState:
    """Answered: the money has moved. A refund may fail for weeks after it succeeded, so it is looked at again."""
    look_at_ms = now_ms + LOOK_FIRST_MS if payment.purpose == "refund" else payment.look_at_ms
    due_ms = now_ms + REVERSIBLE_MS
    changes = {"status": "succeeded", "reference": reference, "answered_at_ms": at_ms, "look_at_ms": look_at_ms}
    return _answered(payment, due_ms=due_ms, **changes)


def mark_declined(
    payment: PaymentState, reason: str, reference: str | None, at_ms: int, now_ms: int, *, retryable: bool
) -> PaymentState:
    """Answered: the money has not moved."""
    return _answered(
        payment,
        due_ms=now_ms + REMEMBERED_MS,
        status="declined",
        reference=reference or payment.reference,
        answered_at_ms=at_ms,
        reason=reason,
        retryable=retryable,
    )


def mark_look_due(payment: PaymentState, now_ms: int) -> PaymentState:
    """To be looked at immediately; an open payment as soon as it is answered."""
    return _next(payment, look_at_ms=now_ms, looks=0)


def mark_looked(payment: PaymentState, looked: Looked, now_ms: int) -> tuple[PaymentState, list[Reversal]]:
    """The next row, which holds all reversals found, and those of them that were not sent before."""
    sent = {reversal.name for reversal in payment.reversals}
    new = [reversal for reversal in looked.reversals if reversal.name not in sent]
    looks = 0 if new else payment.looks
    again_ms = looked.again_within_ms
    look_at_ms = 0 if again_ms is None else now_ms + _pause_ms(looks, LOOK_FIRST_MS, again_ms)
    return _next(payment, look_at_ms=look_at_ms, looks=looks + 1, reversals=(*payment.reversals, *new)), new


def mark_look_failed(payment: PaymentState, now_ms: int) -> PaymentState:
    """To be looked at again soon: the provider did not respond."""
    pause_ms = _pause_ms(payment.looks, UNKNOWN_FIRST_MS, UNKNOWN_LAST_MS)
    return _next(payment, look_at_ms=now_ms + pause_ms, looks=payment.looks + 1)


def _answered(payment: PaymentState, **changes: object) -> PaymentState:
    assert payment.is_open, f"{payment.payment_id!r} has its answer"
    return _next(payment, token="", attempts=payment.attempts + 1, **changes)


def _next(payment: PaymentState, **changes: object) -> PaymentState:
    return replace(payment, sequence=payment.sequence + 1, **changes)


def _pause_ms(attempts: int, first_ms: int, last_ms: int) -> int:
    return min(last_ms, first_ms << min(attempts, _DOUBLINGS_MAX))


def encode_row(payment: PaymentState) -> bytes:
    return add_checksum(payment.payment_id.encode(), msgspec.json.encode(payment))


def add_checksum(key: bytes, body: bytes) -> bytes:
    """The value of a row: format version, checksum over key and body, body."""
    return _HEAD.pack(FORMAT, zlib.crc32(key + body)) + body


def checked_body(key: bytes, value: bytes) -> bytes:
    """Raises CorruptRowError."""
    if len(value) < _HEAD.size:
        raise CorruptRowError("too short")
    version, checksum = _HEAD.unpack_from(value)
    if version != FORMAT:
        raise CorruptRowError(f"format {version}, expected {FORMAT}")
    body = value[_HEAD.size :]
    if checksum != zlib.crc32(key + body):
        raise CorruptRowError("wrong checksum")
    return body


def decode_row(key: bytes, value: bytes, previous: PaymentState | None) -> PaymentState:
    """Raises CorruptRowError: trusting a damaged row could charge a card twice."""
    try:
        payment = _decoder.decode(checked_body(key, value))
    except msgspec.MsgspecError as error:
        reason = "its fields are not those of this version, a later version may have written it"
        raise CorruptRowError(f"{reason}: {error}") from error
    if payment.payment_id.encode() != key:
        raise CorruptRowError("the key is another payment's")
    if previous is not None and payment.sequence <= previous.sequence:
        raise CorruptRowError(f"sequence {payment.sequence} follows {previous.sequence}")
    return payment

"""What the adapter reports to the wallet about a payment, as signed inputs: its answer, and later its reversals.

The same payment and outcome, or reversal, always give the same bytes.
"""

import hashlib

import msgspec

from agents.wallet.signature import HEADER, sign
from payments.payment_state import PaymentState
from payments.reversal import Reversal
from schemas.instant import MINUTE_MS, format_instant, parse_instant

Headers = list[tuple[str, bytes]]

# With TOLLGATE_CLOCK=simulation the clock stands still while nothing ticks, and the worker refuses an input more than
# five minutes ahead of it as `future_time`: paid money would be missing. So a late answer is dated at most one minute
# after its request, and so is a reversal while ticks alone are the time. Decision 0022.
AHEAD_MAX_MS = MINUTE_MS


def answer_id(payment_id: str) -> str:
    """The input's id: a hash, because a payment id may be longer than an input id and may contain a slash."""
    return f"pay:{_hash(payment_id)}"


def reversal_id(payment_id: str, reversal: Reversal) -> str:
    """One id for each movement at the provider, however often it is found."""
    return f"rev:{_hash(msgspec.json.encode((payment_id, reversal.kind, reversal.reference)).decode())}"


def encode_answer(payment: PaymentState) -> bytes:
    """`payment-succeeded` or `payment-declined` for an answered payment, as flat JSON."""
    assert not payment.is_open, f"{payment.payment_id!r} has no answer yet"
    value: dict[str, object] = {
        "type": f"payment-{payment.status}",
        "id": answer_id(payment.payment_id),
        "account_id": payment.account_id,
        "occurred_at": format_instant(min(payment.answered_at_ms, _latest_ms(payment))),
        "payment_id": payment.payment_id,
    }
    if payment.status == "succeeded":
        value["provider_reference"] = payment.reference
    else:
        value |= {"reason": payment.reason, "retryable": payment.retryable}
    return msgspec.json.encode(value)


def encode_reversal(payment: PaymentState, reversal: Reversal, *, by_ticks: bool) -> bytes:
    """`payment-reversed`, as flat JSON. `by_ticks`: ticks alone are the time. Never before the payment's answer."""
    assert not payment.is_open, f"{payment.payment_id!r} has no answer yet"
    at_ms = max(reversal.at_ms, parse_instant(payment.requested_at))
    return msgspec.json.encode(
        {
            "type": "payment-reversed",
            "id": reversal_id(payment.payment_id, reversal),
            "account_id": payment.account_id,
            "occurred_at": format_instant(min(at_ms, _latest_ms(payment)) if by_ticks else at_ms),
            "payment_id": payment.payment_id,
            "amount_micros": reversal.amount_micros,
            "kind": reversal.kind,
            "provider_reference": reversal.reference,
        }
    )


def _latest_ms(payment: PaymentState) -> int:
    return parse_instant(payment.requested_at) + AHEAD_MAX_MS


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def signature_headers(value: bytes, key: bytes | None) -> Headers:
    """The answer's headers: its signature, or none without a key."""
    return [] if key is None else [(HEADER, sign(value, key))]

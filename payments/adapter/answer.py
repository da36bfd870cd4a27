"""The answer to a payment: a signed input of the wallet. The same payment and outcome always give the same bytes."""

import hashlib

import msgspec

from agents.wallet.signature import HEADER, sign
from payments.payment_state import PaymentState
from schemas.instant import MINUTE_MS, format_instant, parse_instant

Headers = list[tuple[str, bytes]]

# With TOLLGATE_TIME=ticks the clock stands still while nothing ticks, and the worker refuses an answer more than five
# minutes ahead of it as `future_time`: paid money would be missing. So a late answer is dated at most one minute after
# its request. Decision 0022.
AHEAD_MAX_MS = MINUTE_MS


def answer_id(payment_id: str) -> str:
    """The input's id: a hash, because a payment id may be longer than an input id and may contain a slash."""
    return f"pay:{hashlib.blake2b(payment_id.encode(), digest_size=12).hexdigest()}"


def encode_answer(payment: PaymentState) -> bytes:
    """`payment-succeeded` or `payment-declined` for an answered payment, as flat JSON."""
    assert not payment.is_open, f"{payment.payment_id!r} has no answer yet"
    latest_ms = parse_instant(payment.requested_at) + AHEAD_MAX_MS
    value: dict[str, object] = {
        "type": f"payment-{payment.status}",
        "id": answer_id(payment.payment_id),
        "account_id": payment.account_id,
        "occurred_at": format_instant(min(payment.answered_at_ms, latest_ms)),
        "payment_id": payment.payment_id,
    }
    if payment.status == "succeeded":
        value["provider_reference"] = payment.reference
    else:
        value |= {"reason": payment.reason, "retryable": payment.retryable}
    return msgspec.json.encode(value)


def signature_headers(value: bytes, key: bytes | None) -> Headers:
    """The answer's headers: its signature, or none without a key."""
    return [] if key is None else [(HEADER, sign(value, key))]

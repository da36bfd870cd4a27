"""The answer to a payment: an input of the wallet, signed. The same payment and outcome give the same bytes."""

import hashlib

import msgspec

from agents.wallet.signature import HEADER, sign
from payments.payment import Payment
from schemas.instant import MINUTE_MS, format_instant, parse_instant

Headers = list[tuple[str, bytes]]

# The engine's clock is its own ticks and stands still while no worker runs. An answer more than five minutes ahead of
# it is refused as `future_time`, and money that was paid would be missing: a late answer keeps near its request.
AHEAD_MAX_MS = MINUTE_MS


def answer_id(payment_id: str) -> str:
    """The input's id. A payment id may hold what the id of an input may not (a slash), and be longer."""
    return f"pay:{hashlib.blake2b(payment_id.encode(), digest_size=12).hexdigest()}"


def answer_bytes(payment: Payment) -> bytes:
    """`payment-succeeded` or `payment-declined` of an answered payment, as flat JSON."""
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


def signed(value: bytes, key: bytes | None) -> Headers:
    """The answer's headers: the signature when a key is in use, none otherwise."""
    return [] if key is None else [(HEADER, sign(value, key))]

"""The answer to a payment: an input of the wallet, signed. The same payment and outcome give the same bytes."""

import hashlib

import msgspec

from agents.wallet.signature import HEADER, sign
from payments.payment import Payment
from schemas.instant import format_instant

Headers = list[tuple[str, bytes]]


def answer_id(payment_id: str) -> str:
    """The input's id. A payment id may hold what the id of an input may not (a slash), and be longer."""
    return f"pay:{hashlib.blake2b(payment_id.encode(), digest_size=12).hexdigest()}"


def answer_bytes(payment: Payment) -> bytes:
    """`payment-succeeded` or `payment-declined` of an answered payment, as flat JSON."""
    assert not payment.is_open, f"{payment.payment_id!r} has no answer yet"
    value: dict[str, object] = {
        "type": f"payment-{payment.status}",
        "id": answer_id(payment.payment_id),
        "account_id": payment.account_id,
        "occurred_at": format_instant(payment.answered_at_ms),
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

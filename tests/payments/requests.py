"""Payment requests as the worker writes them, and the rows that they open."""

from collections.abc import Sequence
from dataclasses import dataclass

from payments.payment_state import PaymentState, open_payment
from payments.request import read_request
from schemas.facts import PaymentRequested, encode_fact
from schemas.instant import parse_instant
from schemas.partitioning import partition_of

PARTITIONS = 2
REQUESTED_AT = "2026-01-31T10:00:00.250Z"
REQUESTED_MS = int(parse_instant(REQUESTED_AT))
TOKEN = "cus_1/pm_card_visa"


def request(payment_id: str, account_id: str = "a-1", **changed: object) -> bytes:
    """One `payment-requested`, $20.00 by default."""
    fields: dict[str, object] = {
        "id": f"{payment_id}/payment",
        "account_id": account_id,
        "occurred_at": REQUESTED_AT,
        "caused_by": "in-1",
        "payment_id": payment_id,
        "purpose": "purchase",
        "amount_micros": 20_000_000,
        "currency": "USD",
        "payment_method_id": "pm-1",
        "token": TOKEN,
        **changed,
    }
    return encode_fact(PaymentRequested(**fields))  # type: ignore[arg-type]  # a table of fields


def refund(payment_id: str, refund_of: str, account_id: str = "a-1", **changed: object) -> bytes:
    return request(payment_id, account_id, purpose="refund", refund_of=refund_of, **changed)


def opened(value: bytes, now_ms: int = REQUESTED_MS) -> PaymentState:
    """The row of a request that reached Kafka at `now_ms`."""
    account = value.split(b'"account_id":"')[1].split(b'"')[0]
    return open_payment(read_request(account, value, partition_of(account, 8), 8), now_ms, now_ms)


@dataclass(frozen=True)
class Record:
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    topic: str = "payment-requests"
    partition: int = 0
    offset: int = 0
    timestamp: int = REQUESTED_MS
    timestamp_type: int | None = 0

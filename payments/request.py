"""`payment-requested` as the adapter reads it. One unreadable request does not hold up the others."""

import re
from typing import Annotated, Literal

import msgspec

from schemas.inputs import Amount, Currency, Id, Reference
from schemas.instant import parse_instant
from schemas.partitioning import partition_of

PAYMENT_ID_MAX = 500  # The limit of Stripe's metadata; the engine's own ids have at most half of it.
PaymentId = Annotated[str, msgspec.Meta(min_length=1, max_length=PAYMENT_ID_MAX)]


class PaymentName(msgspec.Struct, frozen=True):
    """The metadata by which an object at the provider names its payment."""

    payment_id: PaymentId
    account_id: Id


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="payment-requested"):
    """A card charge, or a refund of `refund_of`. `payment_id` is the idempotency key; money in micros."""

    payment_id: PaymentId
    account_id: Id
    occurred_at: str
    purpose: Literal["refill", "purchase", "overage", "subscription", "refund", "invoice"]
    amount_micros: Amount
    currency: Currency
    token: Annotated[str, msgspec.Meta(max_length=512)]
    refund_of: Reference | None = None


class UnreadableRequestError(Exception):
    """A record of `payment-requests` that is no valid request. The message gives the reason and no content."""


_decoder = msgspec.json.Decoder(PaymentRequest)
# The decoder quotes a wrong word of an enum, which may be anybody's address or token. It puts fields in backquotes.
_QUOTED = re.compile(r"['\"].*['\"]", re.DOTALL)


def read_request(key: bytes | None, value: bytes | None, partition: int, partitions: int) -> PaymentRequest:
    """Raises UnreadableRequestError."""
    if value is None:
        raise UnreadableRequestError("the record has no value")
    try:
        request = _decoder.decode(value)
        parse_instant(request.occurred_at)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableRequestError(_QUOTED.sub("'…'", str(error))[:200]) from error
    account = request.account_id.encode()
    if key != account:
        raise UnreadableRequestError("the key is not the account")
    if partition_of(account, partitions) != partition:
        # The answer would have to go to a partition that another writer owns.
        raise UnreadableRequestError("the account belongs to another partition")
    if (request.purpose == "refund") != (request.refund_of is not None):
        raise UnreadableRequestError("`refund_of` is required for a refund and allowed for nothing else")
    return request

"""Records of the wire contract as an external producer writes them."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from schemas.batch import Headers
from schemas.instant import format_instant

INPUT_TOPIC = "account-events"


class Timed(NamedTuple):
    """One record and the virtual time (`at_ms`, epoch) at which it reaches the log, perhaps long after it occurred.

    `kind` is the input's type, `repeat` or `malformed`. `dead_letter` is the code that the record must get, None for a
    record that must be accepted or recognised. `partition` overrides the partition of the key.
    """

    at_ms: int
    kind: str
    key: bytes
    value: bytes
    headers: Headers = ()
    partition: int | None = None
    dead_letter: str | None = None


def encode(kind: str, input_id: str, account_id: str, occurred_ms: int, fields: Mapping[str, object]) -> bytes:
    """One input as flat JSON."""
    occurred_at = format_instant(occurred_ms)
    return orjson.dumps(
        {"type": kind, "id": input_id, "account_id": account_id, "occurred_at": occurred_at, **fields},
    )


def sign(value: bytes, key: bytes | None) -> Headers:
    """The `signature` header, which inputs that move money without a call need; none without a key."""
    if key is None:
        return ()
    return (("signature", b"v1=" + hmac.new(key, value, hashlib.sha256).hexdigest().encode()),)

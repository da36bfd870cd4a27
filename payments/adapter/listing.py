"""When a partition asks its provider which payments were disputed or refunded, and since when. Decision 0039.

The time up to which it has asked is a row of its own, so that a webhook that never came loses nothing, however long the
adapter was down.
"""

from collections.abc import Iterable

import msgspec

from payments.payment_state import PaymentState, add_checksum, checked_body
from schemas.instant import HOUR_MS, SECOND_MS
from schemas.rows import CorruptRowError

LISTED_KEY = b"*/listed"
# Each listing begins this long before the one before: Stripe may list an object later than it dates it, and its clock
# is not ours.
OVERLAP_MS = HOUR_MS
RETRY_MS = 60 * SECOND_MS


class ListedTo(msgspec.Struct, frozen=True):
    """The time up to which the provider's disputes and refunds are known to the partition."""

    at_ms: int


def encode_listed(listed: ListedTo) -> bytes:
    return add_checksum(LISTED_KEY, msgspec.json.encode(listed))


def decode_listed(value: bytes) -> ListedTo:
    """Raises CorruptRowError: a wrong time could leave disputes out."""
    try:
        return msgspec.json.decode(checked_body(LISTED_KEY, value), type=ListedTo)
    except msgspec.MsgspecError as error:
        raise CorruptRowError(str(error)) from error


class Listing:
    """The schedule of a partition's listings. Without a row the first one begins at the oldest payment."""

    def __init__(self, every_ms: int, listed: ListedTo | None, rows: Iterable[PaymentState], now_ms: int) -> None:
        self._every_ms = every_ms
        if listed is None:
            self._from_ms = min((row.received_at_ms for row in rows), default=now_ms)
            self.due_ms = now_ms
        else:
            self._from_ms = listed.at_ms
            self.due_ms = listed.at_ms + every_ms

    @property
    def since_ms(self) -> int:
        return max(0, self._from_ms - OVERLAP_MS)

    def succeeded(self, listed: ListedTo, now_ms: int) -> None:
        """`listed` is committed."""
        self._from_ms, self.due_ms = listed.at_ms, now_ms + self._every_ms

    def failed(self, now_ms: int) -> None:
        self.due_ms = now_ms + min(self._every_ms, RETRY_MS)

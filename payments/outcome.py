"""The outcomes that a payment provider can return, and the protocol that every provider implements."""

from typing import Protocol

import msgspec

from payments.payment_state import PaymentState
from payments.reversal import Listed, Looked


class Succeeded(msgspec.Struct, frozen=True):
    """The money has moved. `at_ms` is the provider's time, None if the provider returns none."""

    reference: str
    at_ms: int | None = None


class Declined(msgspec.Struct, frozen=True):
    """The money has not moved and never will under this payment id. `retryable`: a new payment may succeed later."""

    reason: str
    retryable: bool
    reference: str | None = None
    at_ms: int | None = None


class Pending(msgspec.Struct, frozen=True):
    """The provider has no result yet. `check_at_ms` is when to check again; None: after a pause that doubles."""

    reference: str | None = None
    check_at_ms: int | None = None


class Unknown(msgspec.Struct, frozen=True):
    """No response, or an inconclusive one: the money may have moved. Retried, and never treated as a decline."""

    detail: str


Outcome = Succeeded | Declined | Pending | Unknown


class ProviderAccessError(Exception):
    """The provider rejects the adapter's credentials. This is no fault of a customer, so no payment is declined."""


class Provider(Protocol):
    """Moves the money of each payment id at most once, however often the payment is executed."""

    async def execute(self, payment: PaymentState, refunded: str | None, now_ms: int) -> Outcome:
        """Make the payment, or look up its current outcome. `refunded` is the provider's reference of the payment that
        a refund returns, if known.

        Raises ProviderAccessError; every other failure is an Unknown.
        """

    async def look(self, payment: PaymentState, now_ms: int) -> Looked | Unknown:
        """Read what has happened to the money of an answered payment. `payment.reversals` are those already sent.

        Raises ProviderAccessError.
        """

    async def list_reversed(self, since_ms: int) -> Listed | Unknown:
        """The payments with a dispute or refund made since then. Raises ProviderAccessError."""

    async def close(self) -> None:
        """Close connections."""

"""The outcomes that a payment provider can return, and the protocol that every provider implements."""

from typing import Literal, Protocol

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


# Who must do something: our key or its rights, our request or our account, a code that this version does not know, our
# use of idempotency keys, our rate of requests, or the provider itself.
Why = Literal["access", "request", "code", "idempotency", "rate_limit", "provider"]


class Refused(Unknown, frozen=True):
    """A refusal that is not known to be about this card or payment, so no customer gets an alert. The request is
    retried like any unknown outcome, while operators are paged.

    `spent`: the provider has executed the request and refused it. It moved nothing, and under its idempotency key the
    provider would only repeat the refusal.
    """

    why: Why
    spent: bool = False


Outcome = Succeeded | Declined | Pending | Unknown


class ProviderAccessError(Exception):
    """The provider rejects the adapter's credentials. This is no fault of a customer, so no payment is declined."""


class Provider(Protocol):
    """Moves the money of each payment id at most once, however often the payment is executed."""

    async def execute(self, payment: PaymentState, refunded: str | None, now_ms: int) -> Outcome:
        """Make the payment, or look up its current outcome. `refunded` is the provider's reference of the payment that
        a refund returns, if known.

        Every failure is an Unknown.
        """

    async def look(self, payment: PaymentState, now_ms: int) -> Looked | Unknown:
        """Read what has happened to the money of an answered payment. `payment.reversals` are those already sent."""

    async def list_reversed(self, since_ms: int) -> Listed | Unknown:
        """The payments with a dispute or refund made since then.

        Raises ProviderAccessError, if the provider has refused the adapter's credentials since its start.
        """

    async def close(self) -> None:
        """Close connections."""

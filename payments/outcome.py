"""What a provider may say about a payment, and what is asked of a provider."""

from typing import Protocol

import msgspec

from payments.payment import Payment


class Succeeded(msgspec.Struct, frozen=True):
    """The money has moved. `at_ms` is the provider's time, None when it gives none."""

    reference: str
    at_ms: int | None = None


class Declined(msgspec.Struct, frozen=True):
    """The money has not moved and will not under this payment id. `retryable`: under another one it may, later."""

    reason: str
    retryable: bool
    reference: str | None = None
    at_ms: int | None = None


class Pending(msgspec.Struct, frozen=True):
    """The provider has the payment and does not know yet. `look_at_ms`: when it will; None leaves that to us."""

    reference: str | None = None
    look_at_ms: int | None = None


class Unknown(msgspec.Struct, frozen=True):
    """Whether the money moved is not known: no answer, or none that says. Asked again, never taken for a decline."""

    what: str


Outcome = Succeeded | Declined | Pending | Unknown


class ProviderRefusesError(Exception):
    """The provider does not let us in (a wrong key): no customer's fault, so no payment is declined for it."""


class Provider(Protocol):
    """Moves money at most once for each payment id, however often it is asked."""

    async def ask(self, payment: Payment, refunded: str | None, now_ms: int) -> Outcome:
        """Make the payment, or find out what became of it. `refunded` is the provider's reference of the payment that
        a refund gives back, when we know it.

        Raises ProviderRefusesError; every other trouble is an Unknown.
        """

    async def close(self) -> None:
        """Let go of connections."""

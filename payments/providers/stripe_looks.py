"""Reads disputes and refunds from Stripe: those of one payment, and those of all payments since a time."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import stripe
from msgspec import convert

from payments.payment_state import PaymentState
from payments.providers.stripe_objects import Refund
from payments.providers.stripe_reversals import Dispute, look_at_charge, look_at_own_refund
from payments.request import PaymentName
from payments.reversal import Listed, Looked
from schemas.instant import SECOND_MS

PAGE = 100  # Stripe's largest.
List = Callable[[Any], Awaitable[Any]]
One = TypeVar("One")


class _Named(msgspec.Struct):
    """An object that names a payment in its metadata, if it is ours."""

    metadata: dict[str, str] | None = None

    @property
    def payment_id(self) -> str | None:
        return (self.metadata or {}).get("payment_id")


class _Reversed(_Named):
    """A dispute or refund with its PaymentIntent, which an old charge does not have."""

    payment_intent: _Named | str | None = None


class StripeLooks:
    """Reads only. Raises what the SDK raises, and msgspec.ValidationError for an object of another shape."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._intents, self._refunds, self._disputes = client.v1.payment_intents, client.v1.refunds, client.v1.disputes

    async def look(self, payment: PaymentState, now_ms: int) -> Looked:
        if payment.reference is None:
            return Looked()  # Declined before Stripe made an object.
        if payment.purpose == "refund":
            found = await self._refunds.retrieve_async(payment.reference)
            return look_at_own_refund(payment, convert(found.to_dict(), Refund), now_ms)
        of_payment = {"payment_intent": payment.reference}
        disputes = [one async for one in _pages(self._disputes.list_async, of_payment, Dispute)]
        refunds = [one async for one in _pages(self._refunds.list_async, of_payment, Refund)]
        return look_at_charge(payment, disputes, refunds, now_ms)

    async def list_reversed(self, since_ms: int) -> Listed:
        """The refunds that the adapter made are left out: their rows have looks of their own."""
        since = {"created": {"gte": since_ms // SECOND_MS}, "expand": ["data.payment_intent"]}
        found: set[str] = set()
        for list_objects in (self._disputes.list_async, self._refunds.list_async):
            async for one in _pages(list_objects, since, _Reversed):
                intent = one.payment_intent
                if one.payment_id is None and isinstance(intent, _Named) and intent.payment_id is not None:
                    found.add(intent.payment_id)
        return Listed(frozenset(found))

    async def find_payment(self, intent_id: str) -> PaymentName | None:
        """The payment that a PaymentIntent was made for; None if it is not one of ours.

        One that Stripe does not have belongs to a connected account or the other mode: the event is not ours either.
        """
        try:
            intent = (await self._intents.retrieve_async(intent_id)).to_dict()
            return convert(intent.get("metadata"), PaymentName)
        except msgspec.ValidationError:
            return None
        except stripe.InvalidRequestError as error:
            if error.code != "resource_missing":
                raise
            return None


async def _pages(list_objects: List, params: dict[str, Any], kind: type[One]) -> AsyncIterator[One]:
    """All objects of a list, newest first."""
    after: dict[str, str] = {}
    while True:
        page = await list_objects({**params, "limit": PAGE, **after})
        for one in page.data:
            yield convert(one.to_dict(), kind)
        if not page.has_more or not page.data:
            return
        after = {"starting_after": page.data[-1].id}

"""The provider calls of one partition that are in flight."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import Histogram

from payments.outcome import Outcome, Provider, Unknown
from payments.payment_state import PaymentState
from payments.reversal import Listed, Looked

Response = TypeVar("Response")
# The row as it was when the provider was called, and what the provider responded.
Called = tuple[PaymentState, Outcome | Looked]


class Calls:
    """At most one call for each payment, and one listing. `slots` limits the calls of all partitions; `ended` is called
    when a call ends.
    """

    def __init__(
        self, provider: Provider, slots: asyncio.Semaphore, seconds: Histogram, ended: Callable[[], None]
    ) -> None:
        self._provider, self._slots, self._seconds, self._ended = provider, slots, seconds, ended
        self._payments: dict[str, asyncio.Task[Called]] = {}
        self._listing: asyncio.Task[tuple[int, Listed | Unknown]] | None = None

    def __len__(self) -> int:
        return len(self._payments)

    def __contains__(self, payment_id: str) -> bool:
        return payment_id in self._payments

    @property
    def listing(self) -> bool:
        return self._listing is not None

    def execute(self, payment: PaymentState, refunded: str | None, now_ms: int) -> None:
        """Execute an open payment. `refunded` is the provider's reference of the payment that a refund returns."""
        self._start(payment, self._provider.execute(payment, refunded, now_ms))

    def look(self, payment: PaymentState, now_ms: int) -> None:
        """Look whether the money of an answered payment has moved again."""
        self._start(payment, self._provider.look(payment, now_ms))

    def list_reversed(self, since_ms: int, now_ms: int) -> None:
        async def listed() -> tuple[int, Listed | Unknown]:
            return now_ms, await self._call(self._provider.list_reversed(since_ms))

        self._listing = asyncio.create_task(listed())
        self._listing.add_done_callback(lambda _: self._ended())

    def take_ended(self) -> list[Called]:
        """The payments whose calls have ended. Raises ProviderAccessError."""
        ended = [payment_id for payment_id, call in self._payments.items() if call.done()]
        return [self._payments.pop(payment_id).result() for payment_id in ended]

    def take_listed(self) -> tuple[int, Listed | Unknown] | None:
        """The listing that has ended, and when it began. Raises ProviderAccessError."""
        if self._listing is None or not self._listing.done():
            return None
        ended, self._listing = self._listing, None
        return ended.result()

    async def wait(self, timeout_s: float) -> None:
        """Wait for the calls of payments. A listing that is cut off is made again by the next owner."""
        if self._payments:
            await asyncio.wait(self._payments.values(), timeout=timeout_s)

    def cancel(self) -> None:
        for call in self._payments.values():
            call.cancel()
        if self._listing is not None:
            self._listing.cancel()

    def _start(self, payment: PaymentState, request: Awaitable[Outcome | Looked]) -> None:
        async def called() -> Called:
            return payment, await self._call(request)

        call = asyncio.create_task(called())
        call.add_done_callback(lambda _: self._ended())
        self._payments[payment.payment_id] = call

    async def _call(self, request: Awaitable[Response]) -> Response:
        async with self._slots:
            with self._seconds.time():
                return await request

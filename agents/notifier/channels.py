"""Channels of Apprise: Slack, SMS and many more, for the operator."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agents.notifier.event import Event
from agents.notifier.event_types import resolve
from agents.notifier.outcome import Delivered, Outcome, Retry
from agents.notifier.tables import Apprise, covers

ATTEMPT_S = 15.0
SENDS_MAX = 4
# What a channel shows of an event: nothing about a person but the account's id.
SHOWN = ("severity", "audience", "reason", "call_id", "invoice_id", "payment_id", "amount_micros", "currency")
_KINDS = {"critical": "failure", "warning": "warning"}


class AppriseTarget:
    """One `[[apprise]]`. The library blocks, so it runs in threads of the target's own."""

    def __init__(self, table: Apprise) -> None:
        from apprise import Apprise as Channels  # noqa: PLC0415 an optional library

        self.name, self.types = table.name, resolve(table.types)
        self._table = table
        self._channel: Any = Channels()
        self._channel.add(table.url)
        self._pool = ThreadPoolExecutor(SENDS_MAX, thread_name_prefix=f"channel {table.name}")

    def takes(self, event: Event) -> bool:
        if event.type not in self.types or not covers(self._table.accounts, event.account_id):
            return False
        return self._table.audience is None or event.fields.get("audience") == self._table.audience

    async def deliver(self, event: Event, attempt: int) -> Outcome:  # noqa: ARG002 every attempt is the same
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ATTEMPT_S):
                taken = await loop.run_in_executor(self._pool, self._send, event)
        except TimeoutError:
            return Retry(f"no answer within {ATTEMPT_S:.0f} s", timed_out=True)
        return Delivered() if taken else Retry("the channel did not take it")

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _send(self, event: Event) -> bool:
        kind = _KINDS.get(str(event.fields.get("severity")), "info")
        return bool(
            self._channel.notify(title=f"{event.type}: {event.account_id}", body=text_of(event), notify_type=kind)
        )


def text_of(event: Event) -> str:
    """A line for each field that a channel shows."""
    shown = [(name, event.fields[name]) for name in SHOWN if event.fields.get(name) is not None]
    return "\n".join(f"{name}: {value}" for name, value in [("occurred_at", event.occurred_at), *shown])

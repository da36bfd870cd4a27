"""`python -m benchmarks.plain_faust`: a small part of the product's rules, written as Faust's guide recommends.

A child process of the throughput measurement. It processes one event at a time with `table[key] = value` and
`topic.send`, at least once, with the table in memory, and has none of the worker's guarantees.
"""

import asyncio
from typing import Any

import faust

from stream import log, topics
from stream.settings import Settings

EXTRA_CALL_MICROS = 3_000_000


class CallEvent(faust.Record, validation=False):  # type: ignore[misc,call-arg]  # Faust has no types
    type: str
    account_id: str
    occurred_at: str
    call_id: str | None = None


class Charged(faust.Record):  # type: ignore[misc]  # Faust has no types
    account_id: str
    call_id: str
    amount_micros: int
    calls: int
    spent_micros: int


def build(settings: Settings) -> Any:
    """An app that counts and sums the calls of each account, and charges a call when it ends."""
    app = faust.App(
        settings.app_id,
        broker=f"kafka://{settings.bootstrap_servers}",
        store="memory://",
        topic_partitions=settings.partitions,
        web_enabled=False,
        logging_config=log.logging_config("info"),
    )
    events = app.topic(settings.topic(topics.INPUTS), key_type=str, value_type=CallEvent)
    charges = app.topic(settings.topic("charges"), key_type=str, value_type=Charged)
    totals = app.Table("totals", default=lambda: [0, 0], partitions=settings.partitions)

    @app.agent(events)  # type: ignore[untyped-decorator]  # Faust has no types
    async def charge(stream: Any) -> None:
        async for event in stream:
            if event.type != "call-ended":
                continue
            calls, spent_micros = totals[event.account_id]
            calls, spent_micros = calls + 1, spent_micros + EXTRA_CALL_MICROS
            totals[event.account_id] = [calls, spent_micros]
            charged = Charged(event.account_id, event.call_id, EXTRA_CALL_MICROS, calls, spent_micros)
            await charges.send(key=event.account_id, value=charged)

    return app


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    faust.Worker(
        build(Settings()), loop=loop, loglevel="info", logging_config=log.logging_config("info")
    ).execute_from_commandline()

"""A steady producer of events for the tests of faults, in a thread of its own."""

import asyncio
import json
import threading
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer

from agents.views.layout import CHARGES, DECISIONS, SNAPSHOTS
from schemas.partitioning import partition_of
from tests.views.events import adjusted, admitted, charged, entry, snapshot
from tests.views.stage import PARTITIONS, ViewsStage

ACCOUNTS = 30
PAUSE_S = 0.02
PER_PAUSE = 10


class Load:
    """Sends calls of thirty accounts within its context; `sent` counts events."""

    def __init__(self, stage: ViewsStage) -> None:
        self._settings = stage.settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self._settings.bootstrap_servers, linger_ms=5) as producer:
            number = 0
            while not self._stop.is_set():
                for _ in range(PER_PAUSE):
                    for topic, value in _events(number):
                        key = json.loads(value)["account_id"].encode()
                        place = partition_of(key, PARTITIONS)
                        await producer.send(self._settings.topic(topic), value, key=key, partition=place)
                        self.sent += 1
                    number += 1
                await asyncio.sleep(PAUSE_S)
            await producer.flush()


def _events(number: int) -> list[tuple[str, bytes]]:
    account, call, at_ms = f"a{number % ACCOUNTS}", f"c{number}", number * 1_000
    events = [
        (DECISIONS, admitted(account, call, at_ms)),
        (CHARGES, charged(account, call, at_ms + 500, at_ms)),
        ("ledger-entries", entry(account, number, at_ms + 500)),
        (SNAPSHOTS, snapshot(account, number)),
    ]
    return [*events, (CHARGES, adjusted(account, call, at_ms + 700, at_ms))] if number % 7 == 0 else events

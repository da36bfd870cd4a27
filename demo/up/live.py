"""A trickle of calls at the demo accounts, by the gateway's HTTP: each asks whether it may connect, talks and ends."""

import asyncio
import contextlib
import logging
import signal
import time
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp
from uuid_utils import uuid7

from demo.up.history import CREDITS, MINUTES
from schemas.instant import format_instant

logger = logging.getLogger("tollgate.live")

TALK_S = (8, 75)
RING_S = (2, 6)
ANSWERED = 0.9
FEATURES = frozenset({"live_agent", "appointment_booking"})
USED = 0.3  # The share of answered calls that use a feature that is on.
TIMEOUT_S = 15
RETRY_S = 2


@dataclass(frozen=True, slots=True)
class Live:
    """Calls arrive every `every_s` on average, until `stopping` is set; then the open ones end."""

    url: str
    key: str
    every_s: float
    rng: Random
    stopping: asyncio.Event

    async def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with (
            aiohttp.ClientSession(self.url, headers=headers, timeout=timeout) as client,
            asyncio.TaskGroup() as calls,
        ):
            while not self.stopping.is_set():
                calls.create_task(self._call(client))
                await self._pause(self.rng.expovariate(1 / self.every_s))

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when it ends."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def _call(self, client: aiohttp.ClientSession) -> None:
        """One call. One that the gateway redirects does not talk here."""
        call = {
            "account_id": self.rng.choice((CREDITS, MINUTES)),
            "call_id": f"live-{uuid7()}",
            "direction": self.rng.choices(("inbound", "web", "outbound"), (8, 1, 1))[0],
        }
        if call["direction"] == "inbound":
            call["from"] = f"+1202555{self.rng.randrange(100, 200):04}"
        started_ms = _now_ms()
        decision = await self._post(client, "/v1/calls/authorize", call)
        if decision is None or decision["decision"] != "allow":
            return
        await self._pause(self.rng.uniform(*RING_S))
        answered_ms = _now_ms() if self.rng.random() < ANSWERED else None
        if answered_ms is not None:
            await self._pause(self.rng.uniform(*TALK_S))
        await self._post(client, "/v1/events", self._end(call, decision, started_ms, answered_ms))

    def _end(
        self, call: dict[str, str], decision: dict[str, Any], started_ms: int, answered_ms: int | None
    ) -> dict[str, Any]:
        offered = FEATURES.intersection(decision["features_enabled"]) if answered_ms is not None else ()
        used = [name for name in sorted(offered) if self.rng.random() < USED]
        return {
            "type": "call-ended",
            "id": f"{call['call_id']}-ended",
            "occurred_at": format_instant(_now_ms()),
            "account_id": call["account_id"],
            "call_id": call["call_id"],
            "direction": call["direction"],
            "started_at": format_instant(started_ms),
            "answered_at": None if answered_ms is None else format_instant(answered_ms),
            "outcome": "no_answer" if answered_ms is None else "completed",
            "features": used,
        }

    async def _post(self, client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; None when the gateway refuses, or is not there before the end."""
        while True:
            try:
                async with client.post(path, json=body) as answer:
                    if answer.status < 500:
                        return await self._read(path, answer)
                    logger.warning("%s answered %s", path, answer.status)
            except (aiohttp.ClientError, TimeoutError) as error:
                logger.warning("%s: %s", path, error)
            if self.stopping.is_set():
                return None
            await self._pause(RETRY_S)

    async def _read(self, path: str, answer: aiohttp.ClientResponse) -> dict[str, Any] | None:
        if answer.status >= 400:
            logger.warning("%s refused: %s", path, await answer.text())
            return None
        read: dict[str, Any] = await answer.json()
        return read


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def run(url: str, key: str, every_s: float, seed: int) -> None:
    """Make calls until SIGTERM or Ctrl-C."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await Live(url, key, every_s, Random(seed), stopping).run()  # noqa: S311 not secret

"""A receiver of webhooks on a real socket, which answers as the test wants it."""

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

READY_WITHIN_S = 10.0


@dataclass(frozen=True)
class Arrival:
    """One request. `began_s` and `ended_s` are monotonic."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    began_s: float

    @property
    def event(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def id(self) -> str:
        return str(self.event["id"])


Answer = Callable[[Arrival], Awaitable[web.StreamResponse]]


async def accept(_: Arrival) -> web.StreamResponse:
    return web.Response(status=204)


async def fail(_: Arrival) -> web.StreamResponse:
    return web.Response(status=503)


async def hang(_: Arrival) -> web.StreamResponse:
    await asyncio.sleep(3_600)
    raise AssertionError


def status(number: int, **headers: str) -> Answer:
    async def answer(_: Arrival) -> web.StreamResponse:
        return web.Response(status=number, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


@dataclass
class Receiver:
    """Counts what arrives. `answer` may be replaced at any time, and is called in the server's loop."""

    answer: Answer = accept
    tls: ssl.SSLContext | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    port: int = 0
    at_once: int = 0
    at_once_max: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(READY_WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(READY_WITHIN_S)

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://localhost:{self.port}/hook?a=%2F"

    def run_soon(self, action: Callable[[], object]) -> None:
        """Run `action` in the server's loop."""
        self._loop.call_soon_threadsafe(action)

    def ids(self) -> list[str]:
        return [one.id for one in list(self.arrivals)]

    def counts(self) -> Counter[str]:
        return Counter(self.ids())

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._stopping = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = runner.addresses[0][1]
        started.set()
        await self._stopping.wait()
        await runner.cleanup()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        arrival = Arrival(request.raw_path, request.headers, await request.read(), time.monotonic())
        self.arrivals.append(arrival)
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            return await self.answer(arrival)
        finally:
            self.at_once -= 1

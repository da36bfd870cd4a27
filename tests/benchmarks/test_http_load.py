"""The load of HTTP requests: every request is answered and counted, late ones from the moment they were due."""

import asyncio
from collections import Counter

import pytest

from benchmarks.http_load import WARM_UP_S, run

RATE, SECONDS, SLOW_S = 100, 1.0, 0.1


async def test_an_open_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection and slow answers: the wait for the connection counts, and so does every answer that is not 200."""
    monkeypatch.setenv("BENCH_KEY", "tg_key")
    seen: Counter[str] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ")[1]
            seen[path] += 1
            assert "Authorization: Bearer tg_key\r\n" in head
            if path == "/slow":
                await asyncio.sleep(SLOW_S)
            status = b"503 Service Unavailable" if path == "/refused" else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        load = await run(port, RATE, SECONDS, 1, ["/a", "/a", "/a", "/slow", "/refused"])
        sent = int(RATE * (SECONDS + WARM_UP_S))
        assert seen == {"/a": sent * 3 // 5, "/slow": sent // 5, "/refused": sent // 5}
        assert len(load.latencies_ms) == RATE * SECONDS
        assert load.failures == {"503": RATE * SECONDS // 5}
        # Forty slow answers of 0.1 s take twice the time in which they were due.
        assert max(load.latencies_ms) > 1_000

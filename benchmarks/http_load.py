"""`python -m benchmarks.http_load PORT RATE SECONDS CONNECTIONS`: requests at a steady rate, in a process of its own.

Reads one path a line from standard input, and sends them in turn with the key in BENCH_KEY. An open loop: a request
that waits for a free connection is late from the moment it was due, so that a slow answer does not hide the next ones.
Prints one JSON object: the latencies (ms), the answers that were not 200, and how late the sender itself was.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle

WARM_UP_S = 1.0
HOST = "127.0.0.1"


@dataclass(slots=True)
class Load:
    """What was measured after the warm-up. `behind_ms` is the sender's largest delay behind its schedule."""

    latencies_ms: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    behind_ms: float = 0.0


async def run(port: int, rate: int, seconds: float, connections: int, paths: list[str]) -> Load:
    load, due = Load(), asyncio.Queue[tuple[float, bytes]]()
    head = f"Host: {HOST}\r\nAuthorization: Bearer {os.environ['BENCH_KEY']}\r\n\r\n"
    requests = cycle([f"GET {path} HTTP/1.1\r\n{head}".encode() for path in paths])
    began_s = time.perf_counter()
    measured_s = began_s + WARM_UP_S
    async with asyncio.TaskGroup() as group:
        senders = [group.create_task(_send(port, due, load, measured_s)) for _ in range(connections)]
        for number in range(int(rate * (seconds + WARM_UP_S))):
            due_s = began_s + number / rate
            wait_s = due_s - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif due_s >= measured_s:
                load.behind_ms = max(load.behind_ms, -wait_s * 1_000)
            due.put_nowait((due_s, next(requests)))
        await due.join()
        for sender in senders:
            sender.cancel()
    return load


async def _send(port: int, due: asyncio.Queue[tuple[float, bytes]], load: Load, measured_s: float) -> None:
    """Send what is due over one connection, one request after the other."""
    reader, writer = await asyncio.open_connection(HOST, port)
    while True:
        due_s, request = await due.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_length(head))
        if due_s >= measured_s:
            load.latencies_ms.append((time.perf_counter() - due_s) * 1_000)
            status = head.split(b" ", 2)[1].decode()
            if status != "200":
                load.failures[status] += 1
        due.task_done()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])


if __name__ == "__main__":
    port, rate, seconds, connections = sys.argv[1:]
    made = asyncio.run(run(int(port), int(rate), float(seconds), int(connections), sys.stdin.read().split()))
    print(json.dumps({"ms": made.latencies_ms, "failures": made.failures, "behind_ms": made.behind_ms}))

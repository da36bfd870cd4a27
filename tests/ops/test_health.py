"""`/livez` says whether the event loop of a process answers; probes ask in several ways."""

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from stream.ops import health


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def livez(loop: asyncio.AbstractEventLoop, method: str = "GET", path: str = "/livez") -> int:
    port = health.serve("127.0.0.1", 0, CollectorRegistry(), lambda: False, loop)
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_loop_that_runs_is_alive_before_it_is_ready(loop: asyncio.AbstractEventLoop) -> None:
    assert livez(loop) == 200


def test_a_loop_that_hangs_is_not_alive(loop: asyncio.AbstractEventLoop) -> None:
    release = threading.Event()
    loop.call_soon_threadsafe(release.wait)
    assert livez(loop) == 503
    release.set()
    assert livez(loop) == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("HEAD", "/livez", 200), ("HEAD", "/readyz", 503), ("GET", "/livez?from=probe", 200), ("HEAD", "/other", 404)],
)
def test_a_probe_may_ask_with_head_and_with_a_query(
    loop: asyncio.AbstractEventLoop, method: str, path: str, status: int
) -> None:
    assert livez(loop, method, path) == status

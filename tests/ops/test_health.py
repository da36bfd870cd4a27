"""`/livez` says whether the event loop of a process answers."""

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


def livez(loop: asyncio.AbstractEventLoop) -> int:
    port = health.serve("127.0.0.1", 0, CollectorRegistry(), lambda: False, loop)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=30) as answer:
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

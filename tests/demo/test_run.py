"""`python -m demo` on a real Kafka, from start to audit, leaving no processes and files behind."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from demo.cluster import administering
from stream.settings import Settings
from tests.processes import any_runs, children

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 150
PROBE_EVERY_S = 0.05
SMALL_MONTH = ("--accounts", "40", "--calls", "600", "--seconds", "6")
LONG_MONTH = ("--accounts", "40", "--calls", "600", "--seconds", "600")


class Run:
    """A demo in a process of its own, with its output in a file."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.out = folder / "out"
        settings = {name: value for name, value in os.environ.items() if name != "BROKER_URL"}
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "demo", *options],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**settings, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **environment},
            )

    @property
    def text(self) -> str:
        return self.out.read_text()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < until_s, self.text
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PROBE_EVERY_S)

    def child(self, arguments: str) -> int:
        """Wait for a child whose command line contains `arguments`; its process id."""
        found: list[psutil.Process] = []

        def started() -> bool:
            found[:] = [child for child, command in children(self.process.pid).items() if arguments in command]
            return bool(found)

        self.wait_for(started)
        return found[0].pid

    def end(self) -> int:
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(*options: str, **environment: str) -> Run:
        runs.append(Run(tmp_path, *options, **environment))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def test_a_small_month_ends_by_itself_adds_up_and_leaves_nothing(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(*SMALL_MONTH)
    run.child("demo traffic")
    started = children(run.process.pid)
    assert run.end() == 0, run.text
    assert len(started) == 7
    assert not any_runs(started)
    assert re.search(r"exactly once: \d{3} accepted calls have one charge each", run.text)
    assert re.search(r"Redis agrees with the topics for all \d+ accounts, and the gateway shows", run.text)
    assert "lowest balance: demo-a000" in run.text
    # Only EVENTS.jsonl is left, for `tollgate explain`.
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path != run.out] == ["EVENTS.jsonl"]


def test_a_month_adds_up_although_its_worker_is_killed(start: Callable[..., Run]) -> None:
    run = start("--accounts", "40", "--calls", "400", "--seconds", "20", "--kill-every", "7")
    assert run.end() == 0, run.text
    assert "was killed with SIGKILL" in run.text
    assert "exactly once: " in run.text


def test_an_existing_cluster_is_used_and_its_topics_stay_as_they_were(start: Callable[..., Run], kafka: str) -> None:
    run = start(*SMALL_MONTH, BROKER_URL=kafka)
    assert run.end() == 0, run.text
    assert "exactly once:" in run.text
    assert not [name for name in asyncio.run(topics_on(kafka)) if name.startswith("demo-")]


async def topics_on(kafka: str) -> list[str]:
    async with administering(Settings(bootstrap_servers=kafka)) as admin:
        return list(await admin.list_topics())


def test_ctrl_c_stops_everything(start: Callable[..., Run]) -> None:
    run = start(*LONG_MONTH)
    run.child("demo traffic")
    started = children(run.process.pid)
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130, run.text
    assert not any_runs(started)


def test_the_death_of_kafka_is_reported(start: Callable[..., Run]) -> None:
    run = start(*LONG_MONTH)
    run.child("demo traffic")
    started = children(run.process.pid)
    os.kill(run.child("kafka.Kafka"), signal.SIGKILL)
    assert run.end() == 1, run.text
    assert "Kafka ended by itself, killed by SIGKILL. The end of its log:" in run.text
    assert not any_runs(started)


@pytest.mark.parametrize(
    ("command", "name", "line"),
    [("stream worker", "worker", "worker starts"), ("redis-server", "Redis", "Ready to accept connections")],
)
def test_the_death_of_a_process_is_reported_with_the_end_of_its_log(
    start: Callable[..., Run], kafka: str, command: str, name: str, line: str
) -> None:
    run = start(*LONG_MONTH, BROKER_URL=kafka)
    run.child("demo traffic")
    started = children(run.process.pid)
    os.kill(run.child(command), signal.SIGKILL)
    assert run.end() == 1, run.text
    assert f"{name} ended by itself, killed by SIGKILL. The end of its log:" in run.text
    assert line in run.text
    assert not any_runs(started)


def test_a_demo_that_is_killed_takes_its_children_along(start: Callable[..., Run], kafka: str) -> None:
    run = start(*LONG_MONTH, BROKER_URL=kafka)
    run.child("demo traffic")
    started = children(run.process.pid)
    run.process.kill()
    run.process.wait()
    until_s = time.monotonic() + DEADLINE_S
    while any_runs(started):
        assert time.monotonic() < until_s, started

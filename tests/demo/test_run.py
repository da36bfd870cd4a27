"""`python -m demo` as a user runs it: on a real Kafka, to the verdict, leaving nothing behind."""

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

import pytest

from demo.cluster import administering
from stream.dev_broker import DevBroker
from stream.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 150
PROBE_EVERY_S = 0.05
SMALL_DAY = ("--accounts", "40", "--calls", "600", "--seconds", "6")
LONG_DAY = ("--accounts", "40", "--calls", "600", "--seconds", "600")


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

    def children(self) -> dict[int, str]:
        """Process id and command line of every child."""
        threads = Path(f"/proc/{self.process.pid}/task")
        pids = [pid for thread in threads.iterdir() for pid in (thread / "children").read_text().split()]
        found = {}
        for pid in pids:
            # Some live for a moment only, such as the one that formats Kafka's storage.
            with suppress(FileNotFoundError, ProcessLookupError):
                found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < until_s, self.text
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PROBE_EVERY_S)

    def child(self, words: str) -> int:
        """The process id of the child whose command line holds `words`, as soon as there is one."""
        self.wait_for(lambda: any(words in command for command in self.children().values()))
        return next(pid for pid, command in self.children().items() if words in command)

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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with DevBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


def nothing_runs(pids: dict[int, str]) -> bool:
    return not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids)


def test_a_small_day_ends_by_itself_adds_up_and_leaves_nothing(start: Callable[..., Run], tmp_path: Path) -> None:
    run = start(*SMALL_DAY)
    run.child("demo traffic")
    children = run.children()
    assert run.end() == 0, run.text
    assert len(children) == 4
    assert nothing_runs(children)
    assert re.search(r"exactly once: \d{3} accepted calls have one charge each", run.text)
    assert "lowest balance: demo-a000" in run.text
    # FACTS.jsonl is left for `python -m stream explain`, and nothing else.
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path != run.out] == ["FACTS.jsonl"]


def test_a_day_adds_up_although_its_worker_is_killed(start: Callable[..., Run]) -> None:
    run = start("--accounts", "40", "--calls", "400", "--seconds", "20", "--kill-every", "7")
    assert run.end() == 0, run.text
    assert "was killed with SIGKILL" in run.text
    assert "exactly once: " in run.text


def test_an_existing_cluster_is_used_and_its_topics_stay_as_they_were(start: Callable[..., Run], cluster: str) -> None:
    run = start(*SMALL_DAY, BROKER_URL=cluster)
    assert run.end() == 0, run.text
    assert "exactly once:" in run.text
    assert not [name for name in asyncio.run(topics_on(cluster)) if name.startswith("demo-")]


async def topics_on(cluster: str) -> list[str]:
    async with administering(Settings(bootstrap_servers=cluster)) as admin:
        return list(await admin.list_topics())


def test_ctrl_c_stops_everything(start: Callable[..., Run]) -> None:
    run = start(*LONG_DAY)
    run.child("demo traffic")
    children = run.children()
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130, run.text
    assert nothing_runs(children)


def test_the_death_of_kafka_is_reported(start: Callable[..., Run]) -> None:
    run = start(*LONG_DAY)
    run.child("demo traffic")
    children = run.children()
    os.kill(run.child("kafka.Kafka"), signal.SIGKILL)
    assert run.end() == 1, run.text
    assert "Kafka ended by itself. The end of its log:" in run.text
    assert nothing_runs(children)


def test_the_death_of_the_worker_is_reported_with_the_end_of_its_log(start: Callable[..., Run], cluster: str) -> None:
    run = start(*LONG_DAY, BROKER_URL=cluster)
    run.child("demo traffic")
    children = run.children()
    os.kill(run.child("stream worker"), signal.SIGKILL)
    assert run.end() == 1, run.text
    assert "worker ended by itself, killed by SIGKILL. The end of its log:" in run.text
    assert "worker starts" in run.text
    assert nothing_runs(children)


def test_a_demo_that_is_killed_takes_its_children_along(start: Callable[..., Run], cluster: str) -> None:
    run = start(*LONG_DAY, BROKER_URL=cluster)
    run.child("demo traffic")
    children = run.children()
    run.process.kill()
    run.process.wait()
    until_s = time.monotonic() + DEADLINE_S
    while not nothing_runs(children):
        assert time.monotonic() < until_s, children

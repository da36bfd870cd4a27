"""Shared by all tests: signals as in a foreground shell, and one Kafka for all processes of a run.

`pytest -n 2` runs the tests in two processes. The controlling process starts the broker, so that it outlives both.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # ships no types

from devkit.broker import START_DEADLINE_S, DevBroker, answers
from tests.order import place_of, unit_of

# A shell starts background jobs with SIGINT ignored, and children inherit that, so Ctrl-C in a test would do nothing. A
# handler is not inherited, so with one set children start with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The tests start hundreds of Python processes. Where this variable is set, as in many containers, each of them would
# compile every module that it imports, for 1.5 s of processor time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The JVM's second compiler costs a broker that lives for minutes more processor time than it saves: with the first
# alone a start takes 2.5 s of it instead of 4.3 s. Children inherit this, so it holds for the brokers of commands too.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

PORT = "tollgate_kafka_port"
ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ids of their own for all tests, and the longest files first, all others in the order of their names.

    Schemathesis names its tests by operation, but gives all of them one id: several processes would run only one.
    """
    for item in items:
        if item.parent is not None and not item.nodeid.endswith(item.name):
            item._id = item.id.parse(f"{item.parent.nodeid}::{item.name}")
    assert len({item.nodeid for item in items}) == len(items), "two tests have the same id: only one of them would run"
    items.sort(key=lambda item: place_of(item.path.relative_to(ROOT).as_posix()))


class ByUnit(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each unit of tests to one process, whole."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByUnit | None:
    return ByUnit(config, log) if config.getvalue("dist") == "loadfile" else None


@dataclass(frozen=True)
class RunBroker:
    """The broker of a run in several processes. It starts during collection; tests that need it wait until it
    answers.
    """

    directory: Path
    broker: DevBroker
    starting: threading.Thread

    @classmethod
    def begin(cls) -> "RunBroker":
        directory = Path(tempfile.mkdtemp(prefix="tollgate-tests-"))
        broker = DevBroker(directory / "kafka")
        starting = threading.Thread(target=broker.start, name="start of the run's broker")
        starting.start()
        return cls(directory, broker, starting)

    def end(self) -> None:
        self.starting.join()
        self.broker.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


OF_THE_RUN = pytest.StashKey[RunBroker]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controlling process, for each test process: pass it the port of the run's broker."""
    stash = node.config.stash
    if OF_THE_RUN not in stash:
        stash[OF_THE_RUN] = RunBroker.begin()
    node.workerinput[PORT] = stash[OF_THE_RUN].broker.port


def pytest_unconfigure(config: pytest.Config) -> None:
    if OF_THE_RUN in config.stash:
        config.stash[OF_THE_RUN].end()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of the shared broker. No test may stop it, and each test must use its own names."""
    port = getattr(request.config, "workerinput", {}).get(PORT)
    if port is None:
        with DevBroker(tmp_path_factory.mktemp("kafka")) as running:
            yield running.bootstrap
        return
    deadline = time.monotonic() + 2 * START_DEADLINE_S
    while not answers(port):
        assert time.monotonic() < deadline, "the run's broker does not answer"
        time.sleep(0.2)
    yield f"127.0.0.1:{port}"

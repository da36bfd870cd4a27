"""Worker, adapter, views and tools with exactly their rights, over TLS; what happens when a right is taken away.

Takes about a minute on an idle machine: it starts twenty processes.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from agents.views import rights as views_rights
from devkit.redis import DevRedis
from gateway.all_rights import ALL
from payments.adapter import rights as adapter_rights
from stream import access, rights
from stream.fail_stop import Exit
from stream.rights import Kind, Operation, Right
from tests.lane.stage import own_name, wait_until
from tests.payments.adapter_stage import PythonProcess
from tests.security.place import AT_ONCE, ENDED_S, Place, each_name, refusal_of, settings_of
from tests.security.secured_broker import CANARY
from tests.security.traffic import ACCOUNT, month, paid, read, write, write_request

pytestmark = pytest.mark.timeout(600)
WORKER, ADAPTER, VIEWS, OPERATOR = "worker", "adapter", "views", "operator"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("secured"), [WORKER, ADAPTER, VIEWS, OPERATOR])
    with made.broker:
        yield made


class Processes:
    """Long-running processes of one app id, each with exactly its rights."""

    def __init__(self, place: Place, name: str, directory: Path) -> None:
        self.place, self.name, self._directory = place, name, directory
        self.started: list[PythonProcess] = []
        place.topics(name)
        place.grant(WORKER, rights.worker(settings_of(name)))
        place.grant(ADAPTER, adapter_rights.adapter(settings_of(name)))
        place.grant(VIEWS, views_rights.views(settings_of(name)))

    def start(self, command: str, connection: dict[str, str]) -> PythonProcess:
        env = self.place.environment(self.name, connection)
        log = self._directory / f"{len(self.started)}.log"
        self.started.append(PythonProcess(["tollgate", *command.split()], env, log))
        return self.started[-1]

    def worker(self) -> PythonProcess:
        return self._wait(self.start("worker", self.place.login(WORKER)), "partitions owned")

    def adapter(self) -> PythonProcess:
        return self._wait(self.start("payments run", self.place.login(ADAPTER)), "partition taken over")

    def _wait(self, process: PythonProcess, event: str) -> PythonProcess:
        def begun() -> bool:
            assert process.process.poll() is None, process.log()[-3_000:]
            return bool(process.events(event))

        wait_until(begun, event, ENDED_S)
        return process

    def close(self) -> None:
        for process in self.started:
            process.kill()


@pytest.fixture
def processes(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Processes]:
    made = Processes(place, own_name(request.node), tmp_path)
    yield made
    made.close()


def test_worker_adapter_and_tools_work_with_exactly_their_rights(processes: Processes) -> None:
    place, name = processes.place, processes.name
    worker, adapter = processes.worker(), processes.adapter()
    write(place, name, [*month(), b"no event"])
    charges = read(place, f"{name}.charges", 1)
    assert [value["call_id"] for value in charges] == ["c-1"]
    wait_until(lambda: paid(place, name) == 1, "an answer of the adapter", 60)
    for process in (worker, adapter):
        process.process.terminate()
        assert process.process.wait(60) == 0, process.log()[-2_000:]
        assert CANARY not in process.log()
    for command, options, said in TOOLS:
        place.grant(OPERATOR, ALL[command](settings_of(name)))
        status, output = granted(place, f"{command} {options}".strip(), name)
        assert status == 0, f"{command} {options}: {output}"
        assert said in output, f"{command} {options}: {output}"
        assert CANARY not in output
        place.take_away(OPERATOR, ALL[command](settings_of(name)))


def test_views_work_with_exactly_their_rights(processes: Processes, tmp_path: Path) -> None:
    place, name = processes.place, processes.name
    worker = processes.worker()
    write(place, name, month())
    read(place, f"{name}.charges", 1)
    with DevRedis(tmp_path / "redis") as redis:
        connection = {**place.login(VIEWS), "redis_url": redis.url, "views_health_port": "0"}
        views = processes.start("views", connection)
        with Redis.from_url(redis.url) as client:
            wait_until(lambda: client.zcard(f"tg:1:{{{ACCOUNT}}}:charges") == 1, "the charge in Redis", ENDED_S)
        worker.process.terminate()
        assert worker.process.wait(60) == 0, worker.log()[-2_000:]
        place.grant(OPERATOR, ALL["views verify"](settings_of(name)))
        status, output = granted(place, "views verify", name, redis_url=redis.url)
        assert (status, output.splitlines()[-1]) == (0, "ok 1 accounts"), output
        place.take_away(VIEWS, views_rights.views(settings_of(name)))
        assert views.process.wait(ENDED_S) == Exit.PERSON, views.log()[-2_000:]
        assert CANARY not in views.log()


# In this order: each finds what the one before it left.
TOOLS = [
    ("topics", "", ""),
    ("topics --apply", "", ""),
    ("payments topics", "", ""),
    ("payments topics --apply", "", ""),
    ("notifier topics", "", ""),
    ("notifier topics --apply", "", ""),
    ("export", "-o events.jsonl", "call-decisions"),
    ("export --inputs", "-o inputs.jsonl", "inputs and"),
    ("backup", "--to state.gz", "state.gz: "),
    ("rebuild", "--replace", "rebuilt: start the workers"),
    ("restore", "state.gz --replace", "restored: start the workers"),
    ("skip", "--partition 0 --offset 0 --reason test", "nothing was changed"),
    ("redrive", "--code malformed_json --apply", "1 found, 1 sent"),
]


def granted(place: Place, command: str, name: str, **changed: str) -> tuple[int, str]:
    """The end of a command whose user got its rights a moment ago: the broker may not know them yet."""
    deadline = time.monotonic() + 20
    while True:
        status, output = place.ended(command, name, place.login(OPERATOR), **changed)
        if "may not" not in output or time.monotonic() > deadline:
            return status, output


@pytest.mark.parametrize("command", [command for command in ALL if command not in {"worker", "payments run"}])
async def test_each_right_of_a_tool_is_checked_before_it_does_anything(command: str, place: Place) -> None:
    name = "tools-" + re.sub(r"[^a-z]+", "-", command)
    needed = ALL[command](settings_of(name))
    await asyncio.to_thread(place.topics, name)
    await asyncio.to_thread(place.grant, OPERATOR, needed)
    connection = settings_of(name, **place.login(OPERATOR)).connection
    await until(lambda: access.check(connection, needed), "")
    for right in each_name(needed):
        await asyncio.to_thread(place.take_away, OPERATOR, (right,))
        if not _is_included(right, needed):
            await until(lambda: access.check(connection, needed), refusal_of(right))
        await asyncio.to_thread(place.grant, OPERATOR, (right,))
        await until(lambda: access.check(connection, needed), "")


def _is_included(right: Right, needed: rights.Rights) -> bool:
    """Whether another right on the same resource includes this one, as Kafka has it."""
    others = {other.operation for other in each_name(needed) if (other.kind, other.names) == (right.kind, right.names)}
    including = {
        Operation.Describe: {Operation.Read, Operation.Write, Operation.Delete},
        Operation.DescribeConfigs: {Operation.AlterConfigs},
    }
    return bool(including.get(right.operation, set()) & others)


async def until(check: Any, refusal: str) -> None:
    """Until the check refuses with these words, or passes if there are none: a broker learns of it a moment later."""
    deadline, said = time.monotonic() + 20, "nothing"
    while time.monotonic() < deadline:
        try:
            await check()
            said = ""
        except access.MissingRightError as error:
            said = str(error)
        if (refusal in said) if refusal else not said:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not {refusal!r} but {said!r}")


@dataclass(frozen=True)
class Taken:
    """A right that is taken from a running process: `name` is that of the resource, after the app id's prefix."""

    user: str
    operation: Operation
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.user}, {self.operation.name} on {self.kind} {self.name or 'of the app id'}"


TAKEN = [
    Taken(WORKER, Operation.Read, Kind.topic, ".account-events"),
    Taken(WORKER, Operation.Write, Kind.topic, ".account-events"),
    Taken(WORKER, Operation.Write, Kind.topic, "-wallet-rows"),
    Taken(WORKER, Operation.Read, Kind.group, ""),
    Taken(WORKER, Operation.Write, Kind.transactional_id, "-0"),
    Taken(ADAPTER, Operation.Read, Kind.topic, ".payment-requests"),
    Taken(ADAPTER, Operation.Read, Kind.group, "-payments"),
    Taken(ADAPTER, Operation.Write, Kind.topic, ".account-events"),
]


@pytest.fixture(scope="module")
def ended(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[Taken, tuple[int, str, str]]:
    """Status, output and resource of a process from which a right was taken while it ran. Some run at once: most of the
    time they wait for a heartbeat, a tick or a poll.
    """

    def end(number: int) -> tuple[int, str, str]:
        taken = TAKEN[number]
        running = Processes(place, f"taken-{number}", tmp_path_factory.mktemp("taken"))
        try:
            return _end_without(running, taken)
        finally:
            running.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(TAKEN, pool.map(end, range(len(TAKEN))), strict=True))


def _end_without(running: Processes, taken: Taken) -> tuple[int, str, str]:
    settings = settings_of(running.name)
    needed = rights.worker(settings) if taken.user == WORKER else adapter_rights.adapter(settings)
    [right] = [
        right
        for right in each_name(needed)
        if (right.operation, right.kind) == (taken.operation, taken.kind) and right.names[0].endswith(taken.name)
    ]
    process = running.worker() if taken.user == WORKER else running.adapter()
    running.place.take_away(taken.user, (right,))
    if taken.user == ADAPTER:
        write_request(running.place, running.name)
    return process.process.wait(ENDED_S), process.log(), right.names[0]


@pytest.mark.parametrize("taken", TAKEN, ids=str)
def test_a_right_that_is_taken_away_ends_the_process_that_needs_it(
    taken: Taken, ended: dict[Taken, tuple[int, str, str]]
) -> None:
    status, output, resource = ended[taken]
    assert status == Exit.PERSON, output
    last = output.splitlines()[-1]
    assert "missing right" in last
    assert resource in last
    assert {Kind.topic: "topic", Kind.group: "group", Kind.transactional_id: "transactional id"}[taken.kind] in last
    assert "Traceback" not in output
    assert CANARY not in output


def test_a_topic_that_is_missing_and_may_not_be_created_is_named(place: Place) -> None:
    place.grant(WORKER, rights.worker(settings_of("new")))
    status, output = place.ended("worker", "new", place.login(WORKER))
    assert status == Exit.PERSON, output
    assert "missing, and the user worker (TOLLGATE_SASL_USER) may not Create it" in output.splitlines()[-1]

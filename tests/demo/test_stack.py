"""`tollgate stack`, as whoever starts it sees it: its lines, what answers behind them, and what is left afterwards."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from redis import Redis

from schemas.partitioning import partition_of
from stream.settings import Settings
from tests.lane.stage import ROOT, own_name, wait_until
from tests.processes import any_runs, children

PARTS = ("worker", "payments", "views", "gateway")
DEADLINE_S = 150


class StackProcess:
    """One `tollgate stack`, its two outputs in files."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        self.folder = folder / "files"
        self.folder.mkdir()
        self._out, self._err = folder / "out", folder / "err"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("TOLLGATE_", "STACK_"))}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tollgate", "stack", *options],
                cwd=ROOT,
                stdout=out,
                stderr=err,
                env={**clean, "TMPDIR": str(self.folder), **variables},
            )

    def wait_ready(self) -> dict[str, str]:
        """Its lines, once the last one is there."""

        def ready() -> bool:
            assert self.process.poll() is None, self.errors()
            return self._out.read_text().endswith("READY=1\n")

        wait_until(ready, "a stack that is ready", DEADLINE_S)
        return dict(line.split("=", 1) for line in self._out.read_text().splitlines())

    def errors(self) -> str:
        return self._err.read_text()

    def end(self) -> int:
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., StackProcess]]:
    stacks: list[StackProcess] = []

    def begin(*options: str, **variables: str) -> StackProcess:
        stacks.append(StackProcess(tmp_path, *options, **variables))
        return stacks[-1]

    yield begin
    for stack in stacks:
        if stack.process.poll() is None:
            stack.process.kill()
            stack.process.wait()


def status(url: str, key: str = "") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def send(bootstrap: str, account: str, inputs: list[dict[str, Any]]) -> None:
    place = partition_of(account.encode(), Settings.model_validate({}).partitions)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for number, fields in enumerate(inputs):
            value = json.dumps({"id": f"in-{number}", "account_id": account, **fields}).encode()
            await producer.send_and_wait("account-events", value, key=account.encode(), partition=place)


def one_call() -> list[dict[str, Any]]:
    """An account that is opened, and its call of the last minute."""
    now = datetime.now(UTC).replace(microsecond=0)
    started, ended = (f"{now - timedelta(seconds=ago):%Y-%m-%dT%H:%M:%SZ}" for ago in (60, 0))
    call = {"call_id": "c1", "direction": "inbound"}
    return [
        {"type": "account-opened", "occurred_at": started, "plan": "free"},
        {"type": "call-started", "occurred_at": started, **call},
        {
            "type": "call-ended",
            "occurred_at": ended,
            "started_at": started,
            "answered_at": started,
            "outcome": "completed",
            "features": [],
            **call,
        },
    ]


def test_a_call_goes_from_kafka_to_redis_and_nothing_is_left(start: Callable[..., StackProcess]) -> None:
    """Takes half a minute: it starts a Kafka of its own, Redis and every process."""
    stack = start()
    lines = stack.wait_ready()
    assert list(lines)[-1] == "READY"
    for part in PARTS:
        assert status(f"{lines[f'{part.upper()}_HEALTH_URL']}/readyz") == 200
        assert status(f"{lines[f'{part.upper()}_HEALTH_URL']}/metrics") == 200
    started = children(stack.process.pid)
    pids = {int(value) for name, value in lines.items() if name.endswith("_PID")}
    assert pids == {process.pid for process in started}
    assert len(pids) == len(PARTS) + 2
    asyncio.run(send(lines["TOLLGATE_BOOTSTRAP_SERVERS"], "acme", one_call()))
    nowhere = f"{lines['GATEWAY_URL']}/v1/nowhere"
    assert (status(nowhere), status(nowhere, lines["API_KEY"])) == (401, 404)
    with Redis.from_url(lines["TOLLGATE_REDIS_URL"]) as redis:
        wait_until(lambda: bool(redis.exists("tg:1:{acme}:charges")), "the charge in Redis", 60)
        [charge] = redis.zrange("tg:1:{acme}:charges", 0, -1)
        assert json.loads(charge)["call_id"] == "c1"
    stack.process.send_signal(signal.SIGTERM)
    assert stack.end() == 0, stack.errors()
    assert not any_runs(started)
    assert list(stack.folder.iterdir()) == []


def test_a_process_that_dies_is_named_and_ends_the_rest(
    start: Callable[..., StackProcess], kafka: str, request: pytest.FixtureRequest
) -> None:
    """Takes twenty seconds: it starts Redis and two processes on the Kafka that is given."""
    name = own_name(request.node)
    names = {"TOLLGATE_APP_ID": name, "TOLLGATE_TOPIC_PREFIX": f"{name}."}
    stack = start("--without", "payments,gateway", TOLLGATE_BOOTSTRAP_SERVERS=kafka, STACK_WITHOUT="", **names)
    lines = stack.wait_ready()
    assert lines["TOLLGATE_BOOTSTRAP_SERVERS"] == kafka
    assert "KAFKA_PID" not in lines
    assert "PAYMENTS_HEALTH_URL" not in lines
    started = children(stack.process.pid)
    os.kill(int(lines["WORKER_PID"]), signal.SIGKILL)
    assert stack.end() == 1
    assert "worker ended by itself, killed by SIGKILL. The end of its log:" in stack.errors()
    assert not any_runs(started)


def test_a_setting_that_a_process_refuses_ends_the_stack(start: Callable[..., StackProcess], kafka: str) -> None:
    stack = start("--without", "payments,views,gateway", TOLLGATE_BOOTSTRAP_SERVERS=kafka, TOLLGATE_PARTITIONS="many")
    assert stack.end() == 1
    assert "worker ended by itself, with status 78." in stack.errors()
    assert "TOLLGATE_PARTITIONS" in stack.errors()


def test_an_unknown_name_is_refused(start: Callable[..., StackProcess]) -> None:
    stack = start(STACK_WITHOUT="views,viws")
    assert stack.end() == 2
    assert "viws is none of redis, worker" in stack.errors()

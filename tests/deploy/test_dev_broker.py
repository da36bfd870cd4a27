"""The development broker is a real Kafka: it keeps its data through a crash and never outlives its starter."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devkit.broker import DevBroker
from devkit.server import DevServerError
from tests.processes import any_runs

TOPIC = "things"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBroker]:
    with DevBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@asynccontextmanager
async def admin(broker: DevBroker) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def write_in_a_transaction(broker: DevBroker, value: bytes) -> None:
    writer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="writer")
    async with writer, writer.transaction():
        await writer.send_and_wait(TOPIC, value, partition=0)


async def read_committed(broker: DevBroker, count: int) -> list[bytes]:
    partition = TopicPartition(TOPIC, 0)
    options = {"bootstrap_servers": broker.bootstrap, "isolation_level": "read_committed"}
    async with AIOKafkaConsumer(**options, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        return [(await consumer.getone(partition)).value for _ in range(count)]


def until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        os.sched_yield()


async def test_a_committed_transaction_survives_a_crash_and_a_restart(broker: DevBroker) -> None:
    async with admin(broker) as client:
        await client.create_topics([NewTopic(TOPIC, num_partitions=8, replication_factor=1)])
    await write_in_a_transaction(broker, b"before the crash")
    address, first = broker.bootstrap, broker.pid

    broker.kill()
    assert not broker.running
    broker.start()
    await write_in_a_transaction(broker, b"after the crash")
    broker.restart()

    assert broker.bootstrap == address
    assert broker.pid != first
    assert await read_committed(broker, 2) == [b"before the crash", b"after the crash"]


async def test_an_undeclared_topic_is_not_created(broker: DevBroker) -> None:
    async with admin(broker) as client:
        await client.describe_topics(["misspelt"])
        assert "misspelt" not in await client.list_topics()


def test_it_listens_on_the_loopback_interface_only(broker: DevBroker) -> None:
    listening = {
        fields[1].split(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{broker.pid}/net/{table}").read_text().splitlines()[1:]
        for fields in [line.split()]
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == broker.port
    }
    assert listening <= {"0100007F", "0000000000000000FFFF00000100007F"}, "127.0.0.1, as IPv4 or mapped into IPv6"
    assert listening


def test_a_port_in_use_is_rejected_with_its_number(broker: DevBroker, tmp_path: Path) -> None:
    with pytest.raises(DevServerError, match=f"127.0.0.1:{broker.port} is in use"):
        DevBroker(tmp_path, broker.port).start()


def test_a_broker_that_cannot_start_shows_why(tmp_path: Path) -> None:
    broken = DevBroker(tmp_path)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\ncluster.id=another\nnode.id=7\n")
    with pytest.raises(DevServerError, match="node id 7") as refused:
        broken.start()
    assert "Kafka ended with status" in str(refused.value)
    assert not broken.running


def test_it_ends_with_the_process_that_started_it_even_when_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from devkit.broker import DevBroker\n"
        "broker = DevBroker(Path(sys.argv[1])); broker.start(); print(broker.pid, flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        started = psutil.Process(int(starter.stdout.readline()))
        assert any_runs([started])
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    until(lambda: not any_runs([started]), f"the broker, process {started.pid}, has ended")

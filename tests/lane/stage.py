"""Workers as child processes, a producer of deposits, and the check that every deposit counts once."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.rows import CHECKPOINT_KEY, Checkpoint, decode_row
from stream import startup, topics
from stream.settings import Settings
from tests.lane.tally import HEAD, Charge, Deposit
from tests.log_file import whole_lines

ROOT = Path(__file__).parents[2]
SMALL_RULE = ("tests.lane.tally_worker",)
PRODUCT = ("stream", "worker")
PARTITIONS = 8
CHECKPOINT = CHECKPOINT_KEY.encode()
POLL_EVERY_S = 0.1
SESSION_TIMEOUT_MS = 6_000  # The least a broker allows by default.


def own_name(test: pytest.Item) -> str:
    """A readable name for topics and groups that no other test of any module has."""
    words = re.sub(r"[^a-z0-9]+", "-", test.name.lower().removeprefix("test_")).strip("-")
    return f"{words[:50]}-{zlib.crc32(test.nodeid.encode()):08x}"


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> float:
    """Wait until `condition` holds. Returns the seconds waited; AssertionError when it did not hold in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not in {seconds} s: {what}"
        time.sleep(POLL_EVERY_S)
    return time.monotonic() - began


async def log_ends(bootstrap: str, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The ends past open transactions: a commit returns before its records are readable."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        return dict(await consumer.end_offsets(list(places)))


class WorkerProcess:
    """One worker as a child. Its log is kept in a file; `events` are its lines."""

    def __init__(self, env: Mapping[str, str], log: Path, module: Sequence[str] = SMALL_RULE) -> None:
        self._log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                stdout=out,
                stderr=out,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        field = f'"event": "{name}"'
        return [json.loads(line) for line in whole_lines(self._log) if field in line]

    def lines(self) -> list[dict[str, Any]]:
        """Every line of its log, also those of libraries."""
        return [json.loads(line) for line in whole_lines(self._log) if line]

    def owned(self) -> set[int]:
        """The partitions it had at its last assignment."""
        lines = self.events("partitions owned")
        return set(lines[-1]["partitions"]) if lines else set()

    def wait_owned(self, partitions: int = PARTITIONS, seconds: float = 60.0) -> float:
        def enough() -> bool:
            assert self.process.poll() is None, self.tail()
            return len(self.owned()) == partitions

        return wait_until(enough, f"a worker with {partitions} partitions", seconds)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM: it must end by itself, with status 0."""
        self.process.terminate()
        assert self.process.wait(60) == 0, self.tail()

    def wait_ended(self, seconds: float = 60.0) -> tuple[int, dict[str, Any]]:
        """Exit status and last line."""
        return self.process.wait(seconds), json.loads(self.tail(1))

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


class Stage:
    """Topics, workers and inputs of one test, under names of its own."""

    def __init__(self, bootstrap: str, name: str, directory: Path) -> None:
        self.bootstrap = bootstrap
        self.app_id = name
        self.prefix = f"{name}."
        self.sent: list[Deposit] = []
        self.workers: list[WorkerProcess] = []
        self._directory = directory
        self._random = random.Random(name)

    def topic(self, name: str) -> str:
        return self.prefix + name

    @property
    def changelog(self) -> str:
        return self.topic(f"{self.app_id}-wallet-rows")

    def worker(self, module: Sequence[str] = SMALL_RULE, **settings: object) -> WorkerProcess:
        """Start one more worker; keyword arguments are settings (`partitions=4`) or TALLY_… variables."""
        log = self._directory / f"worker-{len(self.workers)}.log"
        worker = WorkerProcess(self.environment(**settings), log, module)
        self.workers.append(worker)
        return worker

    def environment(self, **settings: object) -> dict[str, str]:
        """The variables that a process of this stage is started with."""
        env = {
            "bootstrap_servers": self.bootstrap,
            "app_id": self.app_id,
            "topic_prefix": self.prefix,
            "partitions": PARTITIONS,
            "session_timeout_ms": SESSION_TIMEOUT_MS,
            "health_port": 0,
            "log_level": "debug",
            **settings,
        }
        return {(k if k.startswith("TALLY") else f"TOLLGATE_{k.upper()}"): str(v) for k, v in env.items()}

    def close(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()

    def deposits(self, count: int, accounts: int = 40) -> list[Deposit]:
        """New deposits, remembered as sent."""
        made = [
            Deposit(
                id=f"d{len(self.sent) + n}",
                account_id=f"account-{self._random.randrange(accounts)}",
                amount=self._random.randrange(-50, 100),
            )
            for n in range(count)
        ]
        self.sent += made
        return made

    def send(self, deposits: Iterable[Deposit], per_second: float = 0) -> None:
        asyncio.run(self._send(list(deposits), per_second))

    async def _send(self, deposits: list[Deposit], per_second: float) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=True, linger_ms=2) as producer:
            pending = []
            began = time.monotonic()
            for n, deposit in enumerate(deposits):
                ahead = began + n / per_second - time.monotonic() if per_second else 0
                if ahead > 0:
                    await asyncio.sleep(ahead)
                pending.append(
                    await producer.send(
                        self.topic("account-events"), msgspec.json.encode(deposit), key=deposit.account_id.encode()
                    )
                )
            await asyncio.gather(*pending)

    def create_topics(self) -> None:
        """As a worker would at its start."""
        asyncio.run(startup.make_topics(self.settings(), topics.declared(self.settings())))

    def settings(self, **changed: Any) -> Settings:
        return Settings(
            bootstrap_servers=self.bootstrap,
            app_id=self.app_id,
            topic_prefix=self.prefix,
            partitions=PARTITIONS,
            **changed,
        )

    def write(self, topic: str, records: Iterable[tuple[int, bytes | None, bytes | None]], **options: Any) -> None:
        """Records as they are: partition, key, value. `options` are the producer's."""
        asyncio.run(self._write(topic, list(records), options))

    async def _write(
        self, topic: str, records: list[tuple[int, bytes | None, bytes | None]], options: dict[str, Any]
    ) -> None:
        options = {"linger_ms": 20, "max_batch_size": 1 << 19, "max_request_size": 1 << 24, **options}
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, **options) as producer:
            sent = [
                await producer.send(topic, value, key=key, partition=partition) for partition, key, value in records
            ]
            await asyncio.gather(*sent)

    def read(self, topic: str, until: Callable[[list[ConsumerRecord]], bool] | None = None) -> list[ConsumerRecord]:
        """What a reader with `read_committed` finds, from the beginning to the end, or `until` it has seen enough."""
        return asyncio.run(self._read(topic, until))

    async def _read(self, topic: str, until: Callable[[list[ConsumerRecord]], bool] | None) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        records: list[ConsumerRecord] = []
        async with consumer:
            places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            deadline = time.monotonic() + 200  # In one test a busy machine unpacks nearly a gigabyte before.
            ends = await log_ends(self.bootstrap, places)
            while True:
                for some in (await consumer.getmany(timeout_ms=100)).values():
                    records += some
                if until is None:
                    if all([await consumer.position(place) >= ends[place] for place in places]):
                        return records
                elif until(records):
                    return records
                assert time.monotonic() < deadline, f"{topic}: not what was waited for; {len(records)} records"

    def wait_charged(self) -> list[Charge]:
        """Wait for as many readable charges as deposits were sent. Returns them, in log order per partition."""
        records = self.read(self.topic("charges"), lambda found: len(found) >= len(self.sent))
        return [msgspec.json.decode(record.value, type=Charge) for record in records]

    def check_exactly_once(self) -> None:
        """Each deposit has one output, none has two, and every balance is right, step by step and in the changelog."""
        charges = self.wait_charged()
        read_again = [msgspec.json.decode(r.value, type=Charge) for r in self.read(self.topic("charges"))]
        assert len(read_again) == len(charges) == len(self.sent)
        assert sorted(charge.caused_by for charge in charges) == sorted(d.id for d in self.sent)
        by_account: dict[str, list[Deposit]] = defaultdict(list)
        for deposit in self.sent:
            by_account[deposit.account_id].append(deposit)
        steps: dict[str, list[Charge]] = defaultdict(list)
        for charge in charges:
            steps[charge.account_id].append(charge)
        for account_id, deposits in by_account.items():
            balance = 0
            for count, (deposit, step) in enumerate(zip(deposits, steps[account_id], strict=True), 1):
                balance += deposit.amount
                assert (step.caused_by, step.count, step.balance) == (deposit.id, count, balance)
        rows = self.rows()
        assert {key: HEAD.unpack(value)[1:] for key, value in rows.items()} == {
            account_id: (len(deposits), sum(d.amount for d in deposits)) for account_id, deposits in by_account.items()
        }

    def rows(self) -> dict[str, bytes]:
        """The accounts' rows as the changelog has them, without the partitions' own."""
        records = self.read(self.changelog)
        return {r.key.decode(): r.value for r in records if r.value is not None and r.key != CHECKPOINT}

    def committed(self) -> dict[int, int]:
        """The group's offset of each input partition."""
        return asyncio.run(self._committed())

    async def _committed(self) -> dict[int, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(self.app_id)
        finally:
            await admin.close()
        return {
            place.partition: at.offset for place, at in found.items() if place.topic == self.topic("account-events")
        }

    def checkpoints(self) -> dict[int, Checkpoint]:
        """The partitions' own rows, as the changelog has them."""
        found = {}
        for record in self.read(self.changelog):
            if record.key == CHECKPOINT and record.value is not None:
                found[record.partition] = cast("Checkpoint", decode_row(CHECKPOINT_KEY, record.value))
        return found

    def ends(self, topic: str) -> dict[int, int]:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        found = asyncio.run(log_ends(self.bootstrap, places))
        return {place.partition: offset for place, offset in found.items()}

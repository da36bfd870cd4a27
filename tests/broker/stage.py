"""Workers as child processes, a producer of deposits, and the check that every deposit counts once."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from stream import topics
from stream.settings import Settings
from tests.broker.tally import HEAD, Deposit, Settled

ROOT = Path(__file__).parents[2]
PARTITIONS = 8
LOOK_EVERY_S = 0.1
SESSION_TIMEOUT_MS = 6_000  # The least a broker allows by default.


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
    """Seconds until `condition` held; AssertionError when it did not in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not in {seconds} s: {what}"
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began


class WorkerProcess:
    """One worker as a child. Its log is kept in a file; `events` are its lines."""

    def __init__(self, env: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.broker.tally_worker"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                stdout=out,
                stderr=out,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        said = f'"event": "{name}"'
        return [json.loads(line) for line in self._log.read_text(errors="replace").splitlines() if said in line]

    def owned(self) -> set[int]:
        """The partitions it had at its last assignment."""
        said = self.events("partitions owned")
        return set(said[-1]["partitions"]) if said else set()

    def wait_owned(self, partitions: int = PARTITIONS, seconds: float = 30.0) -> float:
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
        assert self.process.wait(20) == 0, self.tail()

    def wait_ended(self, seconds: float = 30.0) -> tuple[int, dict[str, Any]]:
        """Exit status and last line."""
        status = self.process.wait(seconds)
        return status, json.loads(self.tail(1))

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

    def worker(self, **settings: object) -> WorkerProcess:
        """Start one more worker; keyword arguments are settings (`partitions=4`) or TALLY_… variables."""
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
        log = self._directory / f"worker-{len(self.workers)}.log"
        worker = WorkerProcess(
            {(k if k.startswith("TALLY") else f"TOLLGATE_{k.upper()}"): str(v) for k, v in env.items()}, log
        )
        self.workers.append(worker)
        return worker

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
        asyncio.run(topics.ensure(self.settings()))

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
            deadline = time.monotonic() + 60
            ends = await consumer.end_offsets(places)
            while True:
                for some in (await consumer.getmany(timeout_ms=100)).values():
                    records += some
                if until is None:
                    if all([await consumer.position(place) >= ends[place] for place in places]):
                        return records
                elif until(records):
                    return records
                assert time.monotonic() < deadline, f"{topic}: not what was waited for; {len(records)} records"

    def settle(self) -> list[Settled]:
        """Wait until as many outputs are readable as deposits were sent; they, in log order a partition."""
        records = self.read(self.topic("charges"), lambda found: len(found) >= len(self.sent))
        return [msgspec.json.decode(record.value, type=Settled) for record in records]

    def check_exactly_once(self) -> None:
        """Each deposit has one output, none has two, and every balance is right, step by step and in the changelog."""
        settled = self.settle()
        settled_again = [msgspec.json.decode(r.value, type=Settled) for r in self.read(self.topic("charges"))]
        assert len(settled_again) == len(settled) == len(self.sent)
        assert sorted(s.caused_by for s in settled) == sorted(d.id for d in self.sent)
        by_account: dict[str, list[Deposit]] = defaultdict(list)
        for deposit in self.sent:
            by_account[deposit.account_id].append(deposit)
        steps: dict[str, list[Settled]] = defaultdict(list)
        for one in settled:
            steps[one.account_id].append(one)
        for account_id, deposits in by_account.items():
            balance = 0
            for count, (deposit, step) in enumerate(zip(deposits, steps[account_id], strict=True), 1):
                balance += deposit.amount
                assert (step.caused_by, step.count, step.balance) == (deposit.id, count, balance)
        rows = {record.key.decode(): record.value for record in self.read(self.changelog)}
        assert {key: HEAD.unpack(value)[1:] for key, value in rows.items()} == {
            account_id: (len(deposits), sum(d.amount for d in deposits)) for account_id, deposits in by_account.items()
        }

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

    def ends(self, topic: str) -> dict[int, int]:
        return asyncio.run(self._ends(topic))

    async def _ends(self, topic: str) -> dict[int, int]:
        async with AIOKafkaConsumer(bootstrap_servers=self.bootstrap) as consumer:
            found = await consumer.end_offsets([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        return {place.partition: offset for place, offset in found.items()}

"""Adapters as child processes, payment requests for them, and the answers that a reader of `account-events` finds."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from agents.wallet.signature import HEADER, is_signed, sign
from payments.adapter import topics
from payments.settings import Settings
from schemas.partitioning import partition_of
from stream.startup import make_topics
from tests.lane.stage import ROOT, log_ends, wait_until
from tests.log_file import whole_lines
from tests.payments.requests import PARTITIONS
from tests.payments.stripe_server import API_KEY, StripeServer

KEY = "the key of the tests"
WEBHOOK_SECRET = "whsec_of_the_tests"
READ_DEADLINE_S = 60


class PythonProcess:
    """`python -m …` as a child; its log is a file of JSON lines."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self._log, self.words, self._env = log, arguments, env
        self.process = self._begin()

    def begin_again(self) -> None:
        """What its supervisor does once it has ended. Its log goes on."""
        self.process = self._begin()

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _begin(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", *self.words], cwd=ROOT, env={**os.environ, **self._env}, stdout=out, stderr=out
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        wanted = f'"event": "{name}"'
        return [json.loads(line) for line in whole_lines(self._log) if wanted in line]

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class AdapterProcess(PythonProcess):
    """One adapter."""

    def wait_ready(self, partitions: int = PARTITIONS) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log()[-2_000:]
            assigned = self.events("partitions assigned")
            return bool(assigned) and len(assigned[-1]["partitions"]) == partitions and self.status("/readyz") == 200

        wait_until(ready, f"an adapter with {partitions} partitions")

    def port(self, name: str) -> int:
        return int(self.events("adapter starts")[0][name])

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port('health_port')}{path}", timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def sample(self, name: str) -> float:
        """A metric's value; `name` includes the labels as scraped."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port('health_port')}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.rsplit(" ", 1)[0] == name)

    def wait_sample(self, name: str, value: float) -> None:
        """Wait: the adapter counts after its commit, so an answer may be readable before it is counted."""
        wait_until(lambda: self.sample(name) == value, f"{name} of {value}")

    def stop(self) -> None:
        """SIGTERM: it must end by itself, with status 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log()[-2_000:]

    def wait_ended(self) -> tuple[int, dict[str, Any]]:
        """Exit status and last line."""
        status = self.process.wait(60)
        return status, json.loads(self.log().splitlines()[-1])


class AdapterStage:
    """Topics, adapters and requests of one test, with unique names."""

    def __init__(self, bootstrap: str, name: str, directory: Path) -> None:
        self.adapters: list[AdapterProcess] = []
        self._directory = directory
        self.settings = Settings(
            bootstrap_servers=bootstrap,
            app_id=name,
            topic_prefix=f"{name}.",
            partitions=PARTITIONS,
        )
        asyncio.run(make_topics(self.settings, topics.needed(self.settings)))

    def stripe(self, server: StripeServer, **changed: object) -> AdapterProcess:
        """One more adapter, with `server` as Stripe."""
        return self.start(
            payments_provider="stripe",
            payments_stripe_api_base=server.url,
            **{"payments_stripe_api_key": API_KEY, "payments_stripe_webhook_secrets": WEBHOOK_SECRET, **changed},
        )

    def start(self, **changed: object) -> AdapterProcess:
        """One more adapter; keyword arguments are settings."""
        log = self._directory / f"adapter-{len(self.adapters)}.log"
        self.adapters.append(AdapterProcess(["payments", "run"], self.environment(**changed), log))
        return self.adapters[-1]

    def environment(self, **changed: object) -> dict[str, str]:
        """The settings of this stage as environment variables."""
        values = {
            **self.settings.model_dump(include={"bootstrap_servers", "app_id", "topic_prefix", "partitions"}),
            "signing_keys": f"{KEY},an older key",
            "payments_health_port": 0,
            "payments_webhook_port": 0,
            "payments_stripe_timeout_s": 5,
            "log_level": "debug",
            **changed,
        }
        return {f"TOLLGATE_{name.upper()}": str(value) for name, value in values.items()}

    def close(self) -> None:
        for adapter in self.adapters:
            adapter.kill()

    def send(self, values: Iterable[bytes]) -> None:
        """Send payment requests, each under its account's key."""
        self.write(topics.REQUESTS, ((json.loads(value)["account_id"].encode(), value) for value in values))

    def write(self, topic: str, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write records unchanged to the partition of their key, signed as inputs of the wallet must be."""
        asyncio.run(self._write(self.settings.topic(topic), list(records)))

    async def _write(self, topic: str, records: list[tuple[bytes, bytes | None]]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.settings.bootstrap_servers) as producer:
            for key, value in records:
                partition = partition_of(key, PARTITIONS)
                headers = [(HEADER, sign(value or b"", KEY.encode()))]
                await producer.send_and_wait(topic, value, key=key, partition=partition, headers=headers)

    def remove(self, topic: str, key: bytes, partition: int | None = None) -> None:
        """Write a tombstone that is not the adapter's, to one partition or to each."""
        asyncio.run(self._remove(topic, key, range(PARTITIONS) if partition is None else [partition]))

    async def _remove(self, topic: str, key: bytes, partitions: Iterable[int]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.settings.bootstrap_servers) as producer:
            for partition in partitions:
                await producer.send_and_wait(topic, None, key=key, partition=partition)

    def answers(self, count: int, while_waiting: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
        """Exactly `count` committed answers, each signed and in its account's partition."""
        records = self.read(topics.ANSWERS, count, while_waiting)
        for record in records:
            assert is_signed(record.value, record.headers, [KEY.encode()])
            assert record.partition == partition_of(record.key, PARTITIONS)
        values = [json.loads(record.value) for record in records]
        assert [value["account_id"].encode() for value in values] == [record.key for record in records]
        repeated = [name for name, times in Counter(value["payment_id"] for value in values).items() if times > 1]
        assert repeated == []
        assert len(values) == count
        return values

    def reversals(
        self, answers: int, count: int, while_waiting: Callable[[], None] = lambda: None
    ) -> list[tuple[str, str, str]]:
        """Payment, kind and reference of exactly `count` committed reversals beside `answers` answers; each is signed,
        sent once, and behind the answer of its payment.
        """
        records = self.read(topics.ANSWERS, answers + count, while_waiting)
        answered, found = set(), []
        for record in records:
            value = json.loads(record.value)
            assert is_signed(record.value, record.headers, [KEY.encode()])
            assert record.partition == partition_of(record.key, PARTITIONS)
            if value["type"] != "payment-reversed":
                answered.add(value["payment_id"])
                continue
            assert value["payment_id"] in answered
            found.append((value["payment_id"], value["kind"], value["provider_reference"]))
        assert (len(answered), len(found), len(set(found))) == (answers, count, count), found
        return sorted(found)

    def read(self, topic: str, count: int, while_waiting: Callable[[], None] = lambda: None) -> list[ConsumerRecord]:
        """The committed records of a topic, at least `count` of them."""
        return asyncio.run(self._read(self.settings.topic(topic), count, while_waiting))

    async def _read(self, topic: str, count: int, while_waiting: Callable[[], None]) -> list[ConsumerRecord]:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        records: list[ConsumerRecord] = []
        async with consumer:
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            deadline = time.monotonic() + READ_DEADLINE_S
            while len(records) < count:
                while_waiting()
                for some in (await consumer.getmany(timeout_ms=100)).values():
                    records += some
                assert time.monotonic() < deadline, f"{len(records)} of {count}\n{self.adapters[-1].log()[-2_000:]}"
            ends = await log_ends(self.settings.bootstrap_servers, places)
            while not all([await consumer.position(place) >= ends[place] for place in places]):
                for some in (await consumer.getmany(timeout_ms=100)).values():
                    records += some
        return records

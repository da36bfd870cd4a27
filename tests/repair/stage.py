"""Real workers with a real history of both products, and the operator's commands as child processes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from aiokafka import AIOKafkaProducer, TopicPartition

from schemas.partitioning import partition_of
from tests.agents.partition import Event
from tests.agents.traffic import Traffic
from tests.lane.handmade import Made, batch
from tests.lane.raw_producer import produce
from tests.lane.stage import PARTITIONS, PRODUCT, ROOT, Stage, WorkerProcess, wait_until

ACCOUNTS = 24
NEXT_PLANS = """version = 2
[plans.free]
extra_call_micros = 4_000_000
[plans.professional]
monthly_price_micros = 120_000_000
[plans.dental]
"""
HEAD_BYTES = 13  # Version, checksum and sequence of a row: they may differ between two histories of one state.
COMMAND_S = 300


class RepairStage(Stage):
    """A stage with the product's workers, and traffic for them."""

    def __init__(self, bootstrap: str, name: str, directory: Path) -> None:
        super().__init__(bootstrap, name, directory)
        # A test's seed is the length of its name: renaming the test may change its traffic.
        self.traffic = Traffic(len(name))
        self._answered = 0

    def worker(self, module: Sequence[str] = PRODUCT, **settings: object) -> WorkerProcess:
        """One more worker with the product's rules, on the time of the ticks in the log."""
        return super().worker(module, **{"clock": "simulation", **settings})

    def run(self, *arguments: str, status: int = 0, **settings: object) -> str:
        """Run a command and check its exit status. Returns its output and errors."""
        done = subprocess.run(
            [sys.executable, "-m", "stream", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment(**settings)},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == status, output
        assert "Traceback" not in output
        return output

    def pipe(self, first: Sequence[str], second: Sequence[str]) -> str:
        """Run `first | second` and check both exit statuses. Returns the second's output and errors."""
        env = {**os.environ, **self.environment()}
        command, piped = [sys.executable, "-m", "stream"], subprocess.PIPE
        with (
            subprocess.Popen([*command, *first], cwd=ROOT, env=env, stdout=piped, stderr=subprocess.DEVNULL) as writer,
            subprocess.Popen(
                [*command, *second], cwd=ROOT, env=env, stdin=writer.stdout, stdout=piped, stderr=piped, text=True
            ) as reader,
        ):
            assert writer.stdout is not None
            writer.stdout.close()
            output = "".join(reader.communicate(timeout=COMMAND_S))
        assert (writer.returncode, reader.returncode) == (0, 0), output
        return output

    def start(self, *arguments: str) -> WorkerProcess:
        """Start a command as a child process that the test waits for."""
        return super().worker(("stream", *arguments))

    def file(self, name: str) -> Path:
        return self._directory / name

    def open_accounts(self) -> None:
        self.publish([self.traffic.tick(seconds=1), *self.traffic.opening(ACCOUNTS)])

    def forget_answers(self) -> None:
        """Answer from the first payment request again: another cluster has none of the earlier ones."""
        self._answered = 0

    def touch_accounts(self) -> None:
        """One input for each account."""
        number = self.traffic.count
        self.publish([self.traffic.event("redirect-set", f"a{n}", redirect_to=f"+{number}") for n in range(ACCOUNTS)])

    def add_traffic(self, events: int) -> None:
        """More traffic, with answers to payments, and unreadable records."""
        requested = [json.loads(record.value) for record in self.read(self.topic("payment-requests"))]
        self.traffic.answers(requested[self._answered :])
        self._answered = len(requested)
        self.publish(self.traffic.batch(ACCOUNTS, events))
        self.write(self.topic("account-events"), [(n, b"a1", b"{") for n in range(PARTITIONS)])
        self.write_unreadable(1)

    def write_unreadable(self, partition: int) -> None:
        """A record that aiokafka's decoder fails on: its header's name is no UTF-8."""
        records = batch([Made(headers=[(b"\xff", b"x")])])
        asyncio.run(produce(self.bootstrap, [(TopicPartition(self.topic("account-events"), partition), records)]))

    def publish(self, events: Iterable[Event]) -> None:
        """Publish each input to its account's partition, and a tick to every partition."""
        asyncio.run(self._publish(list(events)))

    async def _publish(self, events: list[Event]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5) as producer:
            sent = []
            for event in events:
                key, value = str(event["account_id"]).encode(), json.dumps(event).encode()
                places = range(PARTITIONS) if key == b"*" else [partition_of(key, PARTITIONS)]
                topic = self.topic("account-events")
                sent += [await producer.send(topic, value, key=key, partition=place) for place in places]
            await asyncio.gather(*sent)

    def wait_decided(self) -> None:
        """Wait until the group has passed all inputs."""
        ends = self.ends(self.topic("account-events"))
        wait_until(lambda: self.committed() == {p: end for p, end in ends.items() if end}, "all inputs decided", 180)

    def stop_workers(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.stop()

    def rows(self) -> dict[str, bytes]:
        """The changelog's rows by partition and key, each without its head."""
        rows: dict[str, bytes] = {}
        for record in self.read(self.changelog):
            key = f"{record.partition}:{record.key.decode()}"
            rows.pop(key, None)
            if record.value is not None:
                rows[key] = record.value[HEAD_BYTES:]
        return rows

    def outputs(self) -> dict[str, list[bytes]]:
        """Everything published, by topic, in order of partition and offset."""
        names = ("call-decisions", "charges", "alerts", "refills", "payment-requests", "ledger-entries", "invoices")
        return {
            name: [r.value for r in sorted(self.read(self.topic(name)), key=lambda r: (r.partition, r.offset))]
            for name in (*names, "dead-letters")
        }

"""Notifiers as children, events on the topics of one test, and the file of targets."""

import asyncio
import base64
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from agents.notifier.settings import Settings, rows_topic
from agents.notifier.topics import needed
from schemas.partitioning import partition_of
from stream.startup import make_topics
from tests.lane.operator import delete_topic
from tests.lane.stage import wait_until
from tests.notifier.receiver import Receiver
from tests.views.stage import ViewsProcess

PARTITIONS = 2
SECRET = f"whsec_{base64.b64encode(b'a secret of the tests, 32 bytes.').decode()}"
OTHER_SECRET = f"whsec_{base64.b64encode(b'another secret, for a rotation!!').decode()}"


class NotifierProcess(ViewsProcess):
    """One `tollgate notifier`."""

    def port(self) -> int:
        return int(self.events("notifier starts")[0]["health_port"])

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log()[-3_000:]
        return bool(self.events("notifier starts")) and self.status("/readyz") == 200

    def sample(self, name: str) -> float:
        """A metric's value; `name` includes the labels as scraped."""
        lines = self.metrics().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.rsplit(" ", 1)[0] == name)


class NotifierStage:
    """Topics, processes and events of one test, with names of its own."""

    def __init__(self, bootstrap: str, name: str, directory: Path) -> None:
        self.processes: list[NotifierProcess] = []
        self.file = directory / "notify.toml"
        self._directory = directory
        self._numbers = 0
        self.settings = Settings(
            bootstrap_servers=bootstrap,
            app_id=name,
            topic_prefix=f"{name}.",
            partitions=PARTITIONS,
        )
        asyncio.run(make_topics(self.settings, needed(self.settings)))

    def write(self, *tables: str) -> None:
        self.file.write_text("\n".join(tables))

    def start(self, **changed: object) -> NotifierProcess:
        """One more process; keyword arguments are settings."""
        log = self._directory / f"notifier-{len(self.processes)}.log"
        self.processes.append(NotifierProcess(["tollgate", "notifier"], self.environment(**changed), log))
        return self.processes[-1]

    def started(self, **changed: object) -> NotifierProcess:
        """One more process, ready."""
        process = self.start(**changed)
        process.wait_ready()
        return process

    def environment(self, **changed: object) -> dict[str, str]:
        values = {
            **self.settings.model_dump(include={"bootstrap_servers", "app_id", "topic_prefix", "partitions"}),
            "notify": self.file,
            "notifier_health_port": 0,
            "notify_retries_s": "1,1,1,1,1,1",
            "log_level": "debug",
            **changed,
        }
        return {name if name.isupper() else f"TOLLGATE_{name.upper()}": str(value) for name, value in values.items()}

    def close(self) -> None:
        for process in self.processes:
            process.kill()

    def alert(self, account: str, kind: str = "balance-low", **fields: object) -> dict[str, Any]:
        """An alert with an id of its own."""
        self._numbers += 1
        return {
            "type": kind,
            "id": f"{account}/{kind}/{self._numbers}",
            "account_id": account,
            "occurred_at": f"2026-01-31T10:00:00.{self._numbers % 1000:03d}Z",
            "caused_by": "in",
            "severity": "warning",
            "audience": "owner",
            "time_zone": "UTC",
            **fields,
        }

    def send(
        self, events: Iterable[dict[str, Any]], topic: str = "alerts", timestamp_ms: int | None = None
    ) -> list[str]:
        """Publish events to the partitions of their accounts, in order. Returns their ids."""
        found = list(events)
        asyncio.run(self._send(found, topic, timestamp_ms))
        return [str(one["id"]) for one in found]

    async def _send(self, events: list[dict[str, Any]], topic: str, timestamp_ms: int | None) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self.settings.bootstrap_servers, enable_idempotence=True
        ) as producer:
            sent = []
            for event in events:
                key = event["account_id"].encode()
                sent.append(
                    await producer.send(
                        self.settings.topic(topic),
                        json.dumps(event, separators=(", ", ":")).encode(),
                        key=key,
                        partition=partition_of(key, PARTITIONS),
                        timestamp_ms=timestamp_ms,
                    )
                )
            await asyncio.gather(*sent)

    def delete_rows(self) -> None:
        delete_topic(self.settings.bootstrap_servers, rows_topic(self.settings))

    def committed(self) -> dict[str, int]:
        """The group's offsets, `TOPIC/PARTITION` by the contract's names."""
        return asyncio.run(self._committed())

    async def _committed(self) -> dict[str, int]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(self.settings.group)
        finally:
            await admin.close()
        prefix = self.settings.topic_prefix
        return {f"{place.topic.removeprefix(prefix)}/{place.partition}": at.offset for place, at in found.items()}

    def rows(self) -> dict[str, dict[str, Any]]:
        """What the rows topic holds now, by partition and key."""
        return asyncio.run(self._rows())

    async def _rows(self) -> dict[str, dict[str, Any]]:
        places = [TopicPartition(rows_topic(self.settings), number) for number in range(PARTITIONS)]
        found: dict[str, dict[str, Any]] = {}
        async with AIOKafkaConsumer(
            bootstrap_servers=self.settings.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        key = f"{record.partition}/{record.key.decode()}"
                        found.pop(key, None)
                        if record.value is not None:
                            found[key] = json.loads(record.value)
        return found

    def waiting(self) -> dict[str, dict[str, Any]]:
        return {key: row for key, row in self.rows().items() if "/waiting/" in key}

    def wait_for(self, condition: Any, what: str, seconds: float = 60) -> float:
        def holds() -> bool:
            for process in self.processes:
                assert process.process.poll() in {None, 0, -9}, process.log()[-3_000:]
            return bool(condition())

        return wait_until(holds, what, seconds)

    def wait_settled(self, topic: str = "alerts", seconds: float = 60) -> None:
        """Until the group's offsets are at the ends of the topic, and nothing waits."""
        places = [TopicPartition(self.settings.topic(topic), number) for number in range(PARTITIONS)]

        def settled() -> bool:
            committed = self.committed()
            ends = asyncio.run(_ends(self.settings.bootstrap_servers, places))
            return all(committed.get(f"{topic}/{place.partition}", 0) == ends[place] for place in places)

        self.wait_for(settled, "all events settled", seconds)


async def _ends(bootstrap: str, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        return dict(await consumer.end_offsets(places))


def webhook(receiver: Receiver | str, name: str = "crm", **keys: object) -> str:
    """A `[[webhook]]` table to the receiver, which is on this machine."""
    url = receiver if isinstance(receiver, str) else receiver.url
    given = {"name": name, "url": url, "secret": SECRET, "types": ["*"], "allow_private": True, **keys}
    return "\n".join(["[[webhook]]", *(f"{key} = {json.dumps(value)}" for key, value in given.items()), ""])


def in_order(ids: list[str], sent: list[str]) -> list[str]:
    """The first arrivals of `sent`, in the order in which they came."""
    wanted = set(sent)
    return list(dict.fromkeys(one for one in ids if one in wanted))


def now_ms() -> int:
    return time.time_ns() // 1_000_000

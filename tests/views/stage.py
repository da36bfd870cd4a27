"""Views processes as children, events on the topics of one test, and what Redis then holds."""

import asyncio
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from redis import Redis

from agents.views.audit import Audit, Result
from agents.views.run import needed
from agents.views.settings import Settings
from agents.views.store import Store
from schemas.partitioning import partition_of
from stream.fail_stop import Exit
from stream.redis_connection import connect
from stream.startup import make_topics
from tests.lane.stage import wait_until
from tests.payments.adapter_stage import PythonProcess

PARTITIONS = 2


class ViewsProcess(PythonProcess):
    """One `tollgate views`."""

    def port(self) -> int:
        return int(self.events("views start")[-1]["health_port"])

    def status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}{path}", timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}/metrics", timeout=20) as answer:
            return str(answer.read().decode())

    def ready(self) -> bool:
        assert self.process.poll() in {None, Exit.PASSING}, self.log()[-3_000:]
        try:
            return bool(self.events("views start")) and self.status("/readyz") == 200
        except urllib.error.URLError:  # It has ended, and its supervisor starts it again.
            return False

    def wait_ready(self, seconds: float = 60) -> None:
        wait_until(self.ready, f"views that are ready: {self.log()[-1_000:]}", seconds)

    def partitions(self) -> set[int]:
        lines = self.events("reading begins")
        return set(lines[-1]["partitions"]) if lines else set()

    def assigned(self) -> list[int]:
        lines = self.events("partitions assigned")
        return list(lines[-1]["partitions"]) if lines else [-1]

    def stop(self) -> None:
        """SIGTERM: it must end by itself, with status 0."""
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log()[-3_000:]

    def wait_ended(self) -> tuple[int, dict[str, Any]]:
        """Exit status and last line."""
        status = self.process.wait(40)
        return status, json.loads(self.log().splitlines()[-1])


class ViewsStage:
    """Topics, processes and events of one test, with names of its own."""

    def __init__(
        self, bootstrap: str, redis_url: str, name: str, directory: Path, redis_ca: Path | None = None
    ) -> None:
        self.processes: list[ViewsProcess] = []
        self.redis_url = redis_url
        self._directory = directory
        self.settings = Settings(
            bootstrap_servers=bootstrap,
            app_id=name,
            topic_prefix=f"{name}.",
            partitions=PARTITIONS,
            redis_url=redis_url,
            redis_ca=redis_ca,
        )
        asyncio.run(make_topics(self.settings, needed(self.settings)))
        self.redis: Any = Redis.from_url(
            redis_url, socket_timeout=5, **({} if redis_ca is None else {"ssl_ca_certs": str(redis_ca)})
        )

    def start(self, *words: str, **changed: object) -> ViewsProcess:
        """One more process; keyword arguments are settings."""
        log = self._directory / f"views-{len(self.processes)}.log"
        self.processes.append(ViewsProcess(["tollgate", "views", *words], self.environment(**changed), log))
        return self.processes[-1]

    def environment(self, **changed: object) -> dict[str, str]:
        values = {
            **self.settings.model_dump(include={"bootstrap_servers", "app_id", "topic_prefix", "partitions"}),
            "redis_url": self.redis_url,
            "redis_ca": self.settings.redis_ca or "",
            "views_health_port": 0,
            "log_level": "debug",
            **changed,
        }
        return {f"TOLLGATE_{name.upper()}": str(value) for name, value in values.items() if value != ""}

    def command(self, *words: str, **changed: object) -> subprocess.CompletedProcess[str]:
        """`tollgate views …` until it ends."""
        process = PythonProcess(["tollgate", "views", *words], self.environment(**changed), self._directory / "out.log")
        status = process.process.wait(120)
        text = process.log()
        (self._directory / "out.log").unlink()
        return subprocess.CompletedProcess(words, status, text)

    def audit(self, what: str) -> Result:
        """`verify` or `rebuild` in this process."""

        async def run() -> Result:
            store = Store(connect(self.settings))
            try:
                async with Audit(self.settings, store) as opened:
                    return await (opened.verify() if what == "verify" else opened.rebuild())
            finally:
                await store.close()

        return asyncio.run(run())

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        self.redis.close()

    def send(self, events: Iterable[tuple[str, bytes]]) -> None:
        """Write events of the contract's topics to the partitions of their accounts, and wait until Kafka has them."""
        asyncio.run(self._send(list(events)))

    def send_after_creation(self, events: Iterable[tuple[str, bytes]]) -> None:
        """The same, once the topics that are missing were made again."""
        asyncio.run(make_topics(self.settings, needed(self.settings)))
        self.send(events)

    async def _send(self, events: list[tuple[str, bytes]]) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self.settings.bootstrap_servers, linger_ms=5, max_batch_size=1 << 18
        ) as producer:
            sent = []
            for topic, value in events:
                key = json.loads(value)["account_id"].encode()
                place = partition_of(key, PARTITIONS)
                sent.append(await producer.send(self.settings.topic(topic), value, key=key, partition=place))
            await asyncio.gather(*sent)

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

    def meta(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.redis.hgetall("tg:1:meta").items()}

    def positions(self) -> dict[str, int]:
        """The next offsets that Redis has, by the contract's names."""
        prefix = self.settings.topic_prefix
        places = {name: value for name, value in self.meta().items() if name.startswith(prefix) and "/" in name}
        return {name.removeprefix(prefix): int(value) for name, value in places.items()}

    def members(self, account: str, name: str) -> dict[bytes, int]:
        return {m: int(score) for m, score in self.redis.zrange(f"tg:1:{{{account}}}:{name}", 0, -1, withscores=True)}

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        def holds() -> bool:
            for process in self.processes:
                assert process.process.poll() in {None, 0, -9}, process.log()[-3_000:]
            return condition()

        wait_until(holds, what, seconds)

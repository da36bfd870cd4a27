"""`tollgate topics`: shows all differences, applies changes that lose nothing, and touches nothing else."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import LeaderNotAvailableError

from stream import new_topics, topic_changes, topics
from stream.topics import DAY_MS, Difference
from tests.lane.operator import configure
from tests.lane.stage import ROOT, Stage, wait_until

DEADLINE_S = 60


def run(stage: Stage, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **stage.environment(), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stream", "topics", *options]
    return subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S
    )


def change(stage: Stage, name: str, **settings: str) -> None:
    """Give a topic settings other than the declared ones, and wait until the broker shows them."""
    topic = stage.topic(name)
    configure(stage.bootstrap, topic, **{**topics.declared(stage.settings())[topic].config(), **settings})
    wait_until(lambda: settings.items() <= asyncio.run(described(stage, topic)).items(), "the topic's settings")


def test_what_is_missing_is_shown_then_made_and_a_second_time_nothing_is_left_to_do(stage: Stage) -> None:
    shown = run(stage)
    assert shown.returncode == 1
    assert set(shown.stdout.splitlines()) == {f"{name}: missing" for name in topics.declared(stage.settings())}
    made = run(stage, "--apply")
    assert made.returncode == 0, made.stdout + made.stderr
    assert set(made.stdout.splitlines()) == {f"created {name}" for name in topics.declared(stage.settings())}
    for options in ((), ("--apply",)):
        again = run(stage, *options)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_what_loses_nothing_is_changed_and_everything_else_on_the_topic_stays(stage: Stage) -> None:
    stage.create_topics()
    inputs, snapshots, letters = map(stage.topic, (topics.INPUTS, "account-snapshots", topics.DEAD_LETTERS))
    older = {"message.timestamp.type": "CreateTime", "retention.ms": str(7 * DAY_MS), "flush.messages": "1234567"}
    change(stage, topics.INPUTS, **older)
    change(stage, "account-snapshots", **{"min.compaction.lag.ms": "0"})
    change(stage, topics.DEAD_LETTERS, **{"max.message.bytes": "2000"})
    limit = topics.declared(stage.settings())[letters].config()["max.message.bytes"]
    shown = run(stage)
    assert shown.returncode == 1
    assert f"{letters}: max.message.bytes is 2000, must be {limit}" in shown.stdout.splitlines()
    changed = run(stage, "--apply")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    lines = set(changed.stdout.splitlines())
    assert lines >= {
        f"changed {inputs}: message.timestamp.type from CreateTime to LogAppendTime",
        f"changed {inputs}: retention.ms from {7 * DAY_MS} to {400 * DAY_MS}",
        f"changed {snapshots}: min.compaction.lag.ms from 0 to {DAY_MS}",
        f"changed {letters}: max.message.bytes from 2000 to {limit}",
    }
    found = asyncio.run(described(stage, inputs))
    assert found["flush.messages"] == "1234567"
    assert found["message.timestamp.type"] == "LogAppendTime"
    again = run(stage, "--apply")
    assert (again.returncode, again.stdout) == (0, "")


def test_what_could_lose_something_is_only_shown(stage: Stage) -> None:
    stage.create_topics()
    inputs, charges = stage.topic(topics.INPUTS), stage.topic("charges")
    change(stage, topics.INPUTS, **{"retention.ms": "-1"})
    change(stage, "charges", **{"cleanup.policy": "compact"})
    before = [asyncio.run(described(stage, name)) for name in (inputs, charges)]
    ended = run(stage, "--apply")
    assert ended.returncode == 1
    assert set(ended.stdout.splitlines()) == {
        f"{inputs}: retention.ms is -1, must be {400 * DAY_MS}",
        f"{charges}: cleanup.policy is compact, must be delete",
    }
    assert [asyncio.run(described(stage, name)) for name in (inputs, charges)] == before


def test_another_partition_count_is_shown_and_keeps_nothing_else_from_being_mended(stage: Stage) -> None:
    stage.create_topics()
    asyncio.run(make(stage, [NewTopic(stage.topic("charges"), 3, 1)]))
    change(stage, "alerts", **{"retention.ms": str(DAY_MS)})
    ended = run(stage, "--apply")
    assert ended.returncode == 1
    assert f"changed {stage.topic('alerts')}: retention.ms from {DAY_MS} to {400 * DAY_MS}" in ended.stdout.splitlines()
    assert f"{stage.topic('charges')}: has 3 partitions, TOLLGATE_PARTITIONS is 8" in ended.stdout


def test_a_worker_names_a_topic_that_takes_too_little(stage: Stage) -> None:
    stage.create_topics()
    letters = stage.topic(topics.DEAD_LETTERS)
    change(stage, topics.DEAD_LETTERS, **{"max.message.bytes": "2000"})
    worker = stage.worker()
    worker.wait_owned()
    [line] = worker.events("a topic's limit is smaller than the records written to it")
    assert (line["topic"], line["limit_bytes"]) == (letters, 2000)


async def described(stage: Stage, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap)
    await admin.start()
    try:
        return (await topics._configs(admin, [topic]))[topic]
    finally:
        await admin.close()


def test_a_topic_that_the_broker_does_not_know_yet_is_asked_for_again(stage: Stage) -> None:
    async def check_and_create() -> None:
        check = asyncio.create_task(topics.check_time(stage.settings()))
        done, _ = await asyncio.wait([check], timeout=1)
        assert not done, f"ended before the topic was there: {check.exception()}"
        await topics.ensure(stage.settings())
        await asyncio.wait_for(check, DEADLINE_S)

    asyncio.run(check_and_create())


class LateAdmin(AIOKafkaAdminClient):  # type: ignore[misc]  # aiokafka has no types
    """Asks a broker that is behind the controller: it lists a new topic late, and its leader later still."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.made_at = float("inf")
        self.ages: list[float] = []

    async def create_topics(self, *args: Any, **options: Any) -> Any:
        response = await super().create_topics(*args, **options)
        self.made_at = time.monotonic()
        return response

    async def describe_topics(self, *args: Any, **options: Any) -> Any:
        listed = await super().describe_topics(*args, **options)
        self.ages.append(time.monotonic() - self.made_at)
        if self.ages[-1] < 1:
            listed = [topic for topic in listed if "charges" not in topic["topic"]]
        elif self.ages[-1] < 2:
            listed = [topic | {"partitions": [one | {"leader": -1} for one in topic["partitions"]]} for topic in listed]
        return listed


def test_new_topics_are_waited_for_until_each_partition_has_a_leader(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that joined its group earlier would own nothing until its client reads the metadata again."""
    admins: list[LateAdmin] = []

    def late(**options: Any) -> LateAdmin:
        admins.append(LateAdmin(**options))
        return admins[-1]

    monkeypatch.setattr(topics, "AIOKafkaAdminClient", late)
    asyncio.run(topics.ensure(stage.settings()))
    assert admins[0].ages[-1] >= 2
    monkeypatch.setattr(new_topics, "KNOWN_WITHIN_S", 0.5)
    other = {stage.topic("charges-again"): topics.Topic("charges-again", DAY_MS)}
    with pytest.raises(LeaderNotAvailableError, match="charges-again: created, but") as raised:
        asyncio.run(topics.ensure(stage.settings(), other))
    assert raised.value.retriable


async def make(stage: Stage, wanted: list[NewTopic]) -> None:
    """In place of those that are there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap)
    await admin.start()
    try:
        names = [topic.name for topic in wanted]
        await admin.delete_topics(names)
        while set(names) & set(await admin.list_topics()):  # noqa: ASYNC110 the broker sends no event
            await asyncio.sleep(0.1)
        await admin.create_topics(wanted)
    finally:
        await admin.close()


@pytest.mark.parametrize(
    ("key", "present", "declared", "mended"),
    [
        ("retention.ms", "1000", "2000", True),
        ("retention.ms", "1000", "-1", True),
        ("retention.ms", "2000", "1000", False),
        ("retention.ms", "-1", "1000", False),
        ("max.message.bytes", "1000", "2000", True),
        ("max.message.bytes", "2000", "1000", False),
        ("min.compaction.lag.ms", "0", "1000", True),
        ("message.timestamp.type", "CreateTime", "LogAppendTime", True),
        ("cleanup.policy", "delete", "compact", False),
    ],
)
def test_only_what_keeps_more_is_mended(key: str, present: str, declared: str, mended: bool) -> None:
    difference = Difference("t", "", key=key, present=present, declared=declared)
    assert topic_changes.loses_nothing(difference) is mended


def test_every_declared_topic_has_a_size_limit(tmp_path: Path) -> None:
    stage = Stage("127.0.0.1:1", "declared", tmp_path)
    assert all(topics.LIMIT in topic.config() for topic in topics.declared(stage.settings()).values())

"""Lost state is detected: the worker refuses to start with status 78, names the missing state, and creates nothing."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from stream import topics
from stream.fail_stop import Exit
from tests.lane.operator import configure, delete_before, delete_group, delete_topic
from tests.lane.stage import PARTITIONS, Stage
from tests.lane.tally import HEAD, row


@pytest.fixture
def worked(stage: Stage) -> Stage:
    """A worker has taken deposits of every partition, and is stopped."""
    worker = stage.worker(clock="none")
    worker.wait_owned()
    stage.send(stage.deposits(200))
    stage.wait_charged()
    worker.stop()
    return stage


def refused(stage: Stage, **settings: Any) -> dict[str, Any]:
    """The last line of a worker that does not start."""
    status, last = stage.worker(clock="none", **settings).wait_ended()
    assert status == Exit.PERSON
    return last


def delete_changelog(stage: Stage) -> None:
    delete_topic(stage.bootstrap, stage.changelog)


def exists(stage: Stage, topic: str) -> bool:
    async def listed() -> bool:
        async with AIOKafkaConsumer(bootstrap_servers=stage.bootstrap) as consumer:
            return topic in await consumer.topics()

    return asyncio.run(listed())


def test_a_changelog_that_was_deleted_is_not_made_again(worked: Stage) -> None:
    delete_changelog(worked)
    reason = refused(worked)["reason"]
    assert reason.startswith(f"{worked.changelog}: missing, though the group {worked.app_id} has consumed")
    assert "State is lost" in reason
    delete_group(worked.bootstrap, worked.app_id)
    assert "carries events already" in refused(worked)["reason"]
    assert not exists(worked, worked.changelog)


def test_a_second_app_id_on_topics_that_carry_anothers_facts_is_refused(worked: Stage) -> None:
    reason = refused(worked, app_id="second")["reason"]
    assert reason.startswith(f"{worked.topic('second-wallet-rows')}: missing, though {worked.topic('charges')} carries")
    # Nor when its changelog was made before there were any.
    settings = worked.settings().model_copy(update={"app_id": "third"})
    changelog = topics.changelog(settings)
    asyncio.run(topics.ensure(settings, {changelog: topics.Topic("wallet-rows", -1, compacted=True)}))
    last = refused(worked, app_id="third")
    assert last["reason"].startswith("the changelog is empty though the topics carry events")
    assert (last["changelog"], last["topic"]) == (changelog, worked.topic("charges"))


def test_a_changelog_made_anew_by_hand_is_empty_where_inputs_were_consumed(worked: Stage) -> None:
    delete_changelog(worked)
    changelog = {worked.changelog: topics.Topic("wallet-rows", -1, compacted=True)}
    asyncio.run(topics.ensure(worked.settings(), changelog))
    assert refused(worked)["reason"] == "the changelog is empty though the group has consumed inputs"


def test_facts_that_were_aborted_are_no_facts(stage: Stage) -> None:
    first = stage.worker(clock="none", TALLY_DIE_AT=1)
    first.wait_owned()
    stage.send(stage.deposits(300))
    assert first.process.wait(60) == -signal.SIGKILL
    assert sum(stage.ends(stage.topic("charges")).values()) > 0
    assert stage.committed() == {}
    stage.worker(clock="none").wait_owned()
    stage.check_exactly_once()


def cut_head(stage: Stage) -> None:
    configure(stage.bootstrap, stage.changelog, cleanup_policy="delete")
    delete_before(stage.bootstrap, stage.changelog, {5: 2})
    configure(stage.bootstrap, stage.changelog, cleanup_policy="compact")


def remove_row(stage: Stage) -> None:
    records = stage.read(stage.changelog)
    key = next(r.key for r in records if r.partition == 5 and b"/" not in r.key)
    stage.write(stage.changelog, [(5, key, None)])


def change_balance(stage: Stage) -> None:
    records = [r for r in stage.read(stage.changelog) if r.partition == 5 and b"/" not in r.key]
    key, value = records[-1].key, records[-1].value
    _, count, balance = HEAD.unpack(value)
    stage.write(stage.changelog, [(5, key, row(key, count + 1, balance + 1))])


def add_row(stage: Stage) -> None:
    stage.write(stage.changelog, [(5, b"somebody", row(b"somebody", 1, 0))])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_head, "the changelog has lost its beginning"),
        (remove_row, "state is lost: the changelog has "),
        (add_row, "state is lost: the changelog has "),
        (change_balance, "state is lost: the balances sum to"),
    ],
    ids=["head cut", "row removed", "row added", "balance changed"],
)
def test_a_changelog_that_does_not_match_its_own_row_is_refused(
    worked: Stage, damage: Callable[[Stage], None], reason: str
) -> None:
    damage(worked)
    last = refused(worked)
    assert last["reason"].startswith(reason)
    assert (last["changelog"], last["partition"]) == (worked.changelog, 5)
    assert "State is lost" in last["see"]


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_changelog_that_the_broker_may_delete_from_is_refused(stage: Stage, policy: str) -> None:
    stage.create_topics()
    configure(stage.bootstrap, stage.changelog, cleanup_policy=policy)
    assert f"{stage.changelog}: cleanup.policy is {policy}, must be compact" in refused(stage)["reason"]


def test_inputs_that_end_before_what_was_applied_are_refused(worked: Stage) -> None:
    delete_topic(worked.bootstrap, worked.topic("account-events"))
    last = refused(worked)
    assert last["reason"] == "the inputs have lost their end"
    assert last["partition"] in range(PARTITIONS)
    assert last["inputs_end"] == 0

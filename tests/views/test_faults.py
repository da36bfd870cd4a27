"""Whatever happens to Redis, to the views or to the log: in the end Redis holds what the topics say."""

import os
import signal
import time

from agents.views import layout
from agents.views.layout import CHARGES, SNAPSHOTS
from devkit.redis import DevRedis
from stream.fail_stop import Exit
from tests.lane.operator import delete_topic
from tests.views.events import entry, snapshot
from tests.views.load import ACCOUNTS, Load
from tests.views.stage import PARTITIONS, ViewsStage
from tests.views.test_process import history

OK = f"ok {ACCOUNTS} accounts\n"


def began(stage: ViewsStage, why: str) -> int:
    """How many partitions of topics began for this reason, in the last process."""
    return sum(line[why] for line in stage.processes[-1].events("reading begins"))


def test_redis_is_flushed_killed_emptied_and_frozen_under_load(stage: ViewsStage, own_redis: DevRedis) -> None:
    """Takes a minute: each fault is followed by the wait until the views have read everything again."""
    views = stage.start()
    views.wait_ready()
    with Load(stage) as load:
        stage.wait_for(lambda: load.sent > 500, "events")
        stage.redis.flushall()
        stage.wait_for(lambda: began(stage, "missing") >= 2 * len(layout.TOPICS) * PARTITIONS, "a new epoch")
        views.wait_ready()
        own_redis.kill()
        stage.wait_for(lambda: views.status("/readyz") == 503, "no longer ready without Redis")
        assert views.status("/livez") == 200
        own_redis.start()
        stage.wait_for(lambda: began(stage, "missing") >= 3 * len(layout.TOPICS) * PARTITIONS, "another epoch")
        views.wait_ready()
        before = load.sent
        with own_redis.frozen():
            stage.wait_for(lambda: views.status("/readyz") == 503, "no longer ready")
            stage.wait_for(lambda: load.sent > before + 500, "events meanwhile")
        views.wait_ready()
        # In mid-flight, several times: some batches come before the flush, some after it, some on both sides.
        for _ in range(5):
            stage.redis.flushall()
            time.sleep(0.3)
    views.wait_ready()
    verified = stage.command("verify")
    assert verified.stdout == OK, verified.stdout[-2_000:]
    views.stop()


def test_views_are_killed_and_rebalanced_under_load(stage: ViewsStage) -> None:
    """Takes a minute or more: a killed member's partitions wait for its session to time out, four times."""
    with Load(stage):
        first = stage.start()
        first.wait_ready()
        for _ in range(2):
            first.kill()
            first = stage.start()
            stage.wait_for(lambda: stage.processes[-1].partitions() != set(), "partitions")
        first.wait_ready()
        second = stage.start()
        stage.wait_for(
            lambda: len(first.partitions()) == 1 and first.partitions() | second.partitions() == {0, 1}, "one each"
        )
        second.wait_ready()
        os.kill(first.process.pid, signal.SIGSTOP)
        stage.wait_for(lambda: second.partitions() == {0, 1}, "both")
        os.kill(first.process.pid, signal.SIGCONT)
        stage.wait_for(lambda: len(second.partitions()) == 1, "one each again")
        first.stop()
        stage.wait_for(lambda: second.partitions() == {0, 1}, "both again")
    second.wait_ready()
    verified = stage.command("verify")
    assert verified.stdout == OK, verified.stdout[-2_000:]
    second.stop()


def test_another_redis_is_read_again_from_a_minute_before(stage: ViewsStage, own_redis: DevRedis) -> None:
    """A replica that takes over may lack the last writes. Takes half a minute: three processes start."""
    stage.send(history("acme", 2))
    views = stage.start()
    views.wait_ready()
    views.stop()
    stage.redis.delete("tg:1:{acme}:charges")
    views = stage.start()
    views.wait_ready()
    assert began(stage, "resumed") == len(layout.TOPICS) * PARTITIONS
    assert stage.members("acme", "charges") == {}
    views.stop()
    stage.redis.save()
    own_redis.kill()
    own_redis.start()
    assert stage.meta()["epoch"]
    views = stage.start()
    views.wait_ready()
    assert began(stage, "other_redis") == len(layout.TOPICS) * PARTITIONS
    assert len(stage.members("acme", "charges")) == 3
    own_redis.kill()
    own_redis.start()
    stage.wait_for(
        lambda: began(stage, "other_redis") == 2 * len(layout.TOPICS) * PARTITIONS, "read again while running"
    )
    views.wait_ready()
    assert stage.command("verify").stdout == "ok 1 accounts\n"
    views.stop()


def test_an_offset_outside_the_log_is_read_from_the_start(stage: ViewsStage) -> None:
    stage.send(history("acme", 2))
    views = stage.start()
    views.wait_ready()
    views.stop()
    for partition in range(PARTITIONS):
        stage.redis.hset("tg:1:meta", f"{stage.settings.topic(CHARGES)}/{partition}", 1_000_000)
    stage.redis.delete("tg:1:{acme}:charges")
    views = stage.start()
    views.wait_ready()
    assert began(stage, "outside_the_log") == PARTITIONS
    assert len(stage.members("acme", "charges")) == 3
    views.stop()


def test_what_another_cluster_has_left_is_removed(stage: ViewsStage) -> None:
    stage.send(history("acme", 2))
    views = stage.start()
    views.wait_ready()
    views.stop()
    epoch = stage.meta()["epoch"]
    stage.redis.hset("tg:1:meta", "cluster_id", "another")
    stage.redis.zadd("tg:1:{gone}:charges", {"from another cluster": 1})
    stage.redis.set("tg:1:gw:{acme}:kept", 1)
    views = stage.start()
    views.wait_ready()
    assert stage.meta()["epoch"] != epoch
    assert stage.command("verify").stdout == "ok 1 accounts\n"
    assert stage.redis.get("tg:1:gw:{acme}:kept") == b"1"
    views.stop()


def test_a_topic_that_was_made_again_is_read_from_its_start(stage: ViewsStage) -> None:
    """Its offsets begin again, and the offsets that Redis remembers may lie within them."""
    stage.send(history("acme", 2))
    views = stage.start()
    views.wait_ready()
    views.stop()
    delete_topic(stage.settings.bootstrap_servers, stage.settings.topic("ledger-entries"))
    stage.send_after_creation([("ledger-entries", entry("acme", 100 + n, n)) for n in range(9)])
    views = stage.start()
    views.wait_ready()
    assert list(stage.members("acme", "ledger").values()) == list(range(9))
    assert stage.command("verify").stdout == "ok 1 accounts\n"
    views.stop()


def test_meta_that_is_deleted_while_reading_is_set_again(stage: ViewsStage) -> None:
    stage.send(history("acme", 2))
    views = stage.start()
    views.wait_ready()
    epoch = stage.meta()["epoch"]
    stage.redis.delete("tg:1:meta", "tg:1:{acme}:ledger")
    stage.wait_for(lambda: stage.meta().get("epoch", epoch) != epoch, "a new epoch")
    views.wait_ready()
    assert len(stage.members("acme", "ledger")) == 2
    stage.send([(SNAPSHOTS, snapshot("acme", 3))])
    stage.wait_for(lambda: stage.redis.get("tg:1:{acme}:snapshot") == snapshot("acme", 3), "the next snapshot")
    views.stop()


def test_views_wait_for_a_redis_that_is_away_at_the_start(stage: ViewsStage, own_redis: DevRedis) -> None:
    stage.send(history("acme", 1))
    own_redis.stop()
    views = stage.start()
    stage.wait_for(lambda: bool(views.events("partitions assigned")), "partitions")
    assert views.status("/readyz") == 503
    own_redis.start()
    views.wait_ready()
    assert len(stage.members("acme", "ledger")) == 1
    own_redis.stop()
    views.stop()


def test_a_redis_that_may_evict_keys_is_refused(stage: ViewsStage, own_redis: DevRedis) -> None:
    stage.redis.config_set("maxmemory-policy", "allkeys-lru")
    status, last = stage.start().wait_ended()
    assert status == Exit.PERSON
    assert "maxmemory-policy is allkeys-lru, must be noeviction" in last["reason"]


def test_a_key_of_another_type_ends_the_views_until_a_rebuild(stage: ViewsStage) -> None:
    """Somebody has changed it by hand. Takes half a minute on a busy machine: five processes start."""
    stage.send(history("acme", 2))
    views = stage.start()
    views.wait_ready()
    stage.redis.delete("tg:1:{acme}:ledger")
    stage.redis.set("tg:1:{acme}:ledger", "x")
    stage.send([("ledger-entries", entry("acme", 100, 100))])
    status, _ = views.wait_ended()
    assert status == Exit.PERSON
    assert "WRONGTYPE" in views.log()
    assert stage.command("rebuild").returncode == 0
    views = stage.start()
    views.wait_ready()
    assert stage.command("verify").stdout == "ok 1 accounts\n"
    views.stop()

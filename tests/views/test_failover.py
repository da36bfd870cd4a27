"""A replica takes over without the last writes of the Redis before it: in the end it has them all the same."""

from pathlib import Path
from typing import Any

from redis import Redis

from agents.views import layout
from devkit.redis import DevRedis
from tests.views.load import ACCOUNTS, Load
from tests.views.stage import PARTITIONS, ViewsStage
from tests.views.test_faults import began


def in_step(replica: Any) -> bool:
    link = replica.info("replication")
    return bool(link["role"] == "slave") and link["master_link_status"] == "up"


def test_a_replica_that_takes_over_without_the_last_writes_gets_them(
    stage: ViewsStage, own_redis: DevRedis, tmp_path: Path
) -> None:
    """Takes half a minute: the views start, write under load, and read a minute again."""
    with DevRedis(tmp_path / "replica") as server, Redis.from_url(server.url) as replica:
        replica.replicaof("127.0.0.1", str(own_redis.port))
        stage.wait_for(lambda: in_step(replica), "a replica in step")
        views = stage.start()
        views.wait_ready()
        with Load(stage) as load:
            stage.wait_for(lambda: load.sent > 500 and replica.dbsize() > ACCOUNTS, "events on the replica")
            # From here on the replica gets nothing more: what Redis acknowledges now is lost with it.
            replica.replicaof("NO", "ONE")
            had = sum(stage.positions().values())
            stage.wait_for(lambda: sum(stage.positions().values()) > had + 500, "writes that the replica lacks")
            own_redis.kill()
            # The replica takes over the address, as a name or a proxy does it elsewhere.
            replica.config_set("port", own_redis.port)
        stage.wait_for(lambda: began(stage, "other_redis") == len(layout.TOPICS) * PARTITIONS, "read again")
        views.wait_ready()
        verified = stage.command("verify")
        assert verified.stdout == f"ok {ACCOUNTS} accounts\n", verified.stdout[-2_000:]
        views.stop()

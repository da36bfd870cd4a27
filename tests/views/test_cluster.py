"""A Redis Cluster refuses a script whose keys are in different slots. Ours are accepted by it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis, ResponseError

from agents.views import layout
from agents.views.layout import Limits
from agents.views.settings import Settings
from agents.views.store import Store
from devkit.redis import DevRedis
from devkit.server import free_port
from stream.redis_connection import connect
from tests.lane.stage import wait_until
from tests.views.test_scripts import HISTORY, apply, content

ACCOUNTS = ("acme", "a.b:c+d@e-f", "0" * 128)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """On one node of a cluster that has every slot: commands are checked as on any other node."""
    with DevRedis(tmp_path / "redis", ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))) as node:
        with Redis.from_url(node.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
            wait_until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"), "the cluster")
            with pytest.raises(ResponseError, match="same slot"):
                client.eval("return 1", 2, "tg:1:{acme}:at", "tg:1:{other}:at")
        made = Store(connect(Settings(redis_url=node.url)))
        yield made
        await made.close()


async def test_each_script_finds_its_keys_in_one_slot(store: Store) -> None:
    for account in ACCOUNTS:
        renamed = [(topic, offset, value.replace(b"acme", account.encode())) for topic, offset, value in HISTORY]
        await apply(store, renamed)
    assert await store.begin(b"", b"first", {b"cluster_id": b"k"}) == b"first"
    await store.advance(b"first", {b"charges/0": 7})
    found = await content(store)
    for account in ACCOUNTS:
        names = {key for key in found if layout.account_of(key) == account.encode()}
        assert len(names) == 7, names
        # A script also makes keys from what it finds; these are in the slot of those that it was given.
        slots = await store.run([("CLUSTER", "KEYSLOT", name) for name in (account, *names)])
        assert len(set(slots)) == 1
    assert await store.trim(0, Limits(10_000, 4_000_000_000_000)) == len(ACCOUNTS)
    assert [key for key in await content(store) if key.endswith((b":ledger", b":calls", b":c1"))] == []

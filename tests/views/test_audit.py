"""`verify` finds every kind of difference, and `rebuild` removes it."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from agents.views.layout import CHARGES, DECISIONS, INVOICES, SNAPSHOTS
from stream.fail_stop import Exit
from tests.views.events import adjusted, admitted, event, redirected, snapshot
from tests.views.stage import PARTITIONS, ViewsStage
from tests.views.test_process import history

LINE = re.compile(r"^\S+: \S+/\d+@-?\d+ expected .+ found .+$")
CALL = "tg:1:{acme}:call:c0"
WRONG: dict[str, Callable[[Any], Any]] = {
    "a member that no topic has": lambda r: r.zadd("tg:1:{acme}:charges", {"forged": 3}),
    "a member that is missing": lambda r: r.zremrangebyrank("tg:1:{acme}:ledger", 0, 0),
    "a member with another offset": lambda r: r.zincrby(
        "tg:1:{acme}:decisions", 0.0 + 1, admitted("acme", "c1", 60_000)
    ),
    "another snapshot": lambda r: r.set("tg:1:{acme}:snapshot", "{}"),
    "no snapshot": lambda r: r.delete("tg:1:{acme}:snapshot"),
    "an older snapshot": lambda r: r.set("tg:1:{acme}:snapshot", snapshot("acme", 1)),
    "another version": lambda r: r.hset("tg:1:{acme}:at", "snapshot_version", 99),
    "a topic in `at` that is no topic": lambda r: r.hset("tg:1:{acme}:at", "nothing", 1),
    "a call that no topic has": lambda r: r.zadd("tg:1:{acme}:calls", {"forged": 1}),
    "a call that is missing": lambda r: r.zrem("tg:1:{acme}:calls", "c0"),
    "a call at another time": lambda r: r.zadd("tg:1:{acme}:calls", {"c1": 5}),
    "a field that no topic has": lambda r: r.hset(CALL, "a:0", "forged"),
    "a field that is missing": lambda r: r.hdel(CALL, "charge"),
    "a field with other content": lambda r: r.hset(CALL, "decision", "forged"),
    "the hash of no call": lambda r: r.hset("tg:1:{acme}:call:forged", "decision", "x"),
    "an invented account": lambda r: r.zadd("tg:1:{invented}:charges", {"x": 1}),
    "a listed account that is none": lambda r: r.zadd("tg:1:accounts:0", {"invented": 0}),
    "an account that is not listed": lambda r: [r.zrem(f"tg:1:accounts:{p}", "acme") for p in range(PARTITIONS)],
    "a listed account with a score": lambda r: [
        r.zadd(f"tg:1:accounts:{p}", {"acme": 5}, xx=True) for p in range(PARTITIONS)
    ],
    "a key that the layout does not have": lambda r: r.set("tg:1:{acme}:surprise", 1),
    "a list of accounts of no partition": lambda r: r.zadd("tg:1:accounts:77", {"acme": 0}),
    "a key of no account": lambda r: r.set("tg:1:surprise", 1),
}
# key -> the type that it has instead
OTHER_TYPES = {
    "{acme}:snapshot": "list",
    "{acme}:at": "string",
    "{acme}:calls": "string",
    "{acme}:charges": "string",
    "{acme}:alerts": "list",
    "{acme}:call:c0": "string",
    "{invented}:at": "string",
    "accounts:0": "string",
    "accounts:1": "list",
}


def give_another_type(redis: Any, key: str) -> None:
    redis.delete(f"tg:1:{key}")
    if OTHER_TYPES[key] == "list":
        redis.rpush(f"tg:1:{key}", "x")
    else:
        redis.set(f"tg:1:{key}", "x")


def test_every_difference_is_found_and_removed(stage: ViewsStage) -> None:
    """Takes a minute: for each of twenty differences three commands read all topics, as processes of their own."""
    stage.send([*history("acme", 3), (INVOICES, event("invoice-issued", "acme", 5)), *history("other", 2)])
    stage.send([(DECISIONS, redirected("nobody", "c", 1, "unknown_account"))])
    views = stage.start()
    views.wait_ready()
    assert stage.command("verify").stdout == "ok 2 accounts\n"
    for spoil in WRONG.values():
        spoil(stage.redis)
    found = stage.command("verify")
    assert found.returncode == 1
    lines = found.stdout.splitlines()
    assert [line for line in lines if LINE.match(line) is None] == []
    assert len(lines) >= len(WRONG) - 5, found.stdout  # Some differences hide one another.
    stage.redis.set("tg:1:gw:{acme}:kept", 1)
    rebuilt = stage.command("rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout
    assert stage.command("verify").stdout == "ok 2 accounts\n"
    assert stage.redis.get("tg:1:gw:{acme}:kept") == b"1"
    views.stop()


def test_each_difference_is_found_alone(stage: ViewsStage) -> None:
    """All topics are read three times for each of thirty differences. The views do not run."""
    stage.send(
        [*history("acme", 2), (CHARGES, adjusted("acme", "c1", 70_000, 60_000)), (SNAPSHOTS, snapshot("acme", 7))]
    )
    stage.audit("rebuild")
    for name, spoil in (WRONG | {key: partial(give_another_type, key=key) for key in OTHER_TYPES}).items():
        spoil(stage.redis)
        differences = [str(one) for one in stage.audit("verify").differences]
        assert differences, name
        assert name not in OTHER_TYPES or differences[0].startswith(f"tg:1:{name}: "), differences
        assert [line for line in differences if LINE.match(line) is None] == [], name
        stage.audit("rebuild")
        assert [str(one) for one in stage.audit("verify").differences] == [], name


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_without_a_redis_it_is_tried_again_later(stage: ViewsStage, command: str) -> None:
    ended = stage.command(command, redis_url="redis://:secret-7@127.0.0.1:1/0")
    assert ended.returncode == Exit.PASSING
    assert "Traceback" not in ended.stdout
    assert "secret-7" not in ended.stdout

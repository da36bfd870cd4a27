"""Reads while the views read the log: nothing incomplete is ever shown."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devkit.redis import DevRedis
from tests.gateway.reads.events import admission, charge, snapshot
from tests.gateway.reads.filled import Event
from tests.gateway.stage import GatewayStage, Reply
from tests.lane.stage import wait_until
from tests.views.stage import ViewsStage

ACCOUNTS = [f"live-{n}" for n in range(40)]
CHARGES = 60


@pytest.fixture(scope="module")
def views(stage: GatewayStage, own_redis: DevRedis) -> Iterator[ViewsStage]:
    """The views of the gateway's topics, with events of some accounts in both partitions."""
    made = ViewsStage(stage.bootstrap, own_redis.url, stage.name, stage.directory)
    made.send(_history())
    made.start().wait_ready()
    yield made
    made.close()


def _history() -> Iterator[Event]:
    for n in range(CHARGES):
        for account in ACCOUNTS:
            yield admission(account, f"c{n}", n * 1_000)
            yield charge(account, f"c{n}", n * 1_000 + 500)
    for account in ACCOUNTS:
        yield snapshot(account, 1)


class Poll:
    """Reads several things of every account, again and again."""

    def __init__(self, stage: GatewayStage) -> None:
        self._stage = stage
        self.statuses: list[int] = []
        self.wrong: list[str] = []
        self.ending, self.refused = threading.Event(), threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            for account in ACCOUNTS:
                self._check(f"/v1/accounts/{account}/charges?limit=200")
                self._check(f"/v1/accounts/{account}/calls?limit=200")

    def _check(self, path: str) -> None:
        reply = self._stage.get(path)
        self.statuses.append(reply.status)
        if reply.status == 503:
            self.refused.set()
        if reply.status != 503 and (reply.status != 200 or not _is_whole(reply)):
            self.wrong.append(f"{path}: {reply.status} {reply.body[:200]!r}")


def _is_whole(reply: Reply) -> bool:
    items = reply.json()["items"]
    return len(items) == CHARGES and all("charge" in item for item in items if "first_at" in item)


@contextmanager
def polled(stage: GatewayStage) -> Iterator[Poll]:
    poll = Poll(stage)
    threads = [threading.Thread(target=poll.run) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield poll
    poll.ending.set()
    for thread in threads:
        thread.join()


def status(stage: GatewayStage) -> int:
    return stage.get(f"/v1/accounts/{ACCOUNTS[0]}").status


def wait_whole(stage: GatewayStage, poll: Poll) -> None:
    """Until a whole round of answers is there again."""
    wait_until(lambda: all(stage.get(f"/v1/accounts/{name}").status == 200 for name in ACCOUNTS), "answers", 60)
    seen = len(poll.statuses)
    wait_until(lambda: poll.statuses[seen:].count(200) > 2 * len(ACCOUNTS), "answers to the polls", 60)


def test_a_flush_and_an_empty_restart_show_everything_or_nothing(
    stage: GatewayStage, views: ViewsStage, own_redis: DevRedis
) -> None:
    """Takes half a minute: the views read everything again after each of four faults."""
    with polled(stage) as poll:
        wait_whole(stage, poll)
        assert set(poll.statuses) == {200}
        for _ in range(2):
            poll.refused.clear()
            views.redis.flushall()
            wait_until(poll.refused.is_set, "a refusal")
            wait_whole(stage, poll)
        own_redis.kill()
        wait_until(lambda: status(stage) == 503, "a refusal without Redis")
        reply = stage.get(f"/v1/accounts/{ACCOUNTS[0]}/ledger")
        assert (reply.code, reply.headers["retry-after"]) == ("unavailable", "1")
        assert stage.get("/v1/plans").status == 200, "needs no Redis"
        assert stage.gateways[0].health("/livez").status == 200
        own_redis.start()
        wait_whole(stage, poll)
        with own_redis.frozen():
            wait_until(lambda: status(stage) == 503, "a refusal while Redis hangs")
        wait_whole(stage, poll)
    assert not poll.wrong, poll.wrong[:5]
    assert set(poll.statuses) == {200, 503}


def test_a_read_waits_for_what_was_just_written(stage: GatewayStage, views: ViewsStage) -> None:
    for version in range(2, 7):
        views.send([snapshot("live-new", version)])
        assert stage.get(f"/v1/accounts/live-new?min_version={version}").json()["version"] == version


def test_views_that_stand_still_are_stale(stage: GatewayStage, views: ViewsStage) -> None:
    """Takes 10 s: from then on the age is shown."""
    path = f"/v1/accounts/{ACCOUNTS[0]}"
    assert "tollgate-stale" not in stage.get(path).headers
    views.processes[-1].stop()
    wait_until(lambda: "tollgate-stale" in stage.get(path).headers, "an age")
    reply = stage.get(f"{path}/alerts")
    assert (reply.status, reply.body) == (200, b'{"items":[]}')
    assert int(reply.headers["tollgate-stale"]) >= 10
    views.start().wait_ready()
    wait_until(lambda: "tollgate-stale" not in stage.get(path).headers, "no age")

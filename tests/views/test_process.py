"""`tollgate views` on a real Kafka and a real Redis."""

import asyncio

from aiokafka import AIOKafkaProducer

from agents.views import layout
from agents.views.layout import CHARGES, DECISIONS, SNAPSHOTS
from tests.views.events import JANUARY_MS, adjusted, admitted, charged, entry, snapshot
from tests.views.stage import PARTITIONS, ViewsStage

LEDGER = "ledger-entries"


def history(account: str, calls: int) -> list[tuple[str, bytes]]:
    """Some calls of an account, each with decision, charge, ledger entry and snapshot; every third one is adjusted."""
    events = []
    for n in range(calls):
        at_ms = n * 60_000
        events += [
            (DECISIONS, admitted(account, f"c{n}", at_ms)),
            (CHARGES, charged(account, f"c{n}", at_ms + 30_000, at_ms)),
            (LEDGER, entry(account, n, at_ms + 30_000)),
            (SNAPSHOTS, snapshot(account, n + 1)),
        ]
        if n % 3 == 0:
            events.append((CHARGES, adjusted(account, f"c{n}", at_ms + 45_000, at_ms)))
    return events


def test_the_events_of_the_log_are_in_redis(stage: ViewsStage) -> None:
    stage.send(history("acme", 3) + history("other", 2))
    views = stage.start()
    views.wait_ready()
    assert stage.redis.get("tg:1:{acme}:snapshot") == snapshot("acme", 3)
    assert list(stage.members("acme", "decisions")) == [admitted("acme", f"c{n}", n * 60_000) for n in range(3)]
    assert stage.members("acme", "calls") == {b"c%d" % n: JANUARY_MS + n * 60_000 for n in range(3)}
    accounts = [stage.redis.zrange(f"tg:1:accounts:{p}", 0, -1, withscores=True) for p in range(PARTITIONS)]
    assert sorted(pair for some in accounts for pair in some) == [(b"acme", 0.0), (b"other", 0.0)]
    meta = stage.meta()
    assert meta["epoch"]
    assert {f"caught_up_at:{p}" for p in range(PARTITIONS)} <= meta.keys()
    assert set(stage.positions()) == {f"{topic}/{p}" for topic in layout.TOPICS for p in range(PARTITIONS)}
    stage.wait_for(
        lambda: {k: v for k, v in stage.positions().items() if v} == {k: v for k, v in stage.committed().items() if v},
        "offsets committed",
    )
    assert views.status("/livez") == 200
    stage.send([(SNAPSHOTS, snapshot("acme", 9))])
    stage.wait_for(lambda: stage.redis.get("tg:1:{acme}:snapshot") == snapshot("acme", 9), "the new snapshot")
    views.stop()


async def send_in_transaction(stage: ViewsStage, topic: str, value: bytes, *, commit: bool) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.settings.bootstrap_servers, transactional_id=stage.settings.app_id
    )
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait(stage.settings.topic(topic), value, key=b"acme", partition=0)
        await (producer.commit_transaction() if commit else producer.abort_transaction())


def test_what_was_never_committed_is_not_kept(stage: ViewsStage) -> None:
    """Behind the last event are markers and an aborted event: a partition catches up all the same."""
    asyncio.run(send_in_transaction(stage, LEDGER, entry("acme", 1, 1), commit=True))
    asyncio.run(send_in_transaction(stage, LEDGER, entry("acme", 2, 2), commit=False))
    views = stage.start()
    views.wait_ready()
    assert stage.members("acme", "ledger") == {entry("acme", 1, 1): 0}
    stage.wait_for(lambda: stage.positions()[f"{LEDGER}/0"] == 4, "the position behind the last marker")
    views.stop()


def test_a_process_without_partitions_is_ready(stage: ViewsStage) -> None:
    """Takes half a minute: three processes start."""
    stage.send(history("acme", 1))
    processes = [stage.start() for _ in range(PARTITIONS + 1)]
    for process in processes:
        process.wait_ready()
    stage.wait_for(
        lambda: sorted(process.assigned() for process in processes) == [[], [0], [1]], "one process without partitions"
    )
    for process in processes:
        process.wait_ready()
    assert "tollgate_views_partitions 0.0" in "".join(process.metrics() for process in processes)
    for process in processes:
        process.stop()


def test_a_record_that_no_engine_wrote_is_skipped_and_counted(stage: ViewsStage) -> None:
    stage.send([(LEDGER, entry("acme", 1, 1))])
    stage.send([(LEDGER, b'{"account_id": "acme", "occurred_at": "yesterday"}'), (LEDGER, entry("acme", 2, 2))])
    views = stage.start()
    views.wait_ready()
    assert list(stage.members("acme", "ledger")) == [entry("acme", 1, 1), entry("acme", 2, 2)]
    assert f'tollgate_views_unreadable_total{{topic="{LEDGER}"}} 1.0' in views.metrics()
    views.stop()


def test_old_events_are_not_kept_and_old_rows_are_trimmed_at_the_start(stage: ViewsStage) -> None:
    """Takes half a minute on a busy machine: the trim of a day is waited for, with a second process."""
    stage.send(history("acme", 3))
    views = stage.start(views_keep_rows=2)
    views.wait_ready()
    assert len(stage.members("acme", "ledger")) == 2
    assert set(stage.members("acme", "calls")) == {b"c1", b"c2"}
    assert not stage.redis.exists("tg:1:{acme}:call:c0")
    views.stop()
    views = stage.start(views_keep_rows=1)
    views.wait_ready()
    stage.wait_for(lambda: len(stage.members("acme", "ledger")) == 1, "the daily trim")
    views.stop()

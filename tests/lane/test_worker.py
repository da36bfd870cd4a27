"""A worker in operation: odd inputs, gaps in the log, time, hangs, and what it reports."""

import asyncio
import json
import urllib.error
import urllib.request
from collections import Counter

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from agents.wallet.dead_letter import VALUE_BYTES_KEPT
from stream.fail_stop import Exit
from stream.ops.metric_table import METRICS
from tests.lane.scrape import sample, scrape
from tests.lane.stage import PARTITIONS, Stage, wait_until
from tests.lane.tally import Deposit

LARGEST = b"x" * ((1 << 20) - 200)
BOMB = b"x" * (5 << 20)
POISON = (b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}" * 1_000, b"[" * 60_000, b'{"id": 1}', b"1e999")


def test_poison_becomes_dead_letters_and_costs_no_good_record(stage: Stage) -> None:
    stage.worker().wait_owned()
    stage.send(stage.deposits(50))
    keys = (b"k", None)
    letters_sent: list[tuple[int, bytes | None, bytes | None]] = [
        (n % PARTITIONS, key, value) for n, value in enumerate(POISON) for key in keys
    ]
    letters_sent.append((0, b"k", None))
    stage.write(stage.topic("account-events"), letters_sent)
    # The largest record a broker takes, and one that was small only while it was compressed.
    stage.write(stage.topic("account-events"), [(1, b"k", LARGEST)])
    stage.write(stage.topic("account-events"), [(2, b"k", BOMB)], compression_type="gzip")
    letters_sent += [(1, b"k", LARGEST), (2, b"k", BOMB[:VALUE_BYTES_KEPT])]
    stage.send(stage.deposits(50))
    stage.check_exactly_once()
    letters = stage.read(stage.topic("dead-letters"), lambda found: len(found) >= len(letters_sent))
    # In one transaction with the good records beside it, as it came.
    assert Counter((r.partition, r.key, r.value) for r in letters) == Counter(letters_sent)


def test_offsets_taken_by_markers_and_aborted_records_are_no_hole(stage: Stage) -> None:
    worker = stage.worker(clock="none")
    worker.wait_owned()
    for count in (1, 20):
        asyncio.run(in_transaction(stage, stage.deposits(count), commit=True))
        asyncio.run(in_transaction(stage, [Deposit("never", "account-1", 1)] * 5, commit=False))
        stage.send(stage.deposits(count))
        stage.wait_charged()
    asyncio.run(in_transaction(stage, [Deposit("never", "account-2", 1)] * 5, commit=False))
    worker.stop()
    # The log of some partitions now ends with a marker that no batch has covered.
    stage.worker(clock="none").wait_owned()
    stage.send(stage.deposits(20))
    stage.check_exactly_once()


async def in_transaction(stage: Stage, deposits: list[Deposit], *, commit: bool) -> None:
    name = f"{stage.app_id}-inputs"
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap, transactional_id=name) as producer:
        await producer.begin_transaction()
        for deposit in deposits:
            value, key = msgspec.json.encode(deposit), deposit.account_id.encode()
            await producer.send_and_wait(stage.topic("account-events"), value, key=key)
        await (producer.commit_transaction() if commit else producer.abort_transaction())


def test_one_tick_a_partition_and_second_from_one_of_two_workers(stage: Stage) -> None:
    first, second = stage.worker(), stage.worker()
    wait_until(lambda: len(first.owned()) == len(second.owned()) == PARTITIONS // 2, "an even share")

    def ticks_of_five_seconds(records: list[ConsumerRecord]) -> bool:
        return min(Counter(record.partition for record in records).values(), default=0) >= 5

    records = stage.read(stage.topic("account-events"), ticks_of_five_seconds)
    ticks = [(record.partition, json.loads(record.value)) for record in records]
    assert {record.key for record in records} == {b"*"}
    for _, tick in ticks:
        assert (tick["type"], tick["account_id"]) == ("clock-ticked", "*")
        assert tick["id"] == f"tick-{tick['occurred_at']}"
    assert max(Counter((partition, tick["id"]) for partition, tick in ticks).values()) == 1


def test_a_rule_that_never_returns_ends_the_worker(stage: Stage) -> None:
    worker = stage.worker(stalled_after_s=2)
    worker.wait_owned()
    stage.send([Deposit("hang", "account-1", type="hang")])
    status, last = worker.wait_ended()
    assert status == Exit.BUG
    assert last["reason"] == "the event loop is stuck"


def test_a_rule_that_fails_ends_the_worker_which_names_the_record(stage: Stage) -> None:
    worker = stage.worker(clock="none")
    worker.wait_owned()
    stage.write(stage.topic("account-events"), [(3, b"a", msgspec.json.encode(Deposit("crash", "a", type="crash")))])
    status, last = worker.wait_ended()
    assert status == Exit.BUG
    assert (last["reason"], last["partition"], last["offset"]) == ("the wallet agent failed", 3, 0)


# Seen after a worker had been paused for longer than its session: it had its partitions back and read none of them.
def test_a_worker_that_no_longer_fetches_ends(stage: Stage) -> None:
    worker = stage.worker(stalled_after_s=4, TALLY_DEAF=1)
    worker.wait_owned()
    stage.send(stage.deposits(1))
    status, last = worker.wait_ended(60)
    assert status == Exit.PASSING
    assert last["reason"] == "inputs wait in the log and nothing is fetched"
    stage.worker().wait_owned()
    stage.check_exactly_once()


def test_it_reports_its_readiness_and_its_metrics(stage: Stage) -> None:
    worker = stage.worker()
    wait_until(lambda: bool(worker.events("worker starts")), "a health port")
    port = worker.events("worker starts")[0]["health_port"]
    assert status_of(port, "/readyz") == 503
    wait_until(lambda: status_of(port, "/readyz") == 200, "readiness")
    stage.send(stage.deposits(30))
    stage.wait_charged()
    assert status_of(port, "/") == 404
    wait_until(lambda: sample(port, "tollgate_rebalances_total") == 1, "metrics")
    names = {line.split("{")[0].split(" ")[0] for line in scrape(port).splitlines() if not line.startswith("#")}
    for row in METRICS:
        assert {row.name, f"{row.name}_count"} & names, row.name
    assert sample(port, "tollgate_accounts") > 0
    worker.stop()


def status_of(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code

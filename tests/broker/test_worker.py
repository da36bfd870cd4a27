"""A worker in operation: odd inputs, gaps in the log, time, silence, and what it tells."""

import asyncio
import json
import urllib.error
import urllib.request
from collections import Counter

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from stream.dead_letters import KEPT_BYTES
from stream.fail_stop import EXIT_STATUS
from stream.metrics import METRICS
from tests.broker.stage import PARTITIONS, Stage, wait_until
from tests.broker.tally import Deposit

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
    letters_sent += [(1, b"k", LARGEST), (2, b"k", BOMB[:KEPT_BYTES])]
    stage.send(stage.deposits(50))
    stage.check_exactly_once()
    letters = stage.read(stage.topic("dead-letters"), lambda found: len(found) >= len(letters_sent))
    # In one transaction with the good records beside it, as it came: the small rule writes an absent value as empty.
    assert Counter((r.partition, r.key, r.value) for r in letters) == Counter(
        (p, k, v or b"") for p, k, v in letters_sent
    )


def test_offsets_taken_by_markers_and_aborted_records_are_no_hole(stage: Stage) -> None:
    worker = stage.worker(clock="none")
    worker.wait_owned()
    for count in (1, 20):
        asyncio.run(in_transaction(stage, stage.deposits(count), commit=True))
        asyncio.run(in_transaction(stage, [Deposit("never", "account-1", 1)] * 5, commit=False))
        stage.send(stage.deposits(count))
        stage.settle()
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
    assert status == EXIT_STATUS
    assert last["reason"] == "the event loop is stuck"


def test_it_tells_that_it_is_ready_and_what_it_did(stage: Stage) -> None:
    worker = stage.worker()
    wait_until(lambda: bool(worker.events("worker starts")), "a health port")
    port = worker.events("worker starts")[0]["health_port"]
    assert status_of(port, "/readyz") == 503
    wait_until(lambda: status_of(port, "/readyz") == 200, "readiness")
    stage.send(stage.deposits(30))
    stage.settle()
    assert status_of(port, "/") == 404
    wait_until(lambda: sample(port, "tollgate_rebalances_total") == 1, "metrics")
    names = {line.split("{")[0].split(" ")[0] for line in scrape(port).splitlines() if not line.startswith("#")}
    for row in METRICS:
        assert {row.name, f"{row.name}_count"} & names, row.name
    assert sample(port, "tollgate_accounts") > 0
    worker.stop()


def status_of(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def sample(port: int, name: str) -> float:
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in scrape(port).splitlines() if line.split("{")[0].split(" ")[0] == name
    )

"""G2 on a real broker: how a backlog is checked, what one tick may do, and which worker ticks."""

import asyncio
import json
import signal
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from agents.wallet.signature import sign
from backoffice.replay import replay_lines
from schemas.partitioning import partition_of
from stream.fail_stop import Exit
from tests.lane.scrape import sample
from tests.lane.stage import PARTITIONS, PRODUCT, Stage, WorkerProcess, wait_until
from tests.rules.story import Event, Story

KEY = b"the key of the tests"
SKEWED = ("tests.lane.skewed_worker",)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def home(account_id: str) -> int:
    return partition_of(account_id.encode(), PARTITIONS)


def put(stage: Stage, partition: int, events: Iterable[Event]) -> None:
    inputs = [(partition, str(event["account_id"]).encode(), json.dumps(event).encode()) for event in events]
    stage.write(stage.topic("account-events"), inputs)


def tick(at: str, tick_id: str) -> Event:
    return {"type": "clock-ticked", "id": tick_id, "account_id": "*", "occurred_at": at}


def codes(records: list[ConsumerRecord]) -> list[bytes]:
    return [dict(record.headers)["errors.code"] for record in records]


def story_of_calls(now: datetime) -> Story:
    """An account with credits, and 40 finished calls, the last of them just now and the first 6.5 minutes ago."""
    began = now - timedelta(minutes=8)
    story = Story("acme", signup=iso(began)).opens().switches("live_agent").is_granted(200)
    for n in range(40):
        started = now - timedelta(seconds=390 - 9 * n)
        story.ends(f"c{n}", started=iso(started), seconds=8, used=["live_agent"])
    return story


# The clock is from before the worker went down; each call is of its own time, and all of them count.
def test_g02_calls_that_waited_for_a_dead_worker_are_charged(stage: Stage) -> None:
    stage.create_topics()
    now = datetime.now(UTC)
    story = story_of_calls(now)
    put(stage, home("acme"), [*story.inputs[:3], tick(iso(now - timedelta(seconds=390)), "before"), *story.inputs[3:]])
    stage.worker(PRODUCT, clock="none").wait_owned()
    charged = stage.read(stage.topic("charges"), lambda found: len(found) == 40)
    assert {json.loads(record.value)["amount_micros"] for record in charged} == {3_000_000}
    assert stage.read(stage.topic("dead-letters")) == []


# One for 2030 would have every card charged for years of renewals, one for 2099 would make every later call too late.
@pytest.mark.parametrize(("keys", "code"), [((KEY,), b"unauthenticated"), ((), b"future_time")], ids=["keys", "none"])
def test_g02_one_hostile_tick_moves_nothing(stage: Stage, keys: tuple[bytes, ...], code: bytes) -> None:
    stage.create_topics()
    account_id = next(a for a in (f"a{n}" for n in range(1_000)) if home(a) == 0)
    now = datetime.now(UTC)
    opening = Story(account_id, signup=iso(now)).opens("professional").says("redirect-set", redirect_to="+15550100")
    put(stage, 0, opening.inputs)
    hostile = [tick(f"{year}-01-01T00:00:00Z", f"hostile-{year}") for year in (2030, 2099)]
    put(stage, 0, hostile)
    signing = {"signing_keys": ",".join(key.decode() for key in keys)} if keys else {}
    worker = stage.worker(PRODUCT, **signing)
    worker.wait_owned()
    put(stage, 0, opening.starts("c1", at=iso(datetime.now(UTC))).inputs[-1:])
    [admitted] = stage.read(stage.topic("call-decisions"), lambda found: len(found) == 1)
    assert json.loads(admitted.value)["type"] == "call-admitted"
    assert codes(stage.read(stage.topic("dead-letters"))) == [code, code]
    assert stage.read(stage.topic("payment-requests")) == []
    # The worker's own ticks are taken: where there are keys they are signed.
    ticks = stage.read(stage.topic("account-events"), lambda found: sum(r.key == b"*" for r in found) >= 2 + PARTITIONS)
    own = [record for record in ticks if record.key == b"*" and b"hostile" not in record.value]
    for record in own:
        wanted = [("signature", sign(record.value, KEY))] if keys else []
        assert list(record.headers) == wanted
    port = worker.events("worker starts")[0]["health_port"]
    wait_until(lambda: abs(sample(port, "tollgate_clock_seconds") / PARTITIONS - time.time()) < 60, "a clock of today")


def ticks_by_partition(stage: Stage) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {partition: set() for partition in range(PARTITIONS)}
    for record in stage.read(stage.topic("account-events")):
        if record.key == b"*":
            found[record.partition].add(json.loads(record.value)["id"])
    return found


def grown(stage: Stage, before: dict[int, set[str]], partitions: Iterable[int], by: int) -> bool:
    now = ticks_by_partition(stage)
    return all(len(now[partition] - before[partition]) >= by for partition in partitions)


def test_g02_other_partitions_have_time_while_the_leader_stands_still(stage: Stage) -> None:
    """A leader that is stopped, not dead, keeps its partitions for a whole session: others must not wait for it. Some
    50 seconds, most of them for two workers to share the partitions.
    """
    workers = [stage.worker(session_timeout_ms=60_000) for _ in range(2)]
    wait_until(lambda: all(len(worker.owned()) == PARTITIONS // 2 for worker in workers), "an even share", 60)
    leader, other = sorted(workers, key=lambda worker: 0 not in worker.owned())
    none_yet: dict[int, set[str]] = {partition: set() for partition in range(PARTITIONS)}
    wait_until(lambda: grown(stage, none_yet, range(PARTITIONS), 1), "ticks everywhere")
    leader.signal(signal.SIGSTOP)
    try:
        before = ticks_by_partition(stage)
        wait_until(lambda: grown(stage, before, other.owned(), 4), "ticks from the other worker", 60)
        now = ticks_by_partition(stage)
        # What the leader had sent before it was stopped may still have come.
        assert all(len(now[partition] - before[partition]) <= 1 for partition in leader.owned())
    finally:
        leader.signal(signal.SIGCONT)


def reports_wrong(worker: WorkerProcess) -> list[dict[str, Any]]:
    return worker.events(
        "the wall clock disagrees with the broker's: this worker does not tick; set the machine's clock"
    )


@pytest.mark.parametrize("skew_s", [3_600, -3_600, 30], ids=["ahead", "behind", "a little"])
def test_g02_a_worker_whose_wall_clock_is_wrong_does_not_tick_and_logs_it(stage: Stage, skew_s: int) -> None:
    began_s = time.monotonic()
    wrong = stage.worker(SKEWED, TALLY_SKEW_S=skew_s)
    wrong.wait_owned()
    wait_until(lambda: bool(reports_wrong(wrong)), "a line that reports it", 60)
    port = wrong.events("worker starts")[0]["health_port"]
    # A lower bound: the time that the tick waited may hide a part.
    for ahead_s in (reports_wrong(wrong)[0]["ahead_seconds"], sample(port, "tollgate_wall_clock_ahead_seconds")):
        assert 5 < ahead_s * (1 if skew_s > 0 else -1) <= abs(skew_s) + 1
    # Five seconds of a right clock later the wrong one has sent no more than the tick that showed it.
    stage.worker()
    wait_until(lambda: max(map(len, ticks_by_partition(stage).values())) >= 5, "ticks of the right clock", 60)
    ahead = [
        datetime.fromisoformat(json.loads(record.value)["occurred_at"]).timestamp() - record.timestamp / 1_000
        for record in stage.read(stage.topic("account-events"))
    ]
    off = [ahead_s for ahead_s in ahead if ahead_s * (1 if skew_s > 0 else -1) > abs(skew_s) / 3]
    assert len(off) == 1
    # One line a minute, however long this took.
    assert len(reports_wrong(wrong)) <= 1 + (time.monotonic() - began_s) / 60


def test_g02_inputs_without_broker_timestamps_are_refused_except_in_simulation(stage: Stage) -> None:
    stage.create_topics()
    asyncio.run(set_config(stage, "message.timestamp.type", "CreateTime"))
    status, last = stage.worker().wait_ended()
    assert status == Exit.PERSON
    assert "message.timestamp.type is CreateTime, must be LogAppendTime" in last["reason"]
    assert "tollgate topics --apply" in last["reason"]
    stage.worker(clock="simulation").wait_owned()


async def set_config(stage: Stage, key: str, value: str) -> None:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=stage.bootstrap)
    await admin.start()
    try:
        name = stage.topic("account-events")
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={key: value})])
    finally:
        await admin.close()


def test_g02_a_period_end_of_many_accounts_survives_kills_and_gives_the_facts_of_a_replay(stage: Stage) -> None:
    """2 000 accounts of one partition end their period at one tick; the worker is killed twice in the middle, and goes
    on without a record to wake it. Calls of some accounts come meanwhile. Some 20 seconds: three workers start.
    """
    stage.create_topics()
    ids = [a for a in (f"a{n}" for n in range(2_000 * 2 * PARTITIONS)) if home(a) == 3][:2_000]
    signup, boundary = "2026-01-15T09:00:00Z", "2026-02-15T00:00:00Z"
    opening = [tick(signup, "t0"), *(Story(a, signup=signup).opens("professional").inputs[0] for a in ids)]
    opening += [Story(a, signup=signup).adds_card().inputs[0] | {"id": "card"} for a in ids[::7]]
    seconds = [f"2026-02-15T00:00:{n:02d}Z" for n in range(40)]
    ending = [tick(boundary, "t1")]
    for n, at in enumerate(seconds[1:], 2):
        ending.append(tick(at, f"t{n}"))
        for account_id in ids[n::97]:
            start = Story(account_id, signup=at).starts(f"c{n}").inputs[0]
            ending.append(start | {"id": f"start-{n}"})
    put(stage, 3, [*opening, *ending])
    wanted: dict[str, list[Any]] = {}
    lines = [json.dumps(event).encode() for event in [*opening, *ending]]
    for fact in replay_lines(lines, time="ticks"):
        wanted.setdefault(fact["account_id"], []).append(fact)
    invoices = sum(fact["type"] == "invoice-issued" for facts in wanted.values() for fact in facts)
    assert invoices == len(ids)
    for enough in (200, 900):
        worker = stage.worker(PRODUCT, clock="simulation")
        wait_for_invoices(stage, enough)
        worker.kill()
    stage.worker(PRODUCT, clock="simulation")
    wait_for_invoices(stage, invoices)
    found: dict[str, dict[str, Any]] = {}
    for name in ("invoices", "call-decisions", "payment-requests", "alerts", "ledger-entries", "charges"):
        for record in stage.read(stage.topic(name)):
            fact = json.loads(record.value)
            known = found.setdefault(fact["account_id"], {})
            assert fact["id"] not in known
            known[fact["id"]] = fact
    for account_id, facts in wanted.items():
        assert found[account_id] == {fact["id"]: fact for fact in facts}
    assert found.keys() == wanted.keys()


def wait_for_invoices(stage: Stage, count: int) -> None:
    stage.read(stage.topic("invoices"), lambda found: len(found) >= count)

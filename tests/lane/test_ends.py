"""A worker ends in time and with the right status for its supervisor, whatever its broker does."""

import asyncio
import json
import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from devkit.broker import DevBroker
from stream.fail_stop import Exit
from stream.rights import Operation, on_group
from stream.stopping import SIGNALS
from tests.lane.acls import acls_of, grant
from tests.lane.operator import set_group
from tests.lane.scrape import sample
from tests.lane.stage import PARTITIONS, Stage, WorkerProcess, own_name, wait_until
from tests.lane.tally import PAUSE_S, Deposit, row

# A stop takes at most ten seconds; a busy machine needs some more.
STOPPED_S = 20
# From the moment at which a restarted broker answers it is 15 s; the rest is for a busy machine.
FLOWING_S = 40


def stop_in_time(worker: WorkerProcess, number: signal.Signals = signal.SIGTERM) -> int:
    worker.signal(number)
    return worker.process.wait(STOPPED_S)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_an_orderly_stop_has_status_0(stage: Stage, number: signal.Signals) -> None:
    worker = stage.worker()
    worker.wait_owned()
    assert stop_in_time(worker, number) == 0
    assert worker.events("worker ends")


def test_a_stop_with_a_frozen_broker_ends_in_time_and_names_what_it_waited_for(stage: Stage, broker: DevBroker) -> None:
    worker = stage.worker()
    worker.wait_owned()
    with broker.frozen():
        assert stop_in_time(worker) == Exit.PASSING
    last = json.loads(worker.tail(1))
    assert last["reason"] == "the stop did not finish"
    assert last["waits_for"]


def test_a_stop_with_a_dead_broker_ends_in_time(stage: Stage, broker: DevBroker) -> None:
    worker = stage.worker()
    worker.wait_owned()
    broker.kill()
    try:
        assert stop_in_time(worker) in {0, Exit.PASSING}, worker.tail()
    finally:
        broker.start()


def test_a_stop_while_it_waits_for_its_broker_ends_at_once(stage: Stage, broker: DevBroker) -> None:
    nowhere = stage.worker(bootstrap_servers="127.0.0.1:1")
    with broker.frozen():
        frozen = stage.worker()
        # No line of its own yet: the interpreter must have come as far as the signals.
        wait_until(lambda: signals_taken(nowhere) and signals_taken(frozen), "two workers that take signals")
        assert [stop_in_time(nowhere), stop_in_time(frozen)] == [0, 0]


def signals_taken(worker: WorkerProcess) -> bool:
    assert worker.process.poll() is None, worker.tail()
    status = Path(f"/proc/{worker.process.pid}/status").read_text().splitlines()
    blocked = next(int(line.split()[1], 16) for line in status if line.startswith("SigBlk"))
    # Exactly these: while a thread or a process is started, all signals are blocked for a moment.
    return blocked == sum(1 << (number - 1) for number in SIGNALS)


def test_a_stop_during_a_restore_ends_in_time(stage: Stage) -> None:
    stage.create_topics()
    accounts = [f"account-{n}" for n in range(400)]
    stage.write(stage.changelog, ((n % PARTITIONS, a.encode(), row(a.encode(), 1, n)) for n, a in enumerate(accounts)))
    set_group(stage.bootstrap, stage.app_id, stage.topic("account-events"), dict.fromkeys(range(PARTITIONS), 0))
    worker = stage.worker(TALLY_RESTORE_PAUSE_S=0.5)
    wait_until(lambda: bool(worker.events("row checked")), "a restore under way")
    assert stop_in_time(worker) in {0, Exit.PASSING}, worker.tail()
    assert not worker.events("restored")


def test_a_stop_of_a_worker_whose_loop_is_stuck_ends_in_time(stage: Stage) -> None:
    worker = stage.worker()
    worker.wait_owned()
    stage.send([Deposit("hang", "account-1", type="hang")])
    port = worker.events("worker starts")[0]["health_port"]
    wait_until(lambda: sample(port, "tollgate_watchdog_seconds") > 1, "a loop that is stuck")
    assert stop_in_time(worker) == Exit.PASSING
    assert json.loads(worker.tail(1))["reason"] == "the stop did not finish"


def test_a_worker_that_is_not_set_going_in_time_ends(stage: Stage) -> None:
    """It would keep its partitions and never be ready. 20 s: two sessions pass before it gives up."""
    worker = stage.worker(TALLY_SEEK_S=60)
    status, last = worker.wait_ended(90)
    assert status == Exit.PASSING
    assert last["reason"] == "the consumer did not resume in time"


def test_a_frozen_broker_is_something_that_passes(stage: Stage, broker: DevBroker) -> None:
    """The broker freezes while a rule decides: between two batches a worker knows of nothing that waits."""
    worker = stage.worker(stalled_after_s=2 * PAUSE_S)
    worker.wait_owned()
    stage.send([Deposit("pause", "account-1", type="pause")])
    wait_until(lambda: bool(worker.events("rule pauses")), "a batch under way")
    with broker.frozen():
        status, last = worker.wait_ended()
    assert (status, last["reason"]) == (Exit.PASSING, "inputs or timed work wait and nothing is committed")


def test_a_broker_that_never_answers_is_something_that_passes(stage: Stage) -> None:
    """It takes the thirty seconds that a worker waits for its broker."""
    status, last = stage.worker(bootstrap_servers="127.0.0.1:1").wait_ended(60)
    assert status == Exit.PASSING
    assert last["event"] == "worker refuses to start"
    assert "no answer from 127.0.0.1:1 in 30 s" in last["reason"]
    assert "is a broker running there, and is TOLLGATE_BOOTSTRAP_SERVERS right?" in last["reason"]


def test_a_session_time_out_that_the_broker_refuses_needs_a_person(stage: Stage) -> None:
    status, last = stage.worker(session_timeout_ms=1_000).wait_ended()
    assert status == Exit.PERSON
    assert last["error"].startswith("the broker refuses TOLLGATE_SESSION_TIMEOUT_MS: ")
    assert (last["group"], last["session_timeout_ms"]) == (stage.app_id, 1_000)


def test_a_group_of_another_program_needs_a_person(stage: Stage) -> None:
    stage.create_topics()
    status, last = asyncio.run(beside_another_program(stage))
    assert status == Exit.PERSON
    assert "the consumer group has members of another program" in last["error"]


async def beside_another_program(stage: Stage) -> tuple[int, dict[str, Any]]:
    async with AIOKafkaConsumer(
        stage.topic("account-events"), bootstrap_servers=stage.bootstrap, group_id=stage.app_id
    ) as other:
        while not other.assignment():  # noqa: ASYNC110 the client has no event for it
            await asyncio.sleep(0.1)
        return await asyncio.to_thread(stage.worker().wait_ended)


def test_a_missing_right_on_the_group_needs_a_person(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A broker with access rights, where only another user may be a member of the group."""
    rights = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with DevBroker(tmp_path / "kafka", properties=rights) as broker:
        stage = Stage(broker.bootstrap, own_name(request.node), tmp_path)
        stage.create_topics()
        asyncio.run(allow_only(broker, "User:another", stage.app_id))
        try:
            status, last = stage.worker().wait_ended()
        finally:
            stage.close()
    assert status == Exit.PERSON
    assert f"may not Read on group {stage.app_id}: grant it" in last["reason"]


async def allow_only(broker: DevBroker, user: str, group: str) -> None:
    """From now on the broker refuses every other user that wants to join `group`."""
    read = on_group(Operation.Read, group, "joins the group")
    await grant(broker.bootstrap, acls_of(user.removeprefix("User:"), [read]))
    # The broker applies the rule once it is in the metadata log.
    await asyncio.sleep(1)


def test_a_port_in_use_is_named(stage: Stage) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, last = stage.worker(health_port=port).wait_ended()
    assert status == Exit.PERSON
    assert last["reason"] == f"port {port} of 127.0.0.1 is in use: stop what listens there, or set another port"


def test_unsigned_money_inputs_are_warned_of_once(stage: Stage) -> None:
    unsigned, signed = stage.worker(), stage.worker(signing_keys="one, two")
    wait_until(lambda: bool(unsigned.events("worker starts") and signed.events("worker starts")), "two workers")
    wait_until(lambda: bool(unsigned.owned() and signed.owned()), "partitions for both")
    assert len(unsigned.events("money inputs are not signed")) == 1
    assert signed.events("money inputs are not signed") == []


def test_work_flows_soon_after_a_crashed_broker_answers_again(stage: Stage, broker: DevBroker) -> None:
    """As a supervisor has it: a worker that ends is started again. The whole takes a broker's crash and start."""
    workers = [stage.worker()]
    workers[0].wait_owned()
    stage.send(stage.deposits(50))
    stage.wait_charged()
    broker.kill()
    broker.start()
    answers_at = time.monotonic()
    stage.send(stage.deposits(50))

    def flowing() -> bool:
        if workers[-1].process.poll() is not None:
            assert workers[-1].process.returncode == Exit.PASSING, workers[-1].tail()
            workers.append(stage.worker())
        return len(stage.read(stage.topic("charges"))) == len(stage.sent)

    wait_until(flowing, "work that flows again", FLOWING_S)
    print(f"flowing again after {time.monotonic() - answers_at:.1f} s, {len(workers)} workers")
    stage.check_exactly_once()


def test_lines_of_libraries_are_one_a_second_while_the_broker_is_away(stage: Stage, broker: DevBroker) -> None:
    worker = stage.worker(clock="none")
    worker.wait_owned()
    broker.kill()
    died_at = datetime.now(UTC)
    try:
        wait_until(lambda: datetime.now(UTC) - died_at > timedelta(seconds=6), "six seconds without a broker")
    finally:
        broker.start()
    lines = [line for line in worker.lines() if not line["logger"].startswith("tollgate")]
    times = [datetime.fromisoformat(line["timestamp"]) for line in lines]
    away = [at for at in times if at > died_at]
    assert away
    # The filter counts from the moment a line passes, the time stamp is made a little later.
    assert all(later - earlier > timedelta(seconds=0.9) for earlier, later in pairwise(away))
    assert any(line.get("held_back", 0) > 0 for line in lines)

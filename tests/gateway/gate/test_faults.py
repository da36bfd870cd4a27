"""The gate while Redis or the broker is away, and after its own restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devkit.broker import DevBroker
from devkit.redis import DevRedis
from tests.gateway.gate.calls import (
    AUTHORIZE,
    asked,
    authorize,
    authorize_all,
    body,
    decisions,
    ending,
    facts_of,
    opened,
    opening,
    sample,
    send,
    starts,
    version,
)
from tests.gateway.stage import GatewayProcess, GatewayStage
from tests.lane.stage import wait_until

# A broker, a Redis, a worker, views and several gateways in sequence take long on a busy machine.
pytestmark = pytest.mark.timeout(600)

PATIENT_MS = 10_000
FEATURES = ["live_agent"]


class Faulty:
    """A stage on a broker and a Redis of its own, with a worker and views."""

    def __init__(self, directory: Path, broker: DevBroker, redis: DevRedis) -> None:
        self.broker, self.redis = broker, redis
        self.stage = GatewayStage(broker.bootstrap, redis.url, "faulty", directory)
        self.stage.worker()
        self.stage.views()
        opened(self.stage, [*opening("rich", *FEATURES, credit=400), *opening("minutes", plan="professional")])


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    directory = tmp_path_factory.mktemp("faulty")
    with DevBroker(directory / "kafka") as broker, DevRedis(directory / "redis") as redis:
        made = Faulty(directory, broker, redis)
        yield made
        made.stage.close()


@pytest.fixture
def gateway(faulty: Faulty) -> Iterator[GatewayProcess]:
    """A gateway that waits for the engine, for one test."""
    faulty.stage.gateways.clear()
    made = faulty.stage.gateway(gate_timeout_ms=PATIENT_MS)
    yield made
    made.kill()


def test_a_restart_forgets_nothing_that_redis_has(faulty: Faulty, gateway: GatewayProcess) -> None:
    stage = faulty.stage
    first = authorize(stage, "rich", "restart")
    wait_until(lambda: stage.redis.hexists("tg:1:{rich}:call:restart", "decision"), "the decision in the views")
    gateway.stop()
    again = asked(stage, stage.gateway(gate_timeout_ms=PATIENT_MS), "rich", "restart")
    assert facts_of(again) == facts_of(first)
    assert again["features_enabled"] == FEATURES
    assert len(starts(stage, "rich", "restart")) == 1


def test_without_redis_the_engine_decides_and_the_memory_remembers(faulty: Faulty, gateway: GatewayProcess) -> None:
    """A second gateway, which remembers nothing, has the call reported again: it may connect, without features."""
    stage = faulty.stage
    known = authorize(stage, "rich", "before")
    faulty.redis.kill()
    first = authorize(stage, "rich", "away")
    assert (first["source"], first["features_enabled"]) == ("engine", FEATURES)
    assert facts_of(authorize(stage, "rich", "away")) == facts_of(first)
    assert facts_of(authorize(stage, "rich", "before")) == facts_of(known)
    assert len(starts(stage, "rich", "away")) == 1
    assert sample(gateway, "tollgate_gate_redis_errors_total") > 0
    other = stage.gateway(gate_timeout_ms=PATIENT_MS)
    assert asked(stage, other, "rich", "away")["reason"] == "already_reported"
    faulty.redis.start()
    wait_until(lambda: version(stage, "rich") > 0, "the views in the new Redis", 60)
    wait_until(lambda: stage.redis.hexists("tg:1:{rich}:call:away", "decision"), "the decision in the views", 60)
    again = asked(stage, other, "rich", "away")
    assert facts_of(again) == facts_of(first)
    other.kill()


def test_a_redis_that_hangs_takes_little_of_the_time(faulty: Faulty, gateway: GatewayProcess) -> None:
    stage = faulty.stage
    with faulty.redis.frozen():
        answers = authorize_all(stage, [("minutes", f"hanging-{number}") for number in range(20)], at_once=5)
    assert {answer["reason"] for answer in answers.values()} == {"subscription"}
    assert sample(gateway, "tollgate_gate_decisions_total", source="policy") == 0


def test_a_redis_that_is_emptied_changes_no_decision(faulty: Faulty, gateway: GatewayProcess) -> None:
    """Another gateway finds nothing in Redis and writes the starts again; the engine has decided them, and the views
    read the decisions again.
    """
    stage, other = faulty.stage, faulty.stage.gateway(gate_timeout_ms=PATIENT_MS)
    calls = [("minutes", f"emptied-{number}") for number in range(40)]
    first = authorize_all(stage, calls, gateways=[gateway])
    stage.redis.flushall()
    second = authorize_all(stage, [*calls, *(("rich", f"emptied-{n}") for n in range(5))], gateways=[other])
    assert {call: facts_of(second[call]) for call in calls} == {call: facts_of(first[call]) for call in calls}
    assert {answer["source"] for answer in second.values()} == {"engine"}
    found = decisions(stage)
    assert all(len(found[call]) == 1 for call in second)
    other.kill()


def test_a_broker_that_hangs_gets_the_start_later_and_once(faulty: Faulty) -> None:
    stage = faulty.stage
    stage.gateways.clear()
    hasty = stage.gateway(gate_timeout_ms=300)
    call = ("minutes", "frozen")
    with faulty.broker.frozen():
        first = authorize(stage, *call)
        assert (first["source"], first["reason"], first["logged"]) == ("policy", "policy_open", False)
        assert first["decided_in_ms"] >= 299  # The fraction of a millisecond is cut.
        again = authorize(stage, *call)
        assert facts_of(again) == facts_of(first)
        assert not again["logged"]
        assert sample(hasty, "tollgate_gate_unwritten_starts") == 1
    wait_until(lambda: sample(hasty, "tollgate_gate_unwritten_starts") == 0, "the start in the log", 60)
    wait_until(lambda: sample(hasty, "tollgate_gate_undecided_starts") == 0, "its decision", 60)
    assert authorize(stage, *call)["reason"] == "subscription"
    assert len(starts(stage, *call)) == len(decisions(stage)[call]) == 1
    hasty.kill()


def test_a_broker_that_hangs_for_long_has_one_effect_of_each_start(faulty: Faulty) -> None:
    """The producer is replaced, and what became of its starts is not known: they are written again, and the engine
    decides each once.
    """
    stage = faulty.stage
    stage.gateways.clear()
    hasty = stage.gateway(gate_timeout_ms=300, gate_blind_account_max=5)
    calls = [("minutes", f"long-{number}") for number in range(20)]
    with faulty.broker.frozen():
        answers = authorize_all(stage, calls, at_once=20)
        assert {answer["logged"] for answer in answers.values()} == {False}
        replaced = "the producer makes no progress and is replaced"
        wait_until(lambda: bool(hasty.events(replaced)), "another producer", 60)
    wait_until(lambda: sample(hasty, "tollgate_gate_unwritten_starts") == 0, "all starts in the log", 60)
    wait_until(lambda: sample(hasty, "tollgate_gate_undecided_starts") == 0, "all decisions", 60)
    found = decisions(stage)
    assert [len(found[call]) for call in calls] == [1] * len(calls)
    blind = sum(answer["decision"] == "redirect" for answer in answers.values())
    assert blind == sample(hasty, "tollgate_gate_differing_total") >= 10
    hasty.kill()


def test_a_stop_does_not_wait_for_a_broker_that_hangs(faulty: Faulty) -> None:
    stage = faulty.stage
    stage.gateways.clear()
    hasty = stage.gateway(gate_timeout_ms=300)
    with faulty.broker.frozen():
        assert authorize(stage, "minutes", "stopped")["source"] == "policy"
        hasty.stop()
    assert hasty.events("starts of calls were not written")[0]["starts"] == 1


def test_a_closed_policy_redirects_what_the_engine_did_not_decide(faulty: Faulty) -> None:
    """Of a call that had been reported the engine decides nothing: the first answer stays, and differs from none."""
    stage = faulty.stage
    stage.gateways.clear()
    closed = stage.gateway(gate_timeout_ms=300, gate_policy="closed")
    send(stage, [ending("minutes", "closed-ended")])
    with faulty.broker.frozen():
        answers = [stage.post(AUTHORIZE, body("minutes", call)).json() for call in ("closed", "closed-ended")]
    for answer in answers:
        assert (answer["decision"], answer["reason"], answer["hold_micros"]) == ("redirect", "policy_closed", 0)
    wait_until(lambda: sample(closed, "tollgate_gate_unwritten_starts") == 0, "the starts in the log")
    wait_until(lambda: sample(closed, "tollgate_gate_undecided_starts") == 0, "what the engine makes of them")
    assert sample(closed, "tollgate_gate_differing_total") == 1
    assert authorize(stage, "minutes", "closed")["source"] == "engine"
    again = authorize(stage, "minutes", "closed-ended")
    assert (again["reason"], again["source"], again["logged"]) == ("policy_closed", "policy", True)
    closed.kill()

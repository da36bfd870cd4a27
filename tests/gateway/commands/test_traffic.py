"""Commands while the worker's partitions move, while gateways are killed, and across a crash of the broker: each has
one effect, and the caller is told the right outcome. The tests take more than 20 s: workers join and leave, and groups
are formed anew.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from devkit.broker import DevBroker
from devkit.redis import DevRedis
from schemas.partitioning import partition_of
from tests.gateway.commands.traffic import WITHOUT_OUTCOME, Sender, grants, traffic
from tests.gateway.stage import PARTITIONS, GatewayStage
from tests.lane.stage import own_name, wait_until
from tests.payments.adapter_stage import PythonProcess

MORE = 20


def opened(stage: GatewayStage, prefix: str) -> list[str]:
    """Two new accounts in each partition."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for number in range(100):
        account = f"{prefix}-{number}"
        found[partition_of(account.encode(), PARTITIONS)].append(account)
    accounts = [account for of_partition in found.values() for account in of_partition[:2]]
    assert len(accounts) == 2 * PARTITIONS
    for account in accounts:
        wait_until(partial(is_open, stage, account), "an account", 120)
    return accounts


def is_open(stage: GatewayStage, account: str) -> bool:
    body = {"account_id": account, "plan": "free", "id": "opened"}
    reply = stage.post("/v1/accounts", body, gateway=stage.gateways[-1])
    assert reply.status in {200, 201, *WITHOUT_OUTCOME}, reply
    return reply.status not in WITHOUT_OUTCOME


def owned(worker: PythonProcess) -> set[int]:
    lines = worker.events("partitions owned")
    return set(lines[-1]["partitions"]) if lines else set()


def wait_for_more(senders: Sequence[Sender], seconds: float = 60.0) -> None:
    before = grants(senders)
    wait_until(lambda: grants(senders) >= before + MORE, "commands that take effect", seconds)


@pytest.fixture(scope="module")
def worker(stage: GatewayStage) -> PythonProcess:
    return stage.worker()


def test_commands_while_a_second_worker_joins_and_leaves(stage: GatewayStage, worker: PythonProcess) -> None:
    stage.gateway(command_timeout_ms=30_000)
    with traffic(stage, opened(stage, "moved")) as senders:
        second = stage.start("worker")
        wait_until(lambda: len(owned(worker)) == len(owned(second)) == PARTITIONS // 2, "a partition each", 60)
        wait_for_more(senders)
        stage.end(second)
        wait_until(lambda: len(owned(worker)) == PARTITIONS, "the first worker has all again", 60)
        wait_for_more(senders)
    # No command was pending, so each outcome is that of the one time that it was sent.
    assert sum(sender.sent_again for sender in senders) == 0


def test_commands_while_gateways_are_killed(stage: GatewayStage, worker: PythonProcess) -> None:
    """Each is killed with what it has under way, which is sent again to the next one."""
    stage.gateway()
    with traffic(stage, opened(stage, "killed")) as senders:
        for _ in range(3):
            wait_for_more(senders)
            stage.gateways[-1].kill()
            stage.gateway()
    assert sum(sender.sent_again for sender in senders) > 0


def test_commands_across_a_crash_of_the_broker(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A broker of its own. Started again it reports an older offset of the group for a moment."""
    with DevBroker(tmp_path_factory.mktemp("kafka")) as broker, DevRedis(tmp_path_factory.mktemp("redis")) as redis:
        stage = GatewayStage(broker.bootstrap, redis.url, own_name(request.node), tmp_path)
        try:
            stage.worker()
            stage.gateway(command_timeout_ms=2_000)
            with traffic(stage, opened(stage, "restarted")) as senders:
                wait_for_more(senders)
                broker.kill()
                broker.start()
                wait_for_more(senders, 90)
        finally:
            stage.close()
            # Shown when the test fails.
            print(*(process.log()[-2_000:] for process in stage.processes), sep="\n\n")

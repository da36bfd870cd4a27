"""A notifier with exactly its rights, over TLS; what happens when they are taken away."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from agents.notifier import rights as notifier_rights
from stream.fail_stop import Exit
from tests.lane.stage import own_name, wait_until
from tests.notifier.receiver import Receiver, accept, fail
from tests.notifier.stage import webhook
from tests.payments.adapter_stage import PythonProcess
from tests.security.place import ENDED_S, Place, settings_of
from tests.security.secured_broker import CANARY
from tests.security.traffic import ACCOUNT

pytestmark = pytest.mark.timeout(600)
NOTIFIER = "notifier"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("secured"), [NOTIFIER])
    with made.broker:
        yield made


def test_a_notifier_works_with_exactly_its_rights(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    name = own_name(request.node)
    place.topics(name)
    place.grant(NOTIFIER, notifier_rights.notifier(settings_of(name)))
    with Receiver(answer=fail) as receiver:
        file = tmp_path / "notify.toml"
        file.write_text(webhook(receiver))
        connection = {**place.login(NOTIFIER), "notify": str(file), "notify_retries_s": "1,1,1,1,1,1,1,1"}
        env = place.environment(name, connection)
        notifier = PythonProcess(["tollgate", "notifier"], env, tmp_path / "notifier.log")
        try:
            wait_until(lambda: bool(notifier.events("partition taken over")), "a partition", ENDED_S)
            value = json.dumps({"type": "balance-low", "id": "a/1", "account_id": ACCOUNT, "occurred_at": "x"}).encode()
            asyncio.run(_publish(place, f"{name}.alerts", value))
            wait_until(lambda: bool(notifier.events("an attempt failed")), "a row", ENDED_S)
            receiver.answer = accept
            wait_until(lambda: len(receiver.arrivals) >= 2, "the retry", ENDED_S)
            place.take_away(NOTIFIER, notifier_rights.notifier(settings_of(name)))
            asyncio.run(_publish(place, f"{name}.alerts", value))
            assert notifier.process.wait(ENDED_S) == Exit.PERSON, notifier.log()[-2_000:]
            assert CANARY not in notifier.log()
        finally:
            notifier.kill()


async def _publish(place: Place, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=place.broker.bootstrap) as producer:
        await producer.send_and_wait(topic, value, key=ACCOUNT.encode())

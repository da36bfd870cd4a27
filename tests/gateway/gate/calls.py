"""Accounts and calls for tests of the gate, and what the log then holds."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from demo.wire import encode
from gateway.gate.start import input_id
from schemas.instant import DAY_MS, SECOND_MS, format_instant
from schemas.money import MICROS_PER_UNIT
from schemas.partitioning import partition_of
from tests.gateway.stage import PARTITIONS, GatewayProcess, GatewayStage, Reply
from tests.lane.stage import wait_until

AUTHORIZE = "/v1/calls/authorize"
Answer = dict[str, Any]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def opening(account_id: str, *features: str, credit: int = 0, plan: str = "free", **fields: object) -> list[bytes]:
    """The inputs of an account that was opened a day ago, with features on and credits in whole units."""
    at_ms = now_ms() - DAY_MS
    inputs = [encode("account-opened", f"{account_id}:open", account_id, at_ms, {"plan": plan, **fields})]
    for feature in features:
        switch = {"feature": feature, "enabled": True}
        inputs.append(encode("feature-set", f"{account_id}:{feature}", account_id, at_ms, switch))
    if credit:
        grant = {"grant_id": "g", "amount_micros": credit * MICROS_PER_UNIT, "reason": "test", "actor": "test"}
        inputs.append(encode("credits-granted", f"{account_id}:grant", account_id, at_ms, grant))
    return inputs


def starting(account_id: str, call_id: str) -> bytes:
    """The start, now, of a call that telephony reports by itself."""
    return encode("call-started", f"{call_id}:started", account_id, now_ms(), {"call_id": call_id, "direction": "web"})


def ending(account_id: str, call_id: str, **fields: object) -> bytes:
    """The end, now, of a call that was answered twenty seconds ago."""
    ended_ms = now_ms()
    times = {
        "started_at": format_instant(ended_ms - 25 * SECOND_MS),
        "answered_at": format_instant(ended_ms - 20 * SECOND_MS),
    }
    fields = {"call_id": call_id, "direction": "inbound", "outcome": "completed", **times, **fields}
    return encode("call-ended", f"{call_id}:ended", account_id, ended_ms, fields)


def send(stage: GatewayStage, inputs: Iterable[bytes]) -> None:
    """Write inputs as telephony does, and wait until Kafka has them."""
    asyncio.run(_send(stage, list(inputs)))


async def _send(stage: GatewayStage, inputs: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=stage.bootstrap, linger_ms=5) as producer:
        sent = []
        for value in inputs:
            key = json.loads(value)["account_id"].encode()
            place = partition_of(key, PARTITIONS)
            sent.append(await producer.send(f"{stage.name}.account-events", value, key=key, partition=place))
        await asyncio.gather(*sent)


def opened(stage: GatewayStage, inputs: Iterable[bytes]) -> None:
    """Send the inputs of accounts, and wait until the views have them all."""
    values = list(inputs)
    send(stage, values)
    inputs_of = Counter(json.loads(value)["account_id"] for value in values)

    def all_there() -> bool:
        return all(version(stage, account) >= count for account, count in inputs_of.items())

    wait_until(all_there, "the accounts in the views", 40)


def version(stage: GatewayStage, account_id: str) -> int:
    """The version of the account's snapshot in the views; 0 without one."""
    text = stage.redis.get(f"tg:1:{{{account_id}}}:snapshot")
    return int(json.loads(text)["version"]) if text else 0


def body(account_id: str, call_id: str, **fields: object) -> dict[str, object]:
    return {"account_id": account_id, "call_id": call_id, "direction": "inbound", **fields}


def authorize(stage: GatewayStage, account_id: str, call_id: str, **fields: object) -> Answer:
    """The answer about one call."""
    return checked(stage.post(AUTHORIZE, body(account_id, call_id, **fields)), call_id)


def asked(stage: GatewayStage, gateway: GatewayProcess, account_id: str, call_id: str, key: str = "") -> Answer:
    """The same from one of several gateways."""
    return checked(stage.post(AUTHORIZE, body(account_id, call_id), gateway=gateway, key=key), call_id)


def checked(reply: Reply, call_id: str) -> Answer:
    assert reply.status == 200, reply.body
    answer: Answer = reply.json()
    assert answer["call_id"] == call_id
    assert answer["decided_in_ms"] >= 0
    return answer


def facts_of(answer: Answer) -> Answer:
    """An answer without what differs from one time to the next."""
    return {name: value for name, value in answer.items() if name not in {"call_id", "decided_in_ms", "logged"}}


def authorize_all(
    stage: GatewayStage,
    calls: Sequence[tuple[str, str]],
    keys: Sequence[str] = ("",),
    at_once: int = 50,
    gateways: Sequence[GatewayProcess] = (),
) -> dict[tuple[str, str], Answer]:
    """The answers about many calls, `at_once` of them under way, with the keys and gateways in turn."""
    return asyncio.run(_authorize_all(stage, calls, keys, at_once, gateways or stage.gateways[:1]))


async def _authorize_all(
    stage: GatewayStage,
    calls: Sequence[tuple[str, str]],
    keys: Sequence[str],
    at_once: int,
    gateways: Sequence[GatewayProcess],
) -> dict[tuple[str, str], Answer]:
    turn = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession() as client:

        async def ask(number: int, account_id: str, call_id: str) -> Answer:
            headers = {"Authorization": f"Bearer {keys[number % len(keys)] or stage.key}"}
            url = gateways[number % len(gateways)].url + AUTHORIZE
            async with turn, client.post(url, json=body(account_id, call_id), headers=headers) as reply:
                assert reply.status == 200, await reply.text()
                answer: Answer = await reply.json()
                return answer

        answers = await asyncio.gather(*(ask(number, *call) for number, call in enumerate(calls)))
    return dict(zip(calls, answers, strict=True))


def records(stage: GatewayStage, topic: str) -> list[dict[str, Any]]:
    """The committed records of a topic, each as its JSON."""
    return asyncio.run(_records(stage.bootstrap, f"{stage.name}.{topic}"))


async def _records(bootstrap: str, topic: str) -> list[dict[str, Any]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    found: list[dict[str, Any]] = []
    async with consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for some in (await consumer.getmany(timeout_ms=100)).values():
                found += [json.loads(record.value) for record in some]
    return found


def starts(stage: GatewayStage, account_id: str, call_id: str) -> list[dict[str, Any]]:
    """The starts of a call that gates have written."""
    wanted = input_id(account_id, call_id)
    return [value for value in records(stage, "account-events") if value["id"] == wanted]


def decisions(stage: GatewayStage) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The engine's decisions by account and call."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for fact in records(stage, "call-decisions"):
        found.setdefault((fact["account_id"], fact["call_id"]), []).append(fact)
    return found


def sample(gateway: GatewayProcess, name: str, **labels: str) -> float:
    """The sum of a metric's series with these labels."""
    total = 0.0
    for line in gateway.metrics().splitlines():
        series, _, value = line.rpartition(" ")
        wanted = all(f'{label}="{text}"' in series for label, text in labels.items())
        if wanted and series.partition("{")[0] == name:
            total += float(value)
    return total

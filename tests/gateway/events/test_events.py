"""`POST /v1/events` on a real broker with a gateway alone: what is written is read back from the log."""

import asyncio
import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from agents.wallet.signature import is_signed
from devkit.broker import DevBroker
from devkit.redis import DevRedis
from schemas.partitioning import partition_of
from tests.gateway.stage import PARTITIONS, GatewayStage, Reply
from tests.lane.stage import own_name, wait_until

AT = "2026-01-02T10:00:00Z"
KEYS = "first,second"
CARD = "4242 4242 4242 4242"
EVENT, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


@pytest.fixture(scope="module")
def running(stage: GatewayStage) -> GatewayStage:
    stage.gateway(signing_keys=KEYS)
    return stage


def places(stage: GatewayStage) -> list[TopicPartition]:
    return [TopicPartition(f"{stage.name}.account-events", partition) for partition in range(PARTITIONS)]


class Written:
    """The inputs that a test has written."""

    def __init__(self, stage: GatewayStage) -> None:
        self._stage = stage
        self._begin = asyncio.run(self._ends())

    async def _ends(self) -> dict[TopicPartition, int]:
        async with AIOKafkaConsumer(bootstrap_servers=self._stage.bootstrap) as consumer:
            return dict(await consumer.end_offsets(places(self._stage)))

    def records(self) -> list[ConsumerRecord]:
        """In the order of the log, partition by partition."""
        return asyncio.run(self._read())

    def values(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.records()]

    async def _read(self) -> list[ConsumerRecord]:
        found: list[ConsumerRecord] = []
        wanted = sum((await self._ends()).values()) - sum(self._begin.values())
        if not wanted:
            return found
        async with AIOKafkaConsumer(bootstrap_servers=self._stage.bootstrap, enable_auto_commit=False) as consumer:
            consumer.assign(places(self._stage))
            for place, begin in self._begin.items():
                consumer.seek(place, begin)
            while len(found) < wanted:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))


def started(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "type": "call-started",
        "id": f"in-{number}",
        "account_id": "acct-1",
        "occurred_at": AT,
        "call_id": f"call-{number}",
        "direction": "inbound",
        **fields,
    }


def test_a_single_input(running: GatewayStage) -> None:
    written = Written(running)
    reply = running.post("/v1/events", started(more="unknown fields are kept"))
    assert (reply.status, reply.json()) == (202, {"accepted": 1, "ids": ["in-1"], "rejected": []})
    [record] = written.records()
    assert json.loads(record.value) == started(more="unknown fields are kept")
    assert (record.key, record.partition, record.headers) == (b"acct-1", partition_of(b"acct-1", PARTITIONS), ())
    assert running.post("/v1/events", started()).status == 202, "an id already seen is written again"
    assert len(written.records()) == 2


def test_a_signed_input_and_its_actor(running: GatewayStage) -> None:
    written = Written(running)
    grant = {"type": "credits-granted", "id": "g", "account_id": "acct-1", "grant_id": "g", "amount_micros": 1}
    assert running.post("/v1/events", grant | {"reason": "r", "actor": "me"}).status == 202
    [record] = written.records()
    assert is_signed(record.value, record.headers, [b"first"])
    assert json.loads(record.value)["actor"] == "key:stage"
    assert json.loads(record.value)["occurred_at"].startswith("20")


def test_items_are_checked_one_by_one(running: GatewayStage) -> None:
    written = Written(running)
    key = running.keys.add("mixed", "calls", accounts=["acct-*"])
    wait_until(lambda: running.post("/v1/events", [], key=key).status == 202, "the new key")
    items = [
        started(1),
        started(2, account_id="other-1"),
        started(3, type="feature-set", feature="live_agent", enabled=True),
        started(4, type="clock-ticked"),
        started(5, direction="sideways"),
        "no object",
        started(7, id="gate:7"),
        started(8, more="x" * 70_000),
        {name: value for name, value in started(9).items() if name != "id"},
        {name: value for name, value in started(10).items() if name != "occurred_at"},
        started(11, occurred_at="2999-01-01T00:00:00Z"),
        started(12, specversion="0.3"),
        started(13),
    ]
    answer = running.post("/v1/events", items, key=key)
    assert answer.status == 202
    document = answer.json()
    assert (document["accepted"], document["ids"]) == (2, ["in-1", "in-13"])
    assert [(item["index"], item["code"]) for item in document["rejected"]] == [
        (1, "not_found"),
        (2, "forbidden"),
        (3, "unknown_type"),
        (4, "schema_invalid"),
        (5, "not_an_object"),
        (6, "schema_invalid"),
        (7, "too_large"),
        (8, "schema_invalid"),
        (9, "schema_invalid"),
        (10, "future_time"),
        (11, "unsupported_version"),
    ]
    assert all(item["detail"] for item in document["rejected"])
    assert [value["id"] for value in written.values()] == ["in-1", "in-13"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (started(direction="sideways"), 422, "schema_invalid"),
        (started(type="clock-ticked"), 422, "unknown_type"),
        (started(account_id="*"), 404, "not_found"),
        (started(more="x" * 70_000), 413, "too_large"),
        ("text", 400, "not_an_object"),
        (b"{", 400, "malformed_json"),
        (b'{"type": 1, "type": 2}', 400, "malformed_json"),
        (b"[NaN]", 400, "malformed_json"),
        (b'{"a": "\xff"}', 400, "not_utf8"),
        ([started()] * 1_001, 413, "too_large"),
        (started(type="payment-method-removed", payment_method_id="p", x=CARD), 422, "card_number_refused"),
    ],
)
def test_a_refusal_of_the_whole(running: GatewayStage, body: Any, status: int, code: str) -> None:
    written = Written(running)
    reply = running.post("/v1/events", body)
    assert (reply.status, reply.code) == (status, code)
    assert b"4242" not in reply.body
    assert written.records() == []


def test_headers_that_have_no_place_here(running: GatewayStage) -> None:
    reply = running.post("/v1/events", started(), headers={"Idempotency-Key": "a"})
    assert (reply.status, reply.code, reply.json()["field"]) == (400, "schema_invalid", "Idempotency-Key")
    assert running.post("/v1/events", b"x", headers={"Content-Type": "text/plain"}).status == 415
    large = running.post("/v1/events", b"[" + b" " * (8 << 20) + b"]")
    assert (large.status, large.code) == (413, "too_large")


def test_an_empty_array(running: GatewayStage) -> None:
    reply = running.post("/v1/events", [])
    assert (reply.status, reply.json()) == (202, {"accepted": 0, "ids": [], "rejected": []})


def test_cloudevents(running: GatewayStage) -> None:
    written = Written(running)
    attributes = {"specversion": "1.0", "source": "/pbx", "type": "call-started", "time": AT, "subject": "acct-1"}
    data = {"call_id": "call-1", "direction": "inbound"}
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    structured = attributes | {"id": "in-s", "data": data}
    batch = [attributes | {"id": "in-b1", "data": data}, attributes | {"id": "in-b2", "data_base64": encoded}]
    replies = [
        running.post("/v1/events", json.dumps(structured).encode(), headers={"Content-Type": EVENT}),
        running.post("/v1/events", json.dumps(batch).encode(), headers={"Content-Type": BATCH}),
        running.post(
            "/v1/events",
            data | {"id": "in-own"},
            headers={f"ce-{name}": value for name, value in (attributes | {"id": "in-h"}).items()},
        ),
        running.post("/v1/events", [structured | {"id": "in-plain"}]),
    ]
    assert [reply.status for reply in replies] == [202] * 4, [reply.body for reply in replies]
    values = written.values()
    assert [value["id"] for value in values] == ["in-s", "in-b1", "in-b2", "in-own", "in-plain"]
    flat = {"type": "call-started", "account_id": "acct-1", "occurred_at": AT, **data}
    assert values == [flat | {"id": value["id"]} for value in values]
    for body, kind, code in ((structured, BATCH, "schema_invalid"), (batch, EVENT, "not_an_object")):
        reply = running.post("/v1/events", json.dumps(body).encode(), headers={"Content-Type": kind})
        assert reply.code == code
    assert running.post("/v1/events", started() | {"specversion": "2.0"}).code == "unsupported_version"
    binary = {"ce-specversion": "0.3", "ce-id": "x", "ce-type": "call-started"}
    assert running.post("/v1/events", data, headers=binary).code == "unsupported_version"


def test_a_cloudevent_in_binary_mode_may_have_no_data(running: GatewayStage) -> None:
    written = Written(running)
    kind = "subscription-resume-requested"
    headers = {"ce-specversion": "1.0", "ce-source": "/x", "ce-type": kind, "ce-id": "in-no-data"}
    assert running.post("/v1/events", headers=headers | {"ce-subject": "acct-1", "ce-time": AT}).status == 202
    assert written.values() == [{"type": kind, "id": "in-no-data", "account_id": "acct-1", "occurred_at": AT}]
    # Without its headers it is no event.
    assert running.post("/v1/events").code == "malformed_json"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"call_id": "a", "call_id": "b", "direction": "web"}', "malformed_json"),
        (b'{"call_id": NaN}', "malformed_json"),
        (b'"\xff"', "not_utf8"),
        (b"[]", "not_an_object"),
    ],
)
def test_data_in_base64_are_read_like_a_body(running: GatewayStage, data: bytes, code: str) -> None:
    event = {"specversion": "1.0", "type": "call-started", "id": "in-64", "time": AT, "subject": "acct-1"}
    event["data_base64"] = base64.b64encode(data).decode()
    assert running.post("/v1/events", event).code == code


def test_a_flat_input_has_no_data_in_base64(running: GatewayStage) -> None:
    """There it is one of the fields that nobody knows."""
    written = Written(running)
    assert running.post("/v1/events", started(data_base64="eyJhIjogMX0=")).status == 202
    assert written.values() == [started(data_base64="eyJhIjogMX0=")]


def test_the_order_within_an_account_is_that_of_the_array(running: GatewayStage) -> None:
    written = Written(running)
    items = [started(number, account_id=f"acct-{number % 3}", note="x" * 600) for number in range(1_000)]
    reply = running.post("/v1/events", items)
    assert (reply.status, reply.json()["accepted"]) == (202, 1_000)
    values = written.values()
    for account in range(3):
        own = [value["id"] for value in values if value["account_id"] == f"acct-{account}"]
        assert own == [f"in-{number}" for number in range(1_000) if number % 3 == account]


def test_an_array_takes_tokens_by_the_hundred(running: GatewayStage) -> None:
    """Items that are rejected take no time, so the bucket cannot fill between the two requests."""
    key = running.keys.add("slow", "calls", requests_per_s=4)

    def send(items: int) -> Reply:
        return running.post("/v1/events", [None] * items, key=key)

    def full_bucket() -> bool:
        time.sleep(1.1)  # By then it is full.
        return send(400).status == 202

    wait_until(full_bucket, "four tokens")
    refused = send(400)
    assert (refused.status, refused.code) == (429, "rate_limited")


def test_a_broker_that_fails_in_the_middle(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A broker of its own, which is frozen and thawed: 30 s with its start."""
    with DevBroker(tmp_path_factory.mktemp("kafka")) as broker, DevRedis(tmp_path_factory.mktemp("redis")) as redis:
        stage = GatewayStage(broker.bootstrap, redis.url, own_name(request.node), tmp_path)
        try:
            stage.gateway()
            written = Written(stage)
            items = [started(number, account_id=f"acct-{number}") for number in range(300)]
            assert stage.post("/v1/events", items[:10]).status == 202
            with ThreadPoolExecutor(4) as pool:
                broker.stop()
                asked = [pool.submit(lambda: stage.post("/v1/events", [*items, "no object"])) for _ in range(2)]
                replies: list[Reply] = [one.result() for one in asked]
                broker.start()
            for reply in replies:
                assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "unavailable", "1")
                document = reply.json()
                assert document["accepted"] + len(document["unknown"]) == 300
                assert document["accepted"] == len(document["ids"])
                assert [item["index"] for item in document["rejected"]] == [300]
            wait_until(lambda: stage.post("/v1/events", items).status == 202, "the broker", 60)
            assert {value["id"] for value in written.values()} == {item["id"] for item in items}
        finally:
            stage.close()

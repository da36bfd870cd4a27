"""Inputs and payment requests for the processes of a secured broker, and what they publish."""

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.partitioning import partition_of
from tests.security.place import PARTITIONS, Place

ACCOUNT = "a-1"
CARD = {"token": "tok_1", "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}
PAID = {"payment-succeeded", "payment-declined"}


def month() -> list[bytes]:
    """An account, a call that is charged, and a purchase."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    call = {"call_id": "c-1", "direction": "inbound"}
    inputs: list[dict[str, Any]] = [
        {"type": "account-opened", "plan": "free"},
        {"type": "call-started", **call},
        {"type": "call-ended", **call, "started_at": now, "answered_at": now, "outcome": "completed"},
        {"type": "payment-method-added", "payment_method_id": "pm-1", **CARD},
        {"type": "credits-purchase-requested", "purchase_id": "b-1", "amount_micros": 20_000_000},
    ]
    shared = {"account_id": ACCOUNT, "occurred_at": now}
    return [json.dumps({**one, "id": f"in-{number}", **shared}).encode() for number, one in enumerate(inputs)]


def write(place: Place, name: str, values: list[bytes], topic: str = "account-events") -> None:
    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=place.broker.bootstrap) as producer:
            for value in values:
                at = partition_of(ACCOUNT.encode(), PARTITIONS)
                await producer.send_and_wait(f"{name}.{topic}", value, key=ACCOUNT.encode(), partition=at)

    asyncio.run(send())


def write_request(place: Place, name: str) -> None:
    """A payment request, which an adapter answers."""
    request = {"type": "payment-requested", "payment_id": f"{ACCOUNT}/p", "purpose": "purchase", "currency": "USD"}
    money = {"amount_micros": 20_000_000, "payment_method_id": "pm-1", "token": "tok_1"}
    shared = {"id": "f-1", "account_id": ACCOUNT, "occurred_at": "2026-01-31T10:00:00Z", "caused_by": "in-1"}
    write(place, name, [json.dumps({**request, **money, **shared}).encode()], "payment-requests")


def read(place: Place, topic: str, count: int) -> list[dict[str, Any]]:
    """The committed events of a topic, at least `count`."""

    async def receive() -> list[dict[str, Any]]:
        options = {"isolation_level": "read_committed", "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer(bootstrap_servers=place.broker.bootstrap, **options) as consumer:
            places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            found: list[dict[str, Any]] = []
            deadline = time.monotonic() + 60
            while len(found) < count or not found:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [json.loads(record.value) for record in records if record.value.startswith(b"{")]
                assert time.monotonic() < deadline, f"{topic}: {len(found)} of {count}"
            return found

    return asyncio.run(receive())


def paid(place: Place, name: str) -> int:
    return sum(value["type"] in PAID for value in read(place, f"{name}.account-events", 1))

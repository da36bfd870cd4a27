"""Sends inputs from a file to `account-events`, in order.

    TOLLGATE_SIGNING_KEYS=… python send.py inputs.jsonl

Needs aiokafka. Sending the file again does no harm: each input takes effect once.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from aiokafka import AIOKafkaProducer

SERVERS = os.environ.get("TOLLGATE_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
TOPIC = os.environ.get("TOLLGATE_TOPIC_PREFIX", "") + "account-events"
KEY = os.environ.get("TOLLGATE_SIGNING_KEYS", "").split(",")[0].encode()
SIGNED = {"credits-granted", "payment-succeeded", "payment-declined", "payment-reversed"}


def signature(value: bytes) -> list[tuple[str, bytes]]:
    return [("signature", b"v1=" + hmac.new(KEY, value, hashlib.sha256).hexdigest().encode())] if KEY else []


async def send(lines: Iterable[bytes]) -> int:
    """The number of inputs sent. Ticks are left out, because the workers write their own."""
    sent = []
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, enable_idempotence=True, linger_ms=5) as producer:
        for line in lines:
            event, value = json.loads(line), line.strip()
            if event["type"] != "clock-ticked":
                headers = signature(value) if event["type"] in SIGNED else []
                sent.append(await producer.send(TOPIC, value, key=event["account_id"].encode(), headers=headers))
        await asyncio.gather(*sent)
    return len(sent)


if __name__ == "__main__":
    with Path(sys.argv[1]).open("rb") as file:
        print(f"{asyncio.run(send(file))} inputs sent to {TOPIC}")

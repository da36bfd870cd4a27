"""Logs and metrics of a worker and an adapter hold nothing about a person and no secret, whatever they are sent."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from agents.wallet.signature import HEADER, sign
from payments.adapter import topics
from schemas.partitioning import partition_of
from stream.fail_stop import Exit
from stream.topics import DEAD_LETTERS, INPUTS, changelog
from tests.lane.stage import wait_until
from tests.payments.adapter_stage import KEY, WEBHOOK_SECRET, AdapterProcess, AdapterStage
from tests.payments.requests import PARTITIONS, request
from tests.payments.stripe_server import API_KEY, StripeServer, error
from tests.payments.test_webhook import event, signature

TOLD = {
    "from": "+4915110203040",
    "to": "+12025550143",
    "redirect_to": "+4915150607080",
    "number": "+4930901820",
    "billing_email": "jane.doe@mail.example",
    "name": "Jane Doe",
    "address": "14 Harbour Street\nBristol BS1 4XZ",
    "tax_id": "GB123456789",
    "token": "cus_jane/pm_jane",
    "reason": "Mrs Doe rang",
    "actor": "kim@support.example",
}
CARD_NUMBER = "4111111111111111"
OTHERS = (CARD_NUMBER, "Doe", "jane", "pm_gone", "pm_secret")
PIECES = (*(part for value in TOLD.values() for part in re.split("[\n/]", value)), *OTHERS)
SECRETS = (KEY, WEBHOOK_SECRET, API_KEY, "an older key")
ALL = json.dumps(TOLD).encode()


def given(kind: str, number: int, *names: str, **fields: object) -> bytes:
    start = {"type": kind, "id": f"in-{number}", "account_id": "a-1", "occurred_at": "2026-01-31T10:00:00Z"}
    return json.dumps({**start, **{name: TOLD[name] for name in names}, **fields}).encode()


CARD = {"payment_method_id": "pm-1", "brand": "visa", "last4": "8391", "exp_month": 1, "exp_year": 2030}
GOOD = [
    given("account-opened", 1, "billing_email", plan="professional"),
    given("billing-details-set", 2, "name", "address", "tax_id", country="GB"),
    given("redirect-set", 3, "redirect_to"),
    given("phone-number-added", 4, "number", monthly_fee_micros=1_000_000),
    given("payment-method-added", 5, "token", **CARD),
    given("credits-granted", 6, "reason", "actor", grant_id="g-1", amount_micros=5_000_000),
    given("call-started", 7, "from", "to", call_id="c-1", direction="inbound"),
    given("credits-purchase-requested", 8, purchase_id="b-1", amount_micros=20_000_000),
    given("billing-email-set", 9, billing_email="jane@new.example"),
]
REFUSED = [
    given("call-started", 20, "to", call_id="c-2", direction=TOLD["from"]),
    given("call-started", 21, "from", call_id=TOLD["name"], direction="inbound"),
    given("payment-method-added", 22, **{**CARD, "token": CARD_NUMBER}),
    given("payment-method-added", 23, "token", **{**CARD, "brand": TOLD["name"]}),
    given("billing-email-set", 24, billing_email=f"Jane <{TOLD['billing_email']}>"),
    given("billing-details-set", 25, "name", address="14 Harbour Street\x00"),
    given("redirect-set", 26, "redirect_to", account_id="nobody-knows-it"),
    given("credits-granted", 27, "reason", "actor", grant_id=TOLD["actor"], amount_micros=0),
    given("phone-number-added", 28, "number", monthly_fee_micros=TOLD["number"]),
    given(TOLD["name"], 29, *TOLD),
    given("credits-purchase-requested", 30, purchase_id="b-2", amount_micros=20_000_000, payment_method_id="pm-jane"),
    given("account-opened", 31, "billing_email", plan=TOLD["name"], time_zone=TOLD["address"]),
]
MALFORMED = [b"", b"\xff" + ALL, ALL[:-1], b"[" + ALL + b"]", b"[" * 5_000 + ALL, ALL * 2, b'"' + ALL, ALL * 200]
# Not an input at all: headers of which no producer should have so many.
POISON = [(f"ce_{number}", ALL) for number in range(1_500)]
REQUESTS = [
    request("a-1/odd/1", "a-1", purpose=TOLD["billing_email"]),
    request("a-1/odd/2", "a-1", currency=TOLD["name"]),
    request("a-1/odd/3", "a-1", token=TOLD["token"] * 50),
    request("a-1/odd/4", "a-1", occurred_at=TOLD["from"]),
    request("a-1/odd/5", "a-1", token=TOLD["token"]).replace(b"payment-requested", TOLD["name"].encode()),
    ALL,
    ALL[:-1],
]


@pytest.fixture
def worker(stage: AdapterStage, tmp_path: Path) -> Iterator[AdapterProcess]:
    env = stage.environment(health_port=0)
    process = AdapterProcess(["stream", "worker"], env, tmp_path / "worker.log")
    yield process
    process.kill()


def metrics_of(process: AdapterProcess, started: str) -> str:
    port = process.events(started)[0]["health_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def notify(adapter: AdapterProcess, body: bytes, signed: str) -> None:
    url = f"http://127.0.0.1:{adapter.port('webhook_port')}/webhooks/stripe"
    try:
        urllib.request.urlopen(urllib.request.Request(url, body, {"Stripe-Signature": signed}), timeout=10).close()
    except urllib.error.HTTPError as refused:
        refused.close()


def left(text: str) -> list[str]:
    return [piece for piece in (*PIECES, *SECRETS) if piece in text]


async def poison(stage: AdapterStage) -> None:
    """Records that no consumer can use: a wrong key, a wrong signature, too many headers."""
    topic, partition = stage.settings.topic(INPUTS), partition_of(b"a-1", PARTITIONS)
    async with AIOKafkaProducer(bootstrap_servers=stage.settings.bootstrap_servers) as producer:
        for key, value, headers in (
            (TOLD["from"].encode(), GOOD[2], []),
            (b"a-1", given("credits-granted", 40, "reason", "actor", grant_id="g-9", amount_micros=1_000_000), []),
            (b"a-1", ALL, [(HEADER, sign(ALL, b"jane's key"))]),
            (b"a-1", given("redirect-set", 41, "redirect_to"), POISON),
        ):
            await producer.send_and_wait(topic, value, key=key, partition=partition, headers=headers)


def test_no_log_line_and_no_metric_holds_what_a_person_gave_or_a_secret(
    stage: AdapterStage, server: StripeServer, worker: AdapterProcess
) -> None:
    adapter = stage.stripe(server)
    adapter.wait_ready()
    stage.write(INPUTS, ((b"a-1", value) for value in GOOD))
    stage.read("ledger-entries", 2)  # The grant, and the purchase that Stripe's card paid.
    stage.write(INPUTS, ((b"a-1", value) for value in (*REFUSED, *MALFORMED)))
    asyncio.run(poison(stage))
    stage.write(topics.REQUESTS, ((b"a-1", value) for value in REQUESTS))
    stage.send([request("a-1/odd/6", "a-1", token="cus_jane/pm_stolen"), request("a-1/odd/7", "a-1", token="pm_real")])
    told = event({"payment_id": "a-1/odd/9", "account_id": "a-1", **TOLD})
    for signed in (signature(told, WEBHOOK_SECRET), signature(told, "whsec_other"), TOLD["name"], ALL.decode()[:200]):
        notify(adapter, told, signed)
    server.refusal = error(400, "invalid_request_error", "resource_missing", param="payment_method")
    stage.send([request("a-1/odd/8", "a-1", token="pm_gone")])
    wait_until(lambda: adapter.sample('tollgate_payments_refused{why="request"}') > 0, "a refused payment")
    adapter.wait_sample('tollgate_payments_requests_total{outcome="unreadable"}', len(REQUESTS))
    stage.read(DEAD_LETTERS, len(REFUSED) + len(MALFORMED) + 4)
    shown = metrics_of(worker, "worker starts") + metrics_of(adapter, "adapter starts")
    assert left(shown) == []
    assert "tollgate_dead_letters_total" in shown
    for process in (worker, adapter):
        assert process.events("batch")  # At debug there is a line for each batch.
        assert left(process.log()) == []
        process.kill()
    assert left("".join(map(str, GOOD)))


@pytest.mark.parametrize("body", [b"", ALL, b"\x01\x00\x00\x00\x00" + ALL], ids=["empty", "text", "wrong checksum"])
def test_a_process_that_refuses_its_state_does_not_show_it(
    stage: AdapterStage, server: StripeServer, worker: AdapterProcess, body: bytes
) -> None:
    """A row that cannot be trusted is named by its place in the log."""
    prefix = stage.settings.topic_prefix
    for topic in (changelog(stage.settings), topics.rows(stage.settings)):
        stage.write(topic.removeprefix(prefix), [(b"a-1", body or b"x")])
    for process in (worker, stage.stripe(server)):
        status, last = process.wait_ended()
        assert (status, last["offset"]) == (Exit.PERSON, 0)
        assert left(process.log()) == []

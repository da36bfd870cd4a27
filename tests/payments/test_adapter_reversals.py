"""Reversals on a real Kafka: each is sent once, after its payment's answer, with a webhook or without. Rule G14."""

import time
import urllib.request
from pathlib import Path

from payments.providers.fake_book import add_entry
from stream.fail_stop import Exit
from tests.lane.stage import wait_until
from tests.payments.adapter_stage import WEBHOOK_SECRET, AdapterProcess, AdapterStage
from tests.payments.requests import refund, request
from tests.payments.stripe_server import StripeServer
from tests.payments.test_webhook import reversal_event, signature

TAKEN = 'tollgate_payments_reversals_total{kind="dispute"}'


def notify(adapter: AdapterProcess, kind: str, intent: str, metadata: dict[str, str] | None = None) -> None:
    """Send an event about a dispute or refund as Stripe does."""
    body = reversal_event(kind, intent, metadata)
    url = f"http://127.0.0.1:{adapter.port('webhook_port')}/webhooks/stripe"
    headers = {"Stripe-Signature": signature(body, WEBHOOK_SECRET)}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        assert answer.status == 200


def test_webhooks_bring_each_reversal_once(stage: AdapterStage, server: StripeServer) -> None:
    adapter = stage.stripe(server)
    stage.send([request("a-1/buy/1", "a-1"), request("a-2/buy/1", "a-2")])
    stage.answers(2)
    given_back = refund("a-2/refund/1", "a-2/buy/1", "a-2", amount_micros=5_000_000)
    stage.send([given_back])
    stage.answers(3)
    intent = server.intent_of("a-1/buy/1")["id"]
    inquiry = server.dispute("a-2/buy/1", "warning_needs_response")
    disputed = server.dispute("a-1/buy/1")
    for _ in range(3):
        notify(adapter, "charge.dispute.created", intent)
        notify(adapter, "charge.dispute.created", inquiry["payment_intent"])
    stage.reversals(3, 1)
    server.win(disputed)
    server.refunds["re_1"]["status"] = "failed"
    notify(adapter, "charge.dispute.closed", intent)
    notify(adapter, "refund.failed", "pi_2", {"payment_id": "a-2/refund/1", "account_id": "a-2"})
    notify(adapter, "charge.dispute.created", "pi_2")
    assert stage.reversals(3, 3) == [
        ("a-1/buy/1", "dispute", disputed["id"]),
        ("a-1/buy/1", "dispute_won", disputed["id"]),
        ("a-2/refund/1", "refund_failed", "re_1"),
    ]
    adapter.wait_sample(TAKEN, 1)
    adapter.wait_sample('tollgate_payments_webhooks_total{outcome="taken"}', 9)
    adapter.stop()


def test_without_webhooks_nothing_is_lost_also_not_while_no_adapter_runs(
    stage: AdapterStage, server: StripeServer
) -> None:
    settings = {"payments_look_every_s": 1, "payments_stripe_webhook_secrets": ""}
    first = stage.stripe(server, **settings)
    stage.send([request(f"a-{n}/buy/1", f"a-{n}") for n in range(4)])
    stage.answers(4)
    server.dispute("a-0/buy/1")
    stage.reversals(4, 1)
    first.stop()
    server.dispute("a-1/buy/1")
    server.refund_by_hand("a-2/buy/1", 500)
    server.refund_by_hand("a-2/buy/1", 700)
    server.list_failures += [500, 429]
    stage.stripe(server, **settings)
    assert stage.reversals(4, 4) == [
        ("a-0/buy/1", "dispute", "du_1"),
        ("a-1/buy/1", "dispute", "du_2"),
        ("a-2/buy/1", "refund", "re_1"),
        ("a-2/buy/1", "refund", "re_2"),
    ]
    listed = server.requests.count(("GET", "/v1/disputes"))
    wait_until(lambda: server.requests.count(("GET", "/v1/disputes")) > listed + 6, "more listings")
    stage.reversals(4, 4)


def test_killed_between_stripe_and_kafka_each_reversal_is_sent_once(stage: AdapterStage, server: StripeServer) -> None:
    settings = {"payments_look_every_s": 1, "payments_stripe_webhook_secrets": ""}
    stage.stripe(server, **settings)
    stage.send([request(f"a-{n % 5}/buy/{n}", f"a-{n % 5}") for n in range(20)])
    stage.answers(20)
    for n in range(20):
        server.dispute(f"a-{n % 5}/buy/{n}")
    kills_at = iter([6, 17, 24])
    next_kill = next(kills_at) + server.requests.count(("GET", "/v1/disputes"))

    def kill_sometimes() -> None:
        nonlocal next_kill
        if server.requests.count(("GET", "/v1/disputes")) >= next_kill:
            stage.adapters[-1].kill()
            next_kill += next(kills_at, 10**9)
            stage.stripe(server, **settings)
            time.sleep(0.1)

    found = stage.reversals(20, 20, kill_sometimes)
    assert {payment_id for payment_id, _, _ in found} == {f"a-{n % 5}/buy/{n}" for n in range(20)}


def test_the_fake_provider_s_book(stage: AdapterStage, tmp_path: Path) -> None:
    book = tmp_path / "book.jsonl"
    stage.start(
        payments_provider="fake", payments_fake_speed_up=10_000, payments_fake_book=book, payments_look_every_s=1
    )
    stage.send([request(f"a-1/buy/{n}", "a-1") for n in range(10)])
    paid = [one["payment_id"] for one in stage.answers(10) if one["type"] == "payment-succeeded"]
    now_ms = time.time_ns() // 1_000_000
    add_entry(book, paid[0], "dispute", None, now_ms)
    add_entry(book, paid[0], "dispute_won", None, now_ms)
    add_entry(book, paid[1], "refund", 1_000_000, now_ms)
    assert [kind for _, kind, _ in stage.reversals(10, 3)] == ["dispute", "dispute_won", "refund"]


def test_a_key_without_the_right_to_read_disputes_ends_the_adapter_by_name(
    stage: AdapterStage, server: StripeServer
) -> None:
    server.list_failures += [403] * 10
    status, last = stage.stripe(server).wait_ended()
    assert status == Exit.PERSON
    assert last["reason"].startswith("the provider refuses the API key: correct the key or its rights")
    assert last["error"] == "PermissionError, status 403"

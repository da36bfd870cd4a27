"""The adapter on a real Kafka: one charge and one answer for each payment, whatever fails in between."""

import threading
import urllib.request
from collections import Counter

import pytest

from payments.adapter import topics
from schemas.rows import CHECKPOINT_KEY
from stream.fail_stop import Exit
from stream.lane.takeover import How
from tests.lane.operator import delete_group, delete_topic, set_group
from tests.lane.stage import wait_until
from tests.payments.adapter_stage import WEBHOOK_SECRET, AdapterProcess, AdapterStage
from tests.payments.requests import PARTITIONS, refund, request
from tests.payments.stripe_server import StripeServer, error
from tests.payments.test_webhook import event, signature


def many(count: int, token: str = "pm_card_visa") -> list[bytes]:
    """Payments of several accounts, so that every partition has some."""
    return [request(f"a-{n % 5}/buy/{n}", f"a-{n % 5}", token=token) for n in range(count)]


def notify(adapter: AdapterProcess, payment_id: str, account_id: str) -> None:
    """Send the event that Stripe sends when the payment changes."""
    body = event({"payment_id": payment_id, "account_id": account_id})
    url = f"http://127.0.0.1:{adapter.port('webhook_port')}/webhooks/stripe"
    headers = {"Stripe-Signature": signature(body, WEBHOOK_SECRET)}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        assert answer.status == 200


class Killer:
    """Kills the n-th adapter when its `at[n]`-th payment is charged and the response not yet sent."""

    def __init__(self, stage: AdapterStage, at: list[int]) -> None:
        self._stage, self._at, self._lock = stage, at, threading.Lock()
        self._charged: Counter[int] = Counter()

    def __call__(self, _: str) -> None:
        with self._lock:
            number = len(self._stage.adapters) - 1
            self._charged[number] += 1
            if number < len(self._at) and self._charged[number] == self._at[number]:
                self._stage.adapters[number].process.kill()
                self._stage.adapters[number].process.wait()


def test_killed_between_provider_and_kafka_each_payment_is_charged_once_and_answered_once(
    stage: AdapterStage, server: StripeServer
) -> None:
    server.before_response = Killer(stage, [3, 1, 18])
    stage.send(many(30))
    stage.stripe(server)

    def start_again() -> None:
        if stage.adapters[-1].process.poll() is not None:
            stage.stripe(server)

    answers = stage.answers(30, start_again)
    assert len(stage.adapters) == 4
    assert {answer["type"] for answer in answers} == {"payment-succeeded"}
    assert server.charges() == {f"a-{n % 5}/buy/{n}": 1 for n in range(30)}
    assert len(server.intents) == 30


def test_declines_redelivery_refunds_and_bad_records(stage: AdapterStage, server: StripeServer) -> None:
    adapter = stage.stripe(server)
    stage.send(
        [
            request("a-1/buy/1", "a-1"),
            request("a-1/buy/2", "a-1", token="cus_1/pm_poor"),
            request("a-2/buy/1", "a-2", token="pm_stolen"),
        ]
    )
    stage.answers(3)
    stage.write(topics.REQUESTS, [(b"a-1", b"{"), (b"a-2", None), (b"a-2", request("a-1/buy/9", "a-1"))])
    again = [request("a-1/buy/1", "a-1"), request("a-1/buy/1", "a-1", amount_micros=50_000_000)]
    stage.send([*again, refund("a-1/refund/1", "a-1/buy/1", amount_micros=5_000_000)])
    answers = {answer["payment_id"]: answer for answer in stage.answers(4)}
    assert {name: answer.get("retryable", "paid") for name, answer in answers.items()} == {
        "a-1/buy/1": "paid",
        "a-1/buy/2": True,
        "a-2/buy/1": False,
        "a-1/refund/1": "paid",
    }
    assert answers["a-1/refund/1"]["provider_reference"] == "re_1"
    assert ("GET", "/v1/payment_intents/search") not in server.requests  # The payment's row has the reference.
    assert server.charges() == {"a-1/buy/1": 1}
    adapter.wait_sample('tollgate_payments_requests_total{outcome="unreadable"}', 3)
    adapter.wait_sample('tollgate_payments_requests_total{outcome="repeat"}', 2)
    adapter.wait_sample('tollgate_payments_answers_total{outcome="declined_for_now"}', 1)
    adapter.wait_sample("tollgate_payments_open", 0)
    assert {line["offset"] for line in adapter.events("payment request not accepted")} != set()
    assert "pm_" not in adapter.log()
    assert "sk_test" not in adapter.log()
    adapter.stop()


def test_a_pending_payment_outlives_its_adapter_and_webhooks_bring_one_answer(
    stage: AdapterStage, server: StripeServer
) -> None:
    first = stage.stripe(server)
    stage.send([request("a-1/buy/1", "a-1", token="pm_slow"), request("a-2/buy/1", "a-2", token="pm_slow")])
    wait_until(lambda: len(server.intents) == 2, "two provider calls")
    second = stage.stripe(server)
    second.wait_ready(1)
    first.wait_ready(1)
    first.stop()
    second.wait_ready()
    second.wait_sample("tollgate_payments_open", 2)
    server.intent_of("a-1/buy/1")["status"] = "succeeded"
    server.intent_of("a-2/buy/1")["status"] = "succeeded"
    for _ in range(3):
        notify(second, "a-1/buy/1", "a-1")
        notify(second, "a-2/buy/1", "a-2")
    stage.answers(2)
    looked = server.requests.count(("GET", "/v1/payment_intents/pi_1"))
    notify(second, "a-1/buy/1", "a-1")
    notify(second, "never/requested", "a-1")
    # After those notes come payments whose webhook arrives before the response to their request.
    server.before_response = lambda payment_id: notify(second, payment_id, payment_id.split("/")[0])
    stage.send([request(f"a-{n % 3}/buy/more/{n}", f"a-{n % 3}") for n in range(10)])
    stage.answers(12)
    assert server.requests.count(("GET", "/v1/payment_intents/pi_1")) == looked
    assert server.charges().total() == 12
    second.wait_sample('tollgate_payments_webhooks_total{outcome="taken"}', 18)
    second.stop()


def test_an_unknown_outcome_is_retried_and_a_pending_one_is_looked_up(
    stage: AdapterStage, server: StripeServer
) -> None:
    """No webhook comes: the schedule triggers the status checks."""
    adapter = stage.stripe(server, payments_stripe_webhook_secrets="")
    stage.send([request("a-9/buy/slow", "a-9", token="pm_slow")])
    wait_until(lambda: len(server.intents) == 1, "a provider call for the slow one")
    server.intent_of("a-9/buy/slow")["status"] = "succeeded"
    server.failures += [(500, True), (503, False), (429, False)]
    stage.send(many(6))
    assert {answer["type"] for answer in stage.answers(7)} == {"payment-succeeded"}
    assert server.charges().total() == 7
    adapter.wait_sample('tollgate_payments_retries_total{why="refused"}', 3)


def test_what_stripe_refuses_for_no_fault_of_a_card_declines_nobody_and_is_counted_until_it_is_paid(
    stage: AdapterStage, server: StripeServer
) -> None:
    server.refusal = error(400, "invalid_request_error", "testmode_charges_only")
    adapter = stage.stripe(server)
    adapter.wait_ready()
    stage.send([*many(3), request("a-9/buy/odd", "a-9", amount_micros=1)])
    adapter.wait_sample('tollgate_payments_refused{why="request"}', 4)
    server.refusal = error(403, "invalid_request_error", None)
    adapter.wait_sample('tollgate_payments_refused{why="access"}', 3)
    stage.answers(0)
    server.refusal = None
    assert {answer["type"] for answer in stage.answers(3)} == {"payment-succeeded"}
    adapter.wait_sample('tollgate_payments_refused{why="access"}', 0)
    # Still refused: the engine never requests a fraction of a cent.
    assert adapter.sample('tollgate_payments_refused{why="request"}') == 1
    assert adapter.sample("tollgate_payments_open") == 1
    assert server.charges() == {f"a-{n}/buy/{n}": 1 for n in range(3)}
    assert "pm_" not in adapter.log()


def test_a_wrong_key_ends_the_adapter_and_declines_nobody(stage: AdapterStage, server: StripeServer) -> None:
    stage.send(many(3))
    status, last = stage.stripe(server, payments_stripe_api_key="sk_wrong").wait_ended()
    assert status == Exit.PERSON
    assert last["reason"].startswith("the provider refuses the API key")
    assert last["error"] == "AuthenticationError, status 401"
    stage.answers(0)


def test_the_fake_provider_answers_in_its_own_time(stage: AdapterStage) -> None:
    stage.start(payments_provider="fake", payments_fake_speed_up=10_000)
    stage.send(many(40))
    answers = stage.answers(40)
    assert {answer["type"] for answer in answers} == {"payment-succeeded", "payment-declined"}
    stage.send(many(40))
    stage.send([request("a-1/buy/last", "a-1")])
    stage.answers(41)


def test_a_row_that_cannot_be_trusted_is_refused_by_its_address(stage: AdapterStage, server: StripeServer) -> None:
    rows = topics.rows(stage.settings).removeprefix(stage.settings.topic_prefix)
    stage.write(rows, [(b"a-1/buy/1", b"\x01 not a row")])
    status, last = stage.stripe(server).wait_ended()
    assert status == Exit.PERSON
    assert last["reason"] == "a row of the payments cannot be trusted"
    assert (last["topic"], last["offset"], last["error"]) == (topics.rows(stage.settings), 0, "wrong checksum")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"payments_provider": ""}, "TOLLGATE_PAYMENTS_PROVIDER: choose"),
        (
            {"payments_provider": "stripe"},
            "TOLLGATE_PAYMENTS_STRIPE_API_KEY: missing: set Stripe's secret or restricted key",
        ),
        ({"payments_provider": "paypal"}, "TOLLGATE_PAYMENTS_PROVIDER: Input should be"),
    ],
)
def test_it_does_not_start_without_what_it_needs(stage: AdapterStage, changed: dict[str, object], reason: str) -> None:
    status, last = stage.start(**changed).wait_ended()
    assert status == Exit.PERSON
    assert last["reason"].startswith(reason)


# The adapter keeps its own offsets too.


def paid(stage: AdapterStage, server: StripeServer) -> None:
    """An adapter answers payments of every partition, and stops."""
    adapter = stage.stripe(server)
    stage.send(many(20))
    stage.answers(20)
    adapter.stop()


def group_at(stage: AdapterStage, offset: int) -> None:
    requests = stage.settings.topic(topics.REQUESTS)
    offsets = dict.fromkeys(range(PARTITIONS), offset)
    set_group(stage.settings.bootstrap_servers, stage.settings.group, requests, offsets)


def test_a_group_that_lost_its_offsets_is_no_loss(stage: AdapterStage, server: StripeServer) -> None:
    paid(stage, server)
    delete_group(stage.settings.bootstrap_servers, stage.settings.group)
    again = stage.stripe(server)
    again.wait_ready()
    assert {line["how"] for line in again.events("partition taken over")} == {How.NO_GROUP}
    group_behind(stage, server, again)


def group_behind(stage: AdapterStage, server: StripeServer, before: AdapterProcess) -> None:
    stage.send([request("a-1/buy/one-more", "a-1")])
    stage.answers(21)
    before.stop()
    group_at(stage, 0)
    again = stage.stripe(server)
    again.wait_ready()
    assert {line["how"] for line in again.events("partition taken over")} == {How.GROUP_BEHIND}
    assert again.sample('tollgate_payments_requests_total{outcome="repeat"}') == 0  # Nothing is read again.
    stage.answers(21)
    assert server.charges().total() == 21


def test_rows_of_an_earlier_version_are_read(stage: AdapterStage, server: StripeServer) -> None:
    paid(stage, server)
    rows = topics.rows(stage.settings)
    stage.remove(rows, CHECKPOINT_KEY.encode())
    again = stage.stripe(server)
    again.wait_ready()
    assert {line["how"] for line in again.events("partition taken over")} == {How.NO_ROW}
    stage.send(many(20))
    stage.send([request("a-1/buy/one-more", "a-1")])
    stage.answers(21)
    assert server.charges().total() == 21


def test_rows_that_are_lost_are_refused_and_not_made_anew(stage: AdapterStage, server: StripeServer) -> None:
    paid(stage, server)
    rows = topics.rows(stage.settings)
    [some, *_] = [r for r in stage.read(rows.removeprefix(stage.settings.topic_prefix), 1) if b"/buy/" in r.key]
    stage.remove(rows, some.key, some.partition)
    status, last = stage.stripe(server).wait_ended()
    assert status == Exit.PERSON
    assert last["reason"].startswith("payments are lost: the changelog has ")
    assert (last["topic"], last["partition"]) == (rows, some.partition)
    delete_topic(stage.settings.bootstrap_servers, rows)
    status, last = stage.stripe(server).wait_ended()
    assert status == Exit.PERSON
    assert last["reason"].startswith(f"{rows}: missing, though the group {stage.settings.group} has consumed")

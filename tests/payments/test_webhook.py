"""The webhook endpoint on a real socket, with bodies signed as Stripe signs them."""

import json
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import stripe
from aiohttp import web
from aiokafka.errors import KafkaTimeoutError

from payments.adapter.changes import WebhookNote
from payments.adapter.metrics import Metrics
from payments.adapter.webhook import BODY_BYTES_MAX, PATH, TOLERANCE_S, build_endpoint
from payments.outcome import Unknown
from payments.request import PaymentName

OLD, NEW = "whsec_old", "whsec_new"


class Endpoint:
    """A running endpoint, and the notes that it published."""

    def __init__(self) -> None:
        self.notes: list[WebhookNote] = []
        self.broken = False
        self.payments: dict[str, PaymentName | Unknown] = {}
        self.metrics = Metrics(lambda: 0, lambda: 0.0)
        self.url = ""

    async def publish(self, note: WebhookNote) -> None:
        if self.broken:
            raise KafkaTimeoutError
        self.notes.append(note)

    async def find(self, intent_id: str) -> PaymentName | Unknown | None:
        return self.payments.get(intent_id)

    async def send(self, body: bytes, signature: str | None) -> tuple[int, str]:
        headers = {} if signature is None else {"Stripe-Signature": signature}
        async with aiohttp.ClientSession() as session, session.post(self.url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    def counted(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("tollgate_payments_webhooks_total", {"outcome": outcome}) or 0.0


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    runner = web.AppRunner(build_endpoint((NEW, OLD), made.publish, made.find, made.metrics), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    yield made
    await runner.cleanup()


def event(metadata: dict[str, str] | None = None, kind: str = "payment_intent.succeeded") -> bytes:
    metadata = {"payment_id": "a-1/buy/1", "account_id": "a-1"} if metadata is None else metadata
    subject = {"id": "pi_1", "object": "payment_intent", "metadata": metadata}
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": subject}}).encode()


def signature(body: bytes, secret: str = NEW, age_s: int = 0) -> str:
    made: str = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, int(time.time()) - age_s)
    return made


async def test_a_signed_event_about_a_payment_is_published_and_only_then_acknowledged(endpoint: Endpoint) -> None:
    body = event()
    assert await endpoint.send(body, signature(body)) == (200, "taken\n")
    assert endpoint.notes == [WebhookNote("a-1/buy/1", "a-1", "payment_intent.succeeded")]
    endpoint.broken = True
    status, _ = await endpoint.send(body, signature(body))
    assert status == 500  # Stripe sends it again.
    assert endpoint.counted("taken") == 1


async def test_while_secrets_are_rotated_either_signs(endpoint: Endpoint) -> None:
    body = event()
    for secret in (OLD, NEW):
        assert (await endpoint.send(body, signature(body, secret)))[0] == 200
    status, text = await endpoint.send(body, signature(body, "whsec_other"))
    assert status == 400
    assert "signature" in text


@pytest.mark.parametrize("age_s", [0, TOLERANCE_S - 5, -60], ids=["now", "just young enough", "a fast clock"])
async def test_one_good_signature_among_many_is_enough(endpoint: Endpoint, age_s: int) -> None:
    """As when Stripe signs with both of its own secrets, or with a scheme of next year too."""
    body = event()
    others = ",".join(f"v1={n:064x},v2={n:064x}" for n in range(40))
    timestamp, _, good = signature(body, OLD, age_s).partition(",")
    assert (await endpoint.send(body, f"{timestamp},{others},{good}"))[0] == 200
    assert len(endpoint.notes) == 1


GOOD = event()


# The header is made when the case runs: minutes after the tests were collected a signature would be too old.
@pytest.mark.parametrize(
    ("body", "signed", "reason"),
    [
        (GOOD.replace(b"a-1", b"a-2"), lambda: signature(GOOD), "No signatures found matching"),
        (GOOD, lambda: signature(GOOD, age_s=TOLERANCE_S + 5), "Timestamp outside the tolerance"),
        (GOOD, lambda: None, "No Stripe-Signature header"),
        (GOOD, lambda: "t=now,v1=", "Unable to extract"),
        (GOOD, lambda: "t=1", "No signatures found"),
        (GOOD, lambda: signature(GOOD)[:-1], "No signatures found matching"),
        (GOOD, lambda: signature(GOOD)[:-64], "No signatures found matching"),
        (GOOD, lambda: signature(GOOD).partition(",")[2], "Unable to extract"),
        (GOOD, lambda: signature(GOOD).replace("v1=", "v0="), "No signatures found with expected scheme"),
        (GOOD, lambda: signature(GOOD, age_s=5).replace("t=", "t=1,t="), "No signatures found matching"),
        (GOOD, lambda: ",".join([signature(GOOD, "whsec_other")] * 90), "No signatures found matching"),
        (GOOD, lambda: f"{signature(GOOD)[:-1]}é", "not an event, or its signature"),
        (GOOD, lambda: "", "No Stripe-Signature header"),
        (b"[]", lambda: signature(b"[]"), "not an event"),
        (b"\xff", lambda: "t=1,v1=00", "not an event"),
        (b"{", lambda: signature(b"{"), "not an event"),
    ],
    ids=[
        "tampered",
        "old",
        "unsigned",
        "nonsense",
        "no signature",
        "truncated",
        "truncated to nothing",
        "no timestamp",
        "another scheme",
        "another timestamp",
        "many signatures",
        "not ASCII",
        "empty",
        "no object",
        "not text",
        "not JSON",
    ],
)
async def test_a_body_that_stripe_did_not_sign_is_refused_with_the_reason(
    endpoint: Endpoint, body: bytes, signed: Callable[[], str | None], reason: str
) -> None:
    status, text = await endpoint.send(body, signed())
    assert (status, reason in text) == (400, True), text
    assert endpoint.notes == []
    assert endpoint.counted("refused") == 1


async def test_a_body_too_large_is_not_read(endpoint: Endpoint) -> None:
    body = event({"payment_id": "x" * BODY_BYTES_MAX, "account_id": "a-1"})
    status, _ = await endpoint.send(body, signature(body))
    assert status == 413
    assert endpoint.notes == []


@pytest.mark.parametrize(
    "metadata", [{}, {"payment_id": "p"}, {"payment_id": "p", "account_id": "not an id"}, {"account_id": "a-1"}]
)
async def test_an_event_about_something_else_is_acknowledged_and_ignored(
    endpoint: Endpoint, metadata: dict[str, str]
) -> None:
    body = event(metadata)
    status, _ = await endpoint.send(body, signature(body))
    assert (status, endpoint.notes) == (200, [])
    assert endpoint.counted("not_ours") == 1


async def test_an_object_without_metadata_is_ignored(endpoint: Endpoint) -> None:
    body = json.dumps({"id": "evt_1", "object": "event", "type": "x", "data": {"object": {"id": "b"}}}).encode()
    assert (await endpoint.send(body, signature(body)))[0] == 200
    body = json.dumps({"id": "evt_1", "object": "event", "type": "x"}).encode()
    assert (await endpoint.send(body, signature(body)))[0] == 200
    assert endpoint.notes == []


def reversal_event(kind: str, intent: object = "pi_1", metadata: dict[str, str] | None = None) -> bytes:
    subject = {"id": "x_1", "object": "x", "payment_intent": intent, "metadata": metadata or {}}
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": subject}}).encode()


# Everything that Stripe sends about disputes and refunds, at the version of the API that is in use.
REVERSALS = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
)


@pytest.mark.parametrize("kind", REVERSALS)
async def test_g14_an_event_that_names_only_a_payment_intent_is_about_the_payment_it_was_made_for(
    endpoint: Endpoint, kind: str
) -> None:
    endpoint.payments["pi_1"] = PaymentName("a-1/buy/1", "a-1")
    body = reversal_event(kind)
    assert await endpoint.send(body, signature(body)) == (200, "taken\n")
    assert endpoint.notes == [WebhookNote("a-1/buy/1", "a-1", kind)]
    assert endpoint.notes[0].is_about_reversal


async def test_r2_an_event_about_a_refund_of_ours_names_the_refund(endpoint: Endpoint) -> None:
    endpoint.payments["pi_1"] = PaymentName("a-1/buy/1", "a-1")
    body = reversal_event("refund.failed", metadata={"payment_id": "a-1/refund/1", "account_id": "a-1"})
    await endpoint.send(body, signature(body))
    assert endpoint.notes == [WebhookNote("a-1/refund/1", "a-1", "refund.failed")]


@pytest.mark.parametrize("intent", ["pi_of_another_shop", None, "", "pi_1/../../accounts", {"id": "pi_1"}])
async def test_a_reversal_of_somebody_else_s_charge_is_ignored(endpoint: Endpoint, intent: object) -> None:
    endpoint.payments["pi_1"] = PaymentName("a-1/buy/1", "a-1")
    body = reversal_event("charge.dispute.created", intent)
    assert (await endpoint.send(body, signature(body)))[0] == 200
    assert endpoint.notes == []
    assert endpoint.counted("not_ours") == 1


async def test_an_event_that_names_a_payment_intent_is_no_look_up_for_other_events(endpoint: Endpoint) -> None:
    endpoint.payments["pi_1"] = PaymentName("a-1/buy/1", "a-1")
    body = reversal_event("charge.succeeded")
    await endpoint.send(body, signature(body))
    assert endpoint.notes == []


async def test_while_the_payment_cannot_be_looked_up_stripe_is_to_send_the_event_again(endpoint: Endpoint) -> None:
    endpoint.payments["pi_1"] = Unknown("a time-out")
    body = reversal_event("charge.dispute.created")
    status, _ = await endpoint.send(body, signature(body))
    assert (status, endpoint.notes) == (500, [])
    assert endpoint.counted("unknown") == 1

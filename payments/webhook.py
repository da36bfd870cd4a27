"""Stripe's webhook endpoint: what is really Stripe's becomes a note to look at a payment, and only then gets its 200.

Nothing of an event's content is believed or kept: it may come twice, late or out of order. The note names the payment,
and whoever owns it asks Stripe how it stands. An event that gets no 200 is sent again by Stripe, for days.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import msgspec
import stripe
from aiohttp import web
from msgspec import convert

from payments.batch import WebhookNote
from payments.metrics import Metrics
from payments.request import PaymentId
from schemas.inputs import Id
from stream import log

logger = log.get("webhooks")

PATH = "/webhooks/stripe"
# An event is the object it is about and a little more: a few KB. What is larger is not read.
BODY_BYTES_MAX = 256 * 1024
TOLERANCE_S = 300  # An event signed longer ago may be one that somebody recorded.

Keep = Callable[[WebhookNote], Awaitable[None]]


class UnverifiedError(Exception):
    """The body is not signed by any secret in force, or not what Stripe sends; the message says which."""


class _Metadata(msgspec.Struct):
    payment_id: PaymentId
    account_id: Id


class _Subject(msgspec.Struct):
    metadata: _Metadata


def verify(body: bytes, signature: str | None, secrets: Sequence[str]) -> stripe.Event:
    """The event in `body`, by the first of `secrets` that signed it. Raises UnverifiedError."""
    refusal = "no webhook secret is set"
    for secret in secrets:
        try:
            event: stripe.Event = stripe.Webhook.construct_event(body, signature, secret, TOLERANCE_S)
        except stripe.SignatureVerificationError as error:
            # "Too old" means that this secret did sign, and says more than that another one did not.
            refusal = refusal if "tolerance" in refusal else str(error.user_message)
        except ValueError as error:
            raise UnverifiedError("the body is not an event as JSON") from error
        else:
            return event
    raise UnverifiedError(refusal)


def note_of(event: stripe.Event) -> WebhookNote | None:
    """What the event is about; None when that is no payment of ours: others may use the same Stripe account."""
    try:
        metadata = convert(event.data.object.to_dict(), _Subject).metadata
    except (msgspec.ValidationError, AttributeError):
        return None
    return WebhookNote(metadata.payment_id, metadata.account_id, event.type)


def build_endpoint(secrets: Sequence[str], keep: Keep, metrics: Metrics) -> web.Application:
    """`keep` returns when the note is safe, and raises OSError or KafkaError when it is not: Stripe then gets a 500."""

    async def take(request: web.Request) -> web.Response:
        # Larger than `client_max_size`: aiohttp answers 413 itself.
        body = await request.read()
        try:
            event = verify(body, request.headers.get("Stripe-Signature"), secrets)
        except UnverifiedError as error:
            metrics.webhooks.labels("refused").inc()
            logger.warning("webhook refused", reason=str(error))
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"{error}\n")
        note = note_of(event)
        if note is None:
            metrics.webhooks.labels("not_ours").inc()
            return web.Response(text="not about a payment of ours\n")
        await keep(note)
        metrics.webhooks.labels("taken").inc()
        return web.Response(text="taken\n")

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post(PATH, take)
    return app

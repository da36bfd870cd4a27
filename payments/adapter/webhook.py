"""Stripe's webhook endpoint: publishes a note for each verified event about a payment, then responds 200.

An event may come twice, late or out of order, so none of its content is used except the payment that it is about. The
owner of that payment's partition reads the note and queries Stripe. Stripe resends an event without a 200 for days.
A dispute, or a refund made by hand, names only a PaymentIntent: the adapter looks its payment up at Stripe.
"""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Annotated

import msgspec
import stripe
from aiohttp import web
from msgspec import convert

from payments.adapter.changes import REVERSAL_EVENTS, WebhookNote
from payments.adapter.metrics import Metrics
from payments.outcome import Unknown
from payments.request import PaymentName
from stream import log

logger = log.get("webhooks")

PATH = "/webhooks/stripe"
# An event is its subject and a little more: a few KB. A larger body is not read.
BODY_BYTES_MAX = 256 * 1024
TOLERANCE_S = 300  # An event signed longer ago may be a replayed recording.

PublishNote = Callable[[WebhookNote], Awaitable[None]]
FindPayment = Callable[[str], Awaitable[PaymentName | Unknown | None]]


class UnverifiedError(Exception):
    """The body is not signed with any configured secret, or is not an event; the message gives the reason."""


class _Subject(msgspec.Struct):
    metadata: PaymentName


class _Reversal(msgspec.Struct):
    payment_intent: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_]{1,255}$")]


def verify_event(body: bytes, signature: str | None, secrets: Sequence[str]) -> stripe.Event:
    """The event in `body`, verified with the first of `secrets` that signed it. Raises UnverifiedError."""
    refusal = "no webhook secret is set"
    for secret in secrets:
        try:
            event: stripe.Event = stripe.Webhook.construct_event(body, signature, secret, TOLERANCE_S)
        except stripe.SignatureVerificationError as error:
            # "Outside the tolerance" means that this secret did sign: a better reason than another secret's mismatch.
            refusal = refusal if "tolerance" in refusal else str(error.user_message)
        except (ValueError, TypeError, AttributeError) as error:
            # The library compares signatures as ASCII only, and expects an object without checking it.
            raise UnverifiedError("the body is not an event, or its signature is no text") from error
        else:
            return event
    raise UnverifiedError(refusal)


def note_from_event(event: stripe.Event) -> WebhookNote | None:
    """None for an event about anything but a payment of ours: the Stripe account may have other uses."""
    try:
        metadata = convert(event.data.object.to_dict(), _Subject).metadata
    except (msgspec.ValidationError, AttributeError):
        return None
    return WebhookNote(metadata.payment_id, metadata.account_id, event.type)


def reversed_intent(event: stripe.Event) -> str | None:
    """The PaymentIntent of an event about a dispute or refund; None for any other event, and for a charge without."""
    if not event.type.startswith(REVERSAL_EVENTS):
        return None
    try:
        return convert(event.data.object.to_dict(), _Reversal).payment_intent
    except (msgspec.ValidationError, AttributeError):
        return None


async def find_note(event: stripe.Event, find_payment: FindPayment) -> WebhookNote | Unknown | None:
    """None for an event about anything but a payment of ours; Unknown if Stripe cannot tell which it is about."""
    note, intent = note_from_event(event), reversed_intent(event)
    if note is not None or intent is None:
        return note
    payment = await find_payment(intent)
    if isinstance(payment, PaymentName):
        return WebhookNote(payment.payment_id, payment.account_id, event.type)
    return payment


def build_endpoint(
    secrets: Sequence[str], publish_note: PublishNote, find_payment: FindPayment, metrics: Metrics
) -> web.Application:
    """`publish_note` returns when the note is committed, and otherwise raises OSError or KafkaError: Stripe then gets
    a 500. So it does if `find_payment` cannot tell which payment a PaymentIntent was made for.
    """

    async def receive(request: web.Request) -> web.Response:
        # aiohttp itself responds 413 to a body larger than `client_max_size`.
        body = await request.read()
        try:
            event = verify_event(body, request.headers.get("Stripe-Signature"), secrets)
        except UnverifiedError as error:
            metrics.webhooks.labels("refused").inc()
            logger.warning("webhook refused", reason=str(error))
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"{error}\n")
        note = await find_note(event, find_payment)
        if note is None:
            metrics.webhooks.labels("not_ours").inc()
            return web.Response(text="not about a payment of ours\n")
        if isinstance(note, Unknown):
            metrics.webhooks.labels("unknown").inc()
            logger.warning("webhook not taken", reason=note.detail)
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="the payment could not be looked up\n")
        await publish_note(note)
        metrics.webhooks.labels("taken").inc()
        return web.Response(text="taken\n")

    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_post(PATH, receive)
    return app

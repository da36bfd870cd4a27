"""A payment provider that moves no money: answers every payment request once, with declines and delays."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from demo.wire import Timed, encode, sign
from payments import fake
from payments.answer import AHEAD_MAX_MS, answer_id
from payments.fake import FakeSettings, Verdict
from schemas.instant import parse_instant

Purpose = Literal["refill", "purchase", "overage", "subscription", "refund", "invoice"]


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How payments fare, as with the adapter's fake provider, and what signs the answers."""

    fares: FakeSettings = field(default_factory=FakeSettings)
    signing_key: bytes | None = None


class PaymentRequest(msgspec.Struct, frozen=True):
    """What the provider reads of a `payment-requested`. `payment_id` is the idempotency key."""

    payment_id: str
    account_id: str
    occurred_at: str
    purpose: Purpose


class Answer(NamedTuple):
    """The record to send and the virtual milliseconds the provider takes for it."""

    delay_ms: int
    record: Timed


class Provider:
    """Decides by seed and payment id alone: a request seen again, by this process or the next, gets the same bytes."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        # Grows by a line a payment for as long as the process lives: a demo, not a provider.
        self._answered: set[str] = set()
        self._decoder = msgspec.json.Decoder(PaymentRequest)

    def answer(self, request: bytes) -> Answer | None:
        """None when the payment has had its answer. Raises msgspec.ValidationError for what is no payment request."""
        payment = self._decoder.decode(request)
        if payment.payment_id in self._answered:
            return None
        self._answered.add(payment.payment_id)
        return decide(payment, self.settings)


def decide(payment: PaymentRequest, settings: ProviderSettings) -> Answer:
    """Whether and when a payment goes through."""
    verdict = fake.decide(payment.payment_id, payment.purpose, settings.fares)
    kind, fields = _told(verdict)
    asked_ms = parse_instant(payment.occurred_at)
    # An answer that takes its time was given at once and is long under way: ahead of the clock it would be refused.
    decided_ms = asked_ms + min(verdict.delay_ms, AHEAD_MAX_MS)
    said = {"payment_id": payment.payment_id, **fields}
    value = encode(kind, answer_id(payment.payment_id), payment.account_id, decided_ms, said)
    return Answer(
        verdict.delay_ms,
        Timed(asked_ms + verdict.delay_ms, kind, payment.account_id.encode(), value, sign(value, settings.signing_key)),
    )


def _told(verdict: Verdict) -> tuple[str, dict[str, object]]:
    if verdict.reason is not None:
        return "payment-declined", {"reason": verdict.reason, "retryable": verdict.retryable}
    return "payment-succeeded", {"provider_reference": verdict.reference}

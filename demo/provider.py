"""A payment provider that moves no money: it answers every payment request once, with declines and delays."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from demo.wire import Timed, encode, sign
from payments.adapter.answer import AHEAD_MAX_MS, answer_id
from payments.providers import fake
from payments.providers.fake import FakeSettings, Verdict
from schemas.instant import parse_instant

Purpose = Literal["refill", "purchase", "overage", "subscription", "refund", "invoice"]


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Shares of declines and delays, as in the adapter's fake provider, and the key that signs the answers."""

    fares: FakeSettings = field(default_factory=FakeSettings)
    signing_key: bytes | None = None


class PaymentRequest(msgspec.Struct, frozen=True):
    """The fields of `payment-requested` that the provider reads. `payment_id` is the idempotency key."""

    payment_id: str
    account_id: str
    occurred_at: str
    purpose: Purpose


class Answer(NamedTuple):
    """The record to send, and the provider's delay in virtual milliseconds."""

    delay_ms: int
    record: Timed


class Provider:
    """Decides by seed and payment id alone: a repeated request gets the same bytes, also from a new process."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        # Grows with every payment until the process ends, which is acceptable in a demo.
        self._answered: set[str] = set()
        self._decoder = msgspec.json.Decoder(PaymentRequest)

    def answer(self, request: bytes) -> Answer | None:
        """None when the payment already has its answer. Raises msgspec.ValidationError for a malformed request."""
        payment = self._decoder.decode(request)
        if payment.payment_id in self._answered:
            return None
        self._answered.add(payment.payment_id)
        return decide(payment, self.settings)


def decide(payment: PaymentRequest, settings: ProviderSettings) -> Answer:
    """The answer to a payment: its result and its delay."""
    verdict = fake.decide(payment.payment_id, payment.purpose, settings.fares)
    kind, fields = _fields_of(verdict)
    requested_ms = parse_instant(payment.occurred_at)
    # A slow answer is dated early and delivered late: dated late, it could be ahead of the clock and be rejected.
    decided_ms = requested_ms + min(verdict.delay_ms, AHEAD_MAX_MS)
    content = {"payment_id": payment.payment_id, **fields}
    value = encode(kind, answer_id(payment.payment_id), payment.account_id, decided_ms, content)
    return Answer(
        verdict.delay_ms,
        Timed(
            requested_ms + verdict.delay_ms, kind, payment.account_id.encode(), value, sign(value, settings.signing_key)
        ),
    )


def _fields_of(verdict: Verdict) -> tuple[str, dict[str, object]]:
    if verdict.reason is not None:
        return "payment-declined", {"reason": verdict.reason, "retryable": verdict.retryable}
    return "payment-succeeded", {"provider_reference": verdict.reference}

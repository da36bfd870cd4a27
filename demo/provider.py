"""A payment provider that moves no money: it answers every payment request once, with declines and delays.

Some time after its answer a payment may be disputed or refunded, by shares in the settings.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from demo.wire import Timed, encode, sign
from payments.adapter.answer import AHEAD_MAX_MS, answer_id, reversal_id
from payments.providers import fake
from payments.providers.fake import FakeReversal, FakeSettings, Verdict
from payments.reversal import Reversal
from schemas.instant import parse_instant
from schemas.money import MICROS_PER_CENT

Purpose = Literal["refill", "purchase", "overage", "subscription", "refund", "invoice"]


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Shares of declines and delays, as in the adapter's fake provider, and the key that signs the answers."""

    fares: FakeSettings = field(default_factory=FakeSettings)
    signing_key: bytes | None = None


def fares(seed: int, very_slow_ms: int) -> FakeSettings:
    """What happens to the payments of a month. Banks and owners reverse far more of them than in life, so that a month
    shows each kind.
    """
    return FakeSettings(
        seed,
        very_slow_ms=very_slow_ms,
        disputed_ppm=40_000,
        won_ppm=500_000,
        refunded_ppm=15_000,
        refund_failed_ppm=150_000,
    )


class PaymentRequest(msgspec.Struct, frozen=True):
    """The fields of `payment-requested` that are read, money in micros. `payment_id` is the idempotency key."""

    payment_id: str
    account_id: str
    occurred_at: str
    purpose: Purpose
    amount_micros: int
    token: str = ""


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


def reversals(request: bytes, settings: ProviderSettings) -> list[Answer]:
    """What happens to the payment after its answer, each with its delay since the request; nothing if it is declined.

    Half of an amount is rounded down to whole cents. Raises msgspec.ValidationError.
    """
    payment = msgspec.json.decode(request, type=PaymentRequest)
    verdict = fake.decide(payment.payment_id, payment.purpose, settings.fares, payment.token)
    if verdict.reason is not None:
        return []
    found = fake.reversals_of(payment.payment_id, payment.purpose, settings.fares)
    made = (_reversed(payment, one, verdict.delay_ms + one.delay_ms, settings) for one in found)
    return [answer for answer in made if answer is not None]


def _reversed(payment: PaymentRequest, one: FakeReversal, delay_ms: int, settings: ProviderSettings) -> Answer | None:
    """None for a part that is less than a cent. Dated like an answer, so that it is not ahead of the clock."""
    amount_micros = payment.amount_micros if one.percent == 100 else payment.amount_micros // 2
    amount_micros -= amount_micros % MICROS_PER_CENT
    if amount_micros == 0:
        return None
    requested_ms = parse_instant(payment.occurred_at)
    reversal = Reversal(one.kind, one.reference, amount_micros, requested_ms + AHEAD_MAX_MS)
    content = {
        "payment_id": payment.payment_id,
        "amount_micros": amount_micros,
        "kind": one.kind,
        "provider_reference": one.reference,
    }
    input_id = reversal_id(payment.payment_id, reversal)
    value = encode("payment-reversed", input_id, payment.account_id, reversal.at_ms, content)
    signature, key = sign(value, settings.signing_key), payment.account_id.encode()
    return Answer(delay_ms, Timed(requested_ms + delay_ms, "payment-reversed", key, value, signature))


def decide(payment: PaymentRequest, settings: ProviderSettings) -> Answer:
    """The answer to a payment: its result and its delay."""
    verdict = fake.decide(payment.payment_id, payment.purpose, settings.fares, payment.token)
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

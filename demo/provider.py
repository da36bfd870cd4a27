"""A payment provider that moves no money: answers every payment request once, with declines and delays."""

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec

from demo.wire import Timed, encode, sign
from schemas.instant import MINUTE_MS, SECOND_MS, parse_instant

Purpose = Literal["refill", "purchase", "overage", "subscription", "refund", "invoice"]
DECIDED_WITHIN_MS = MINUTE_MS
HARD_DECLINES = ("card_expired", "card_stolen", "account_closed")
RETRYABLE_DECLINES = ("insufficient_funds", "issuer_unavailable")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Shares are parts per million of all payments; refunds are never declined."""

    seed: int = 1
    declined_ppm: int = 40_000
    declined_for_now_ppm: int = 80_000
    slow_ppm: int = 150_000  # half a minute: a customer confirming the payment
    very_slow_ppm: int = 10_000
    very_slow_ms: int = 16 * MINUTE_MS  # longer than the time after which a refill counts as unresolved (C14)
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
    digest = hashlib.blake2b(f"{settings.seed}/{payment.payment_id}".encode(), digest_size=24).digest()
    luck, pace, spread = (int.from_bytes(digest[at : at + 8]) for at in (0, 8, 16))
    delay_ms = _delay_ms(pace % 1_000_000, spread, settings)
    kind, fields = _verdict(payment, luck % 1_000_000, spread, settings)
    asked_ms = parse_instant(payment.occurred_at)
    # An answer that takes its time was given at once and is long under way: ahead of the clock it would be refused.
    decided_ms = asked_ms + min(delay_ms, DECIDED_WITHIN_MS)
    name = hashlib.blake2b(payment.payment_id.encode(), digest_size=12).hexdigest()
    value = encode(kind, f"pay:{name}", payment.account_id, decided_ms, {"payment_id": payment.payment_id, **fields})
    return Answer(
        delay_ms,
        Timed(asked_ms + delay_ms, kind, payment.account_id.encode(), value, sign(value, settings.signing_key)),
    )


def _verdict(
    payment: PaymentRequest, luck_ppm: int, spread: int, settings: ProviderSettings
) -> tuple[str, dict[str, object]]:
    if payment.purpose != "refund":
        if luck_ppm < settings.declined_ppm:
            return "payment-declined", {"reason": HARD_DECLINES[spread % len(HARD_DECLINES)], "retryable": False}
        if luck_ppm < settings.declined_ppm + settings.declined_for_now_ppm:
            reason = RETRYABLE_DECLINES[spread % len(RETRYABLE_DECLINES)]
            return "payment-declined", {"reason": reason, "retryable": True}
    return "payment-succeeded", {"provider_reference": f"ch-{spread:016x}"}


def _delay_ms(pace_ppm: int, spread: int, settings: ProviderSettings) -> int:
    if pace_ppm < settings.very_slow_ppm:
        return settings.very_slow_ms + spread % (settings.very_slow_ms + MINUTE_MS)
    if pace_ppm < settings.very_slow_ppm + settings.slow_ppm:
        return 10 * SECOND_MS + spread % (50 * SECOND_MS)
    return SECOND_MS + spread % (3 * SECOND_MS)

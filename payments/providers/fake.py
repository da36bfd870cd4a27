"""A payment provider that moves no money, for the demo and for trials.

Its outcomes depend on seed and payment id alone, so every process gives a payment the same one.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from payments.outcome import Declined, Outcome, Pending, Succeeded
from payments.payment_state import PaymentState
from schemas.instant import MINUTE_MS, SECOND_MS, parse_instant

HARD_DECLINES = ("card_expired", "card_stolen", "account_closed")
RETRYABLE_DECLINES = ("insufficient_funds", "issuer_unavailable")


@dataclass(frozen=True, slots=True)
class FakeSettings:
    """Shares are parts per million of all payments; refunds are never declined."""

    seed: int = 1
    declined_ppm: int = 40_000
    declined_for_now_ppm: int = 80_000
    slow_ppm: int = 150_000  # half a minute: a customer confirming the payment
    very_slow_ppm: int = 10_000
    very_slow_ms: int = 16 * MINUTE_MS  # longer than the time after which a refill counts as unresolved (C14)


class Verdict(NamedTuple):
    """A payment's outcome and its delay in (virtual) milliseconds. `reason` is None if the payment succeeds."""

    delay_ms: int
    reference: str
    reason: str | None = None
    retryable: bool = False


def decide(payment_id: str, purpose: str, settings: FakeSettings) -> Verdict:
    """Whether and when a payment succeeds."""
    digest = hashlib.blake2b(f"{settings.seed}/{payment_id}".encode(), digest_size=24).digest()
    luck, pace, spread = (int.from_bytes(digest[at : at + 8]) for at in (0, 8, 16))
    delay_ms = _delay_ms(pace % 1_000_000, spread, settings)
    luck_ppm, reference = luck % 1_000_000, f"ch-{spread:016x}"
    if purpose == "refund":
        return Verdict(delay_ms, reference)
    if luck_ppm < settings.declined_ppm:
        return Verdict(delay_ms, reference, HARD_DECLINES[spread % len(HARD_DECLINES)])
    if luck_ppm < settings.declined_ppm + settings.declined_for_now_ppm:
        return Verdict(delay_ms, reference, RETRYABLE_DECLINES[spread % len(RETRYABLE_DECLINES)], retryable=True)
    return Verdict(delay_ms, reference)


def _delay_ms(pace_ppm: int, spread: int, settings: FakeSettings) -> int:
    if pace_ppm < settings.very_slow_ppm:
        return settings.very_slow_ms + spread % (settings.very_slow_ms + MINUTE_MS)
    if pace_ppm < settings.very_slow_ppm + settings.slow_ppm:
        return 10 * SECOND_MS + spread % (50 * SECOND_MS)
    return SECOND_MS + spread % (3 * SECOND_MS)


class FakeProvider:
    """A payment is pending for its delay divided by `speed_up`; the outcome's time is that of the undivided delay."""

    def __init__(self, settings: FakeSettings, speed_up: float) -> None:
        self._settings, self._speed_up = settings, speed_up

    async def execute(self, payment: PaymentState, refunded: str | None, now_ms: int) -> Outcome:  # noqa: ARG002 protocol
        verdict = decide(payment.payment_id, payment.purpose, self._settings)
        due_ms = payment.received_at_ms + int(verdict.delay_ms / self._speed_up)
        if now_ms < due_ms:
            return Pending(check_at_ms=due_ms)
        at_ms = parse_instant(payment.requested_at) + verdict.delay_ms
        if verdict.reason is not None:
            return Declined(verdict.reason, verdict.retryable, verdict.reference, at_ms)
        return Succeeded(verdict.reference, at_ms)

    async def close(self) -> None:
        """There are no connections."""

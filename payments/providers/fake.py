"""A payment provider that moves no money, for the demo and for trials.

Its outcomes depend on seed and payment id alone, so every process gives a payment the same one; with a card for trials
(`fake_cards`), on the card. Disputes and refunds made by hand are in a file, its book, to which `tollgate payments
fake-reversal` adds.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from payments.outcome import Declined, Outcome, Pending, Succeeded, Unknown
from payments.payment_state import PaymentState
from payments.providers.fake_book import Entry, entries_of, read_book
from payments.providers.fake_cards import trial_card
from payments.reversal import Kind, Listed, Looked, Reversal
from schemas.instant import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, parse_instant

HARD_DECLINES = ("card_expired", "card_stolen", "account_closed")
RETRYABLE_DECLINES = ("insufficient_funds", "issuer_unavailable")


@dataclass(frozen=True, slots=True)
class FakeSettings:
    """Shares are parts per million: of all payments, and for `won_ppm` of the disputes. Refunds are never declined."""

    seed: int = 1
    declined_ppm: int = 40_000
    declined_for_now_ppm: int = 80_000
    slow_ppm: int = 150_000  # half a minute: a customer confirming the payment
    very_slow_ppm: int = 10_000
    very_slow_ms: int = 16 * MINUTE_MS  # longer than the time after which a refill counts as unresolved (C14)
    # Only the demo's provider reverses payments by itself; the adapter's reads its book.
    disputed_ppm: int = 0
    won_ppm: int = 0
    refunded_ppm: int = 0  # by hand, half of the payment
    refund_failed_ppm: int = 0  # of our own refunds, after they succeeded


class Verdict(NamedTuple):
    """A payment's outcome and its delay in (virtual) milliseconds. `reason` is None if the payment succeeds."""

    delay_ms: int
    reference: str
    reason: str | None = None
    retryable: bool = False


def decide(payment_id: str, purpose: str, settings: FakeSettings, token: str = "") -> Verdict:
    """Whether and when a payment succeeds. `token` is that of the card."""
    digest = hashlib.blake2b(f"{settings.seed}/{payment_id}".encode(), digest_size=24).digest()
    luck, pace, spread = (int.from_bytes(digest[at : at + 8]) for at in (0, 8, 16))
    delay_ms = _delay_ms(pace % 1_000_000, spread, settings)
    luck_ppm, reference = luck % 1_000_000, f"ch-{spread:016x}"
    if purpose == "refund":
        return Verdict(delay_ms, reference)
    card = trial_card(token)
    if card is not None:
        return Verdict(_quick_ms(spread), reference, card.reason, card.retryable)
    if luck_ppm < settings.declined_ppm:
        return Verdict(delay_ms, reference, HARD_DECLINES[spread % len(HARD_DECLINES)])
    if luck_ppm < settings.declined_ppm + settings.declined_for_now_ppm:
        return Verdict(delay_ms, reference, RETRYABLE_DECLINES[spread % len(RETRYABLE_DECLINES)], retryable=True)
    return Verdict(delay_ms, reference)


class FakeReversal(NamedTuple):
    """A movement after the payment: its delay in (virtual) milliseconds, its share of the payment in percent."""

    delay_ms: int
    kind: Kind
    reference: str
    percent: int = 100


def reversals_of(payment_id: str, purpose: str, settings: FakeSettings) -> tuple[FakeReversal, ...]:
    """What happens to the money of a payment that succeeded, within three days."""
    digest = hashlib.blake2b(f"{settings.seed}/{payment_id}/reversed".encode(), digest_size=24).digest()
    luck, outcome, spread = (int.from_bytes(digest[at : at + 8]) for at in (0, 8, 16))
    luck_ppm, delay_ms, reference = luck % 1_000_000, HOUR_MS + spread % DAY_MS, f"rv-{spread:016x}"
    if purpose == "refund":
        failed = luck_ppm < settings.refund_failed_ppm
        return (FakeReversal(delay_ms, "refund_failed", reference),) if failed else ()
    if luck_ppm < settings.disputed_ppm:
        dispute = FakeReversal(delay_ms, "dispute", reference)
        won = outcome % 1_000_000 < settings.won_ppm
        return (dispute, FakeReversal(delay_ms + DAY_MS, "dispute_won", reference)) if won else (dispute,)
    if luck_ppm < settings.disputed_ppm + settings.refunded_ppm:
        return (FakeReversal(delay_ms, "refund", reference, percent=50),)
    return ()


def _delay_ms(pace_ppm: int, spread: int, settings: FakeSettings) -> int:
    if pace_ppm < settings.very_slow_ppm:
        return settings.very_slow_ms + spread % (settings.very_slow_ms + MINUTE_MS)
    if pace_ppm < settings.very_slow_ppm + settings.slow_ppm:
        return 10 * SECOND_MS + spread % (50 * SECOND_MS)
    return _quick_ms(spread)


def _quick_ms(spread: int) -> int:
    return SECOND_MS + spread % (3 * SECOND_MS)


class FakeProvider:
    """A payment is pending for its delay divided by `speed_up`; the outcome's time is that of the undivided delay.

    `book` is the file of reversals; without it there are none.
    """

    def __init__(self, settings: FakeSettings, speed_up: float, book: Path | None = None) -> None:
        self._settings, self._speed_up, self._book = settings, speed_up, book

    async def execute(self, payment: PaymentState, refunded: str | None, now_ms: int) -> Outcome:  # noqa: ARG002 protocol
        verdict = decide(payment.payment_id, payment.purpose, self._settings, payment.token)
        due_ms = payment.received_at_ms + int(verdict.delay_ms / self._speed_up)
        if now_ms < due_ms:
            return Pending(check_at_ms=due_ms)
        at_ms = parse_instant(payment.requested_at) + verdict.delay_ms
        if verdict.reason is not None:
            return Declined(verdict.reason, verdict.retryable, verdict.reference, at_ms)
        return Succeeded(verdict.reference, at_ms)

    async def look(self, payment: PaymentState, now_ms: int) -> Looked | Unknown:  # noqa: ARG002 protocol
        try:
            book = entries_of(payment.payment_id, read_book(self._book))
        except ValueError as error:
            return Unknown(f"the book cannot be read: {error}")
        return Looked(tuple(_reversal(entry, payment) for entry in book))

    async def list_reversed(self, since_ms: int) -> Listed | Unknown:  # noqa: ARG002 protocol
        """Every payment in the book: a line may be younger than the time that it names."""
        try:
            return Listed(frozenset(entry.payment_id for entry in read_book(self._book)))
        except ValueError as error:
            return Unknown(f"the book cannot be read: {error}")

    async def close(self) -> None:
        """There are no connections."""


def _reversal(entry: Entry, payment: PaymentState) -> Reversal:
    amount_micros = min(entry.amount_micros or payment.amount_micros, payment.amount_micros)
    return Reversal(entry.kind, entry.reference, amount_micros, int(parse_instant(entry.at)))

"""The plans of the naive model: the numbers that the product's rules speak of, and nothing else of a plan."""

from dataclasses import dataclass
from typing import Literal

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class NaivePlan:
    """The numbers of a credits plan, in micros, as the product rules give them (C2-C6, C9, G5)."""

    included_calls: int = 25
    extra_call_micros: int = 3_000_000
    live_agent_micros: int = 3_000_000
    appointment_booking_micros: int = 3_000_000
    cap_micros: int = 6_000_000
    admission: Literal["available", "balance"] = "available"
    longest_call_ms: int = 4 * HOUR_MS
    quantum_micros: int = 10_000
    name: str = "free"
    version: int = 1

    def price(self, feature: str) -> int:
        prices = {
            "extra_calls": self.extra_call_micros,
            "live_agent": self.live_agent_micros,
            "appointment_booking": self.appointment_booking_micros,
        }
        return prices[feature]


@dataclass(frozen=True)
class NaiveMinutes:
    """The numbers of a minutes plan, rates in micros a minute (M1-M5)."""

    name: str
    monthly_price_micros: int = 49_000_000
    interval: Literal["month", "year"] = "month"
    included_minutes: int = 100
    inbound_micros: int = 110_000
    outbound_micros: int = 110_000
    web_micros: int = 80_000
    first_s: int = 60
    next_s: int = 60
    card_threshold_micros: int = 10_000_000
    quantum_micros: int = 10_000
    longest_call_ms: int = 4 * HOUR_MS
    version: int = 1

    def rate(self, direction: str) -> int:
        return {"inbound": self.inbound_micros, "outbound": self.outbound_micros, "web": self.web_micros}[direction]

    @property
    def term_periods(self) -> int:
        return 12 if self.interval == "year" else 1

    @property
    def fee(self) -> int:
        """What a whole term costs: the price is that of a month."""
        return self.monthly_price_micros * self.term_periods

    def term_of(self, period: int) -> tuple[int, int]:
        """The first billing period of the term that holds this one, and the first after it. Decision 0018."""
        first = period - period % self.term_periods
        return first, first + self.term_periods


AnyPlan = NaivePlan | NaiveMinutes

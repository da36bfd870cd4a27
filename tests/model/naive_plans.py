"""The plans of the naive model: the numbers that the product's rules speak of, and nothing else of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.model.naive_currency import CURRENCIES

HOUR_MS = 3_600_000
OtherPrices = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class NaivePlan:
    """The numbers of a credits plan, in micros, as the product rules give them (C2-C6, C9, G5).

    `others` has the prices in other currencies, by the code, as fields of this class. Rule K1.
    """

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
    currency: str = "USD"
    others: OtherPrices = field(default_factory=dict, hash=False)
    alert_thresholds: tuple[int, ...] | None = None
    refill_threshold: int | None = None

    def price(self, feature: str) -> int:
        prices = {
            "extra_calls": self.extra_call_micros,
            "live_agent": self.live_agent_micros,
            "appointment_booking": self.appointment_booking_micros,
        }
        return prices[feature]

    def priced_in(self, code: str) -> "NaivePlan | None":
        """This plan at its prices in a currency, None where it has none. Rules G12, K1."""
        if code == self.currency:
            return self
        if code not in self.others:
            return None
        prices = {"quantum_micros": CURRENCIES[code].step, **self.others[code]}
        return replace(self, currency=code, others={}, **prices)  # type: ignore[arg-type]  # Every price is an integer.


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
    currency: str = "USD"
    others: OtherPrices = field(default_factory=dict, hash=False)
    alert_thresholds: tuple[int, ...] | None = None
    refill_threshold: int | None = None

    def rate(self, direction: str) -> int:
        return {"inbound": self.inbound_micros, "outbound": self.outbound_micros, "web": self.web_micros}[direction]

    @property
    def term_periods(self) -> int:
        return 12 if self.interval == "year" else 1

    @property
    def fee(self) -> int:
        """What a whole term costs: the price is that of a month."""
        return self.monthly_price_micros * self.term_periods

    def term_of(self, period: int, first_billed: int = 0) -> tuple[int, int]:
        """The first billing period of the term that holds this one, and the first after it. Rule G3, decision 0018."""
        first = period - (period - first_billed) % self.term_periods
        return first, first + self.term_periods

    def priced_in(self, code: str) -> "NaiveMinutes | None":
        """As for a credits plan."""
        if code == self.currency:
            return self
        if code not in self.others:
            return None
        money = CURRENCIES[code]
        prices = {"quantum_micros": money.step, "card_threshold_micros": money.low_balance, **self.others[code]}
        return replace(self, currency=code, others={}, **prices)  # type: ignore[arg-type]  # Every price is an integer.


AnyPlan = NaivePlan | NaiveMinutes

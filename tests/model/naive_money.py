"""What a call costs on a credits plan, worked out from nothing every time it is asked."""

import math
from dataclasses import dataclass, field
from fractions import Fraction

from tests.model.naive_plans import NaivePlan

FEATURES = ("extra_calls", "live_agent", "appointment_booking")


def half_up(amount: Fraction | int, quantum: int) -> int:
    """The whole quanta nearest to the exact amount, halves upwards. Rule G1."""
    return math.floor(Fraction(amount) / quantum + Fraction(1, 2)) * quantum


@dataclass(frozen=True)
class Price:
    """One call's price: `lines` are those that cost or forgive money, `not_enabled` what was used but not billable."""

    ordinal: int | None = None
    lines: dict[str, int] = field(default_factory=dict)
    not_enabled: int = 0

    @property
    def amount(self) -> int:
        return sum(self.lines.values())


def price_call(plan: NaivePlan, ordinal: int, enabled: frozenset[str], reported: set[str]) -> Price:
    """Rules C2-C6 and C11 for a counted call. `enabled`: active at its admission; `reported`: used, says its end."""
    used = {feature for feature in FEATURES[1:] if feature in reported}
    if ordinal > plan.included_calls:
        used.add("extra_calls")
    lines = {"extra_call" if feature == "extra_calls" else feature: plan.price(feature) for feature in used & enabled}
    too_much = sum(lines.values()) - plan.cap_micros
    if too_much > 0:
        lines["cap"] = -too_much
    return Price(ordinal, lines, len(used - enabled))

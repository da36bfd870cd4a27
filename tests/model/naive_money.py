"""What a call costs and what is left of each lot of credits, each worked out from nothing every time it is asked."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

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


@dataclass(frozen=True)
class Movement:
    """One movement of a wallet that has happened. `amount` is positive; `kind` says what it did.

    `credit` made the lot `lot`; `use` drew from the wallet; `back` returned a part of a use; `refund` took from the
    lot `lot` alone; `unrefund` is a declined refund.
    """

    kind: Literal["credit", "use", "back", "refund", "unrefund"]
    amount: int
    lot: str = ""


@dataclass
class Lot:
    lot: str
    size: int
    left: int


def lots_after(movements: list[Movement]) -> tuple[list[Lot], int]:
    """The lots in order of crediting, and the debt. Rule P13.

    Uses take the oldest first, what no lot covers is debt; a debt eats what comes in; a credit back undoes the latest
    use first: the debt, then the newest used lot. A declined refund is such a credit back: had it not been asked for,
    the uses since would have taken from its lot before any newer one. What the card had paid for a call may come back
    as well, more than any lot had: it is not refundable, and used first.
    """
    lots: list[Lot] = []
    debt = 0
    for movement in movements:
        amount = movement.amount
        if movement.kind == "use":
            for lot in lots:
                taken = min(lot.left, amount)
                lot.left -= taken
                amount -= taken
            debt += amount
            continue
        if movement.kind == "refund":
            lot = next(lot for lot in lots if lot.lot == movement.lot)
            lot.left -= amount
            lot.size -= amount
            continue
        if movement.kind == "unrefund":
            next(lot for lot in lots if lot.lot == movement.lot).size += movement.amount
        eaten = min(debt, amount)
        debt -= eaten
        amount -= eaten
        if movement.kind == "credit":
            lots.append(Lot(movement.lot, movement.amount, amount))
            continue
        for lot in reversed(lots):
            filled = min(lot.size - lot.left, amount)
            lot.left += filled
            amount -= filled
        if amount:
            lots.insert(0, Lot("", amount, amount))
    return lots, debt

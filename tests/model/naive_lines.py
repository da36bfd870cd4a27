"""What the end of a billing period puts on an invoice, in the naive model. Rules B2, B7, B8."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import DIRECTIONS, Cost, NaiveFee, NaiveNumber
from tests.model.naive_charge import start_of_period
from tests.model.naive_currency import half_away

TOP_UPS = ("purchase", "refill", "refund", "reversal")


@dataclass(frozen=True)
class Line:
    kind: str
    amount: int
    direction: str | None = None
    quantity: Fraction | None = None
    unit: int | None = None


def lines_of(account: NaiveAccount, period: int) -> list[Line]:
    """The lines in their order; 0 is left out, but a fee of 0 is not. Rule B2."""
    billing = account.billing
    fees = fees_of(account, period)
    lines = [
        Line(kind, amount, None, None if quantity is None else Fraction(quantity), unit)
        for kind in ("subscription", "proration")
        for fee in fees
        if fee.kind == kind
        for amount, quantity, unit in fee.parts
    ]
    costs = billing.costs_up_to(period)
    lines += [overage_line(way, [cost for cost in costs if cost.direction == way]) for way in DIRECTIONS]
    numbers = [
        Line("phone_number", fee_in(account, number, period), None, Fraction(1), fee_in(account, number, period))
        for number in billing.numbers
        if is_held_in(account, number, period)
    ]
    taxed = sum(line.amount for line in [*lines, *numbers])
    tax = half_away(Fraction(taxed * billing.tax_ppm, 1_000_000), account.money.minor)
    by_wallet = sum(cost.amount - cost.card for cost in costs)
    lines += [Line("top_up", top_ups(account, period)), *numbers, Line("tax", tax)]
    lines += [Line("wallet_credit", -by_wallet), Line("carried", billing.carried)]
    return [line for line in lines if line.amount or line.kind == "subscription"]


def fees_of(account: NaiveAccount, period: int) -> list[NaiveFee]:
    return [fee for fee in account.billing.fees if fee.invoice is None and fee.period <= period]


def overage_line(direction: str, costs: list[Cost]) -> Line:
    """Minutes beyond the included ones at their rate, or calls that cost something; of both, neither. What was given
    back again is neither. Rule B8.
    """
    amount = sum(cost.amount for cost in costs)
    by_minutes = [cost for cost in costs if cost.beyond is not None]
    by_calls = [cost for cost in costs if cost.calls is not None]
    beyond = sum((cost.beyond or Fraction(0) for cost in by_minutes), Fraction(0))
    calls = sum(cost.calls or 0 for cost in by_calls)
    rates = {cost.rate for cost in by_minutes if cost.beyond}
    has_minutes = beyond != 0 or sum(cost.amount for cost in by_minutes) != 0
    has_calls = calls != 0 or sum(cost.amount for cost in by_calls) != 0
    if has_minutes and has_calls:
        return Line("overage", amount, direction)
    if has_calls:
        return Line("overage", amount, direction, Fraction(calls))
    return Line("overage", amount, direction, beyond, rates.pop() if len(rates) == 1 else None)


def top_ups(account: NaiveAccount, period: int) -> int:
    """Purchases and refills, less refunds and reversals of them, by the time of their entries. Rule B2."""
    entries = [e for e in account.billing.entries if not e.is_topped_up and e.period <= period]
    return sum(entry.amount for entry in entries if entry.kind in TOP_UPS)


def is_held_in(account: NaiveAccount, number: NaiveNumber, period: int) -> bool:
    """Whether the number was the account's at any time in the period."""
    start_ms, end_ms = start_of_period(account, period), start_of_period(account, period + 1)
    return number.added_ms < end_ms and (number.removed_ms is None or number.removed_ms > start_ms)


def fee_in(account: NaiveAccount, number: NaiveNumber, period: int) -> int:
    """The fee that was set last before the period's end."""
    end_ms = start_of_period(account, period + 1)
    return [fee for at_ms, fee in number.fees if at_ms < end_ms][-1]


def statement(account: NaiveAccount, period: int, lines: list[Line]) -> dict[str, Any]:
    """The wallet from the closing of the period before to that of this one. Rule B7."""
    billing = account.billing
    opening = billing.closing
    credited = 0
    for entry in billing.entries:
        if not entry.is_stated and entry.period <= period:
            entry.is_stated = True
            credited += entry.amount
    used = -sum(line.amount for line in lines if line.kind == "wallet_credit")
    billing.closing = opening + credited - used
    return {
        "opening_micros": opening,
        "credited_micros": credited,
        "used_micros": used,
        "closing_micros": billing.closing,
    }

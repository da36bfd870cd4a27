"""What the same calls would have cost on another plan, by the rules' own pricing and without an account.

Both `upgrade-suggested` and `tollgate whatif` use it. Rules C16 and M2 to M4.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import astuple, replace

from agents.wallet.rating.credits import price_call
from agents.wallet.rating.minutes import rate_time
from schemas.call import ADMITTED, Call, End, billable_ms
from schemas.plan import AnyPlan, CreditsPlan, MinutesPlan

SWITCHES = ("appointment_booking", "extra_calls", "live_agent")


class CostOnPlan(msgspec.Struct, frozen=True, gc=False):
    """What counted calls cost on a plan, over one or more billing periods.

    `included_calls` and `included_ms` are what the calls use of the plan's allowance. `rated_ms` is their time in whole
    increments of the plan, 0 on a credits plan. The subscription is the plan's monthly price for each period.
    """

    periods: int = 0
    calls: int = 0
    included_calls: int = 0
    rated_ms: int = 0
    included_ms: int = 0
    subscription_micros: int = 0
    calls_micros: int = 0

    @property
    def total_micros(self) -> int:
        return self.subscription_micros + self.calls_micros

    def __add__(self, other: "CostOnPlan") -> "CostOnPlan":
        """The sum over further periods, or over another account."""
        return CostOnPlan(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))


def cost_period(plan: AnyPlan, calls: Sequence[Call]) -> CostOnPlan:
    """What a billing period with these calls costs on `plan`, its monthly price included.

    `calls` are the counted calls of one period, in the order in which they use the allowance. On a credits plan only
    features that are active on the call cost something (rule C11).
    """
    return _cost_minutes(plan, calls) if isinstance(plan, MinutesPlan) else _cost_credits(plan, calls)


def with_switches_on(end: End) -> Call:
    """A real call with this end, as if all switches had been on and credits available when it started."""
    return Call(gate=ADMITTED, started_at_ms=end.started_at_ms, features=SWITCHES, end=replace(end, real=True))


def _cost_credits(plan: CreditsPlan, calls: Sequence[Call]) -> CostOnPlan:
    """Extra calls and paid features; each call is capped and rounded once. Rules C2 to C6."""
    receipts = [price_call(plan, call, ordinal)[0] for ordinal, call in enumerate(calls, start=1)]
    return CostOnPlan(
        periods=1,
        calls=len(calls),
        included_calls=min(len(calls), plan.included_calls),
        subscription_micros=plan.monthly_price_micros,
        calls_micros=sum(line.amount_micros for lines in receipts for line in lines),
    )


def _cost_minutes(plan: MinutesPlan, calls: Sequence[Call]) -> CostOnPlan:
    """One pool of minutes, then each minute at its rate; each call is rounded once. Rules M2 to M4."""
    rated_ms = included_ms = calls_micros = 0
    for call in calls:
        assert call.end is not None
        billable = billable_ms(call.end, plan.longest_call_ms)
        rating = rate_time(plan, call.end.direction, billable, rated_ms, plan.included_ms)
        rated_ms += rating.used_ms
        included_ms += rating.from_pool_ms
        calls_micros += rating.amount_micros
    return CostOnPlan(
        periods=1,
        calls=len(calls),
        rated_ms=rated_ms,
        included_ms=included_ms,
        subscription_micros=plan.monthly_price_micros,
        calls_micros=calls_micros,
    )

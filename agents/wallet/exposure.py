"""What calls may still cost: the holds of those that are open, and what those that have ended may yet turn out to
cost.

Rule C9 keeps the balance above minus one cap by what open calls hold. A call beyond the included ones that ends
before earlier ones do is ranked among the included for now (rule P2) and costs nothing extra. Once the earlier ones
have ended it becomes an extra call after all. If its hold were gone meanwhile, the next call would be admitted on
money that is spoken for, and the one after that: one cap each. So as many as the open calls can still push out of
the included ones keep the price of an extra call reserved.
"""

from schemas.account import Account, Period
from schemas.plan import CreditsPlan


def exposed_micros(account: Account, periods: tuple[Period, ...], plan: CreditsPlan) -> int:
    """The holds of open calls and the reserve of ended ones: what availability is short of the balance. Rule C9."""
    held_micros = account.held_micros
    for period in periods:
        if period.unpaid_extra_calls:
            held_micros += _pushed_out(period, plan.included_calls) * min(plan.extra_call_micros, plan.cap_micros)
    return held_micros


def _pushed_out(period: Period, included_calls: int) -> int:
    """How many ended calls become extra ones if every open call counts; those that hold for it themselves left out."""
    beyond = period.counted_calls + period.open_calls - max(included_calls, period.counted_calls)
    return min(period.unpaid_extra_calls, max(0, beyond - period.open_extra_calls))

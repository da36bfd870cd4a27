"""The same calls on several plans, period by period. docs/decisions/0021 lists the assumptions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agents.wallet.rating.compare import CostOnPlan, cost_period, with_switches_on
from backoffice.whatif.counted_calls import AccountCalls
from schemas.account import Account
from schemas.call import End, billable_ms
from schemas.period import period_at
from schemas.plan import AnyPlan, Catalogue

Plans = Mapping[str, AnyPlan]


class UnknownPlanError(ValueError):
    """The catalogue has no plan of this name. The message lists its plans."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The cost of counted calls on each of some plans, in one currency. Money in micros.

    `now_micros` is the cost of the same calls on each account's current plan, by the same assumptions; `charged_micros`
    is what was actually charged for calls. No cost includes redirected calls.
    """

    currency: str
    costs: Mapping[str, CostOnPlan]
    now_micros: int
    accounts: int = 1
    calls: int = 0
    billable_ms: int = 0
    charged_micros: int = 0
    redirected_calls: int = 0

    def __add__(self, other: "Comparison") -> "Comparison":
        """Add further accounts in the same currency, on the same plans."""
        assert self.currency == other.currency
        return Comparison(
            self.currency,
            {name: cost + other.costs[name] for name, cost in self.costs.items()},
            self.now_micros + other.now_micros,
            self.accounts + other.accounts,
            self.calls + other.calls,
            self.billable_ms + other.billable_ms,
            self.charged_micros + other.charged_micros,
            self.redirected_calls + other.redirected_calls,
        )

    @property
    def cheapest(self) -> frozenset[str]:
        """The plan with the least total, or all plans that share it."""
        return cheapest(self.costs)


@dataclass(frozen=True, slots=True)
class PeriodCompared:
    """One billing period, half-open, with the cost of its calls on each plan."""

    start_ms: int
    end_ms: int
    calls: int
    costs: Mapping[str, CostOnPlan]


@dataclass(frozen=True, slots=True)
class AccountCompared:
    """One account's periods in order of time, and their sum. `plan` is the account's plan at the end of the log."""

    account_id: str
    plan: str
    time_zone: str
    periods: tuple[PeriodCompared, ...]
    whole: Comparison


def choose_plans(catalogue: Catalogue, names: str | None) -> Plans:
    """The plans of a list such as `free,dental`, in its order; for None all plans of the catalogue. Raises
    UnknownPlanError.
    """
    if names is None:
        return catalogue.plans
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in catalogue.plans:
            known = ", ".join(f"`{plan}`" for plan in catalogue.plans)
            raise UnknownPlanError(f"no plan is named `{name}`: expected one of {known}")
    return {name: catalogue.plans[name] for name in wanted}


def compare_account(account_id: str, calls: AccountCalls, plans: Plans, catalogue: Catalogue) -> AccountCompared:
    """The account's calls on each of `plans` that has prices in its currency, as if it had been on that plan in every
    period. Rules G3, G12 and M1.
    """
    account, ends = calls.account, calls.ends()
    offered = {account.plan: catalogue.plans[account.plan], **plans}
    in_currency = {name: plan.priced_in(account.currency) for name, plan in offered.items()}
    priced = {name: plan for name, plan in in_currency.items() if plan is not None}
    shown = [name for name in plans if name in priced]
    now_micros = 0
    periods = []
    for (start_ms, end_ms), its_ends in _by_period(account, ends):
        rated = [with_switches_on(end) for end in its_ends]
        costs = {name: cost_period(plan, rated) for name, plan in priced.items()}
        now_micros += costs[account.plan].total_micros
        periods.append(PeriodCompared(start_ms, end_ms, len(rated), {name: costs[name] for name in shown}))
    whole = Comparison(
        currency=account.currency,
        costs={name: sum((period.costs[name] for period in periods), CostOnPlan()) for name in shown},
        now_micros=now_micros,
        calls=len(ends),
        billable_ms=sum(billable_ms(end, priced[account.plan].longest_call_ms) for end in ends),
        charged_micros=calls.charged_micros,
        redirected_calls=calls.redirected_calls,
    )
    return AccountCompared(account_id, account.plan, account.time_zone, tuple(periods), whole)


def cheapest(costs: Mapping[str, CostOnPlan]) -> frozenset[str]:
    least_micros = min((cost.total_micros for cost in costs.values()), default=0)
    return frozenset(name for name, cost in costs.items() if cost.total_micros == least_micros)


def _by_period(account: Account, ends: list[End]) -> Iterator[tuple[tuple[int, int], list[End]]]:
    """Each period, from that of the first call to that of the last, with the ends of its calls.

    Without any call, the period of the signup. `ends` are in order of their starts.
    """
    first_ms, last_ms = (ends[0].started_at_ms, ends[-1].started_at_ms) if ends else (account.opened_at_ms,) * 2
    start_ms, end_ms = period_at(account.opened_at_ms, account.time_zone, first_ms)
    taken = 0
    while start_ms <= last_ms:
        begin = taken
        while taken < len(ends) and ends[taken].started_at_ms < end_ms:
            taken += 1
        yield (start_ms, end_ms), ends[begin:taken]
        start_ms, end_ms = period_at(account.opened_at_ms, account.time_zone, end_ms)

"""What the calls of a month would have cost on each plan: `tollgate whatif`, from the receipts in Redis. Rule C16."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.wallet.rating.compare import CostOnPlan
from backoffice.whatif.comparison import PeriodCompared, cheapest, compare_account
from backoffice.whatif.counted_calls import AccountCalls
from gateway.portal.charged_calls import ChargedCall, calls_in
from gateway.portal.periods import Period, Snapshot, anchor_ms, period_before, period_now
from gateway.portal.plan_change import offered, plan_title, terms_of
from gateway.portal.visit import Visit
from schemas.account import Account, RefillSetting
from schemas.plan import AnyPlan, Catalogue


@dataclass(frozen=True, slots=True)
class Row:
    """The cost of the compared calls on one plan."""

    name: str
    title: str
    plan: AnyPlan
    cost: CostOnPlan
    current: bool
    cheapest: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """The calls of a period on each plan. `so_far`: the period still runs. `partial`: it has more calls than were
    read.
    """

    period: Period
    calls: int
    rows: tuple[Row, ...]
    so_far: bool = False
    partial: bool = False


def compare(snapshot: Snapshot, calls: Iterable[ChargedCall], period: Period, catalogue: Catalogue) -> Compared | None:
    """The counted calls of one period on every plan that the account can have; None when the account's own plan is no
    longer in the catalogue.
    """
    if terms_of(snapshot, catalogue) is None:
        return None
    plans = offered(snapshot, catalogue)
    # The comparison needs to know where periods begin, and which plan and currency the account has.
    account = Account(
        snapshot["currency"], snapshot["time_zone"], snapshot["plan"], anchor_ms(snapshot), RefillSetting(0), ()
    )
    counted = [(call.call_id, call.end) for call in calls if call.counted]
    compared = compare_account("", AccountCalls(account, final=counted), plans, catalogue)
    costs = _only(compared.periods, len(counted)).costs
    best = cheapest(costs)
    rows = [
        Row(name, plan_title(plans[name]), plans[name], cost, name == snapshot["plan"], name in best)
        for name, cost in costs.items()
    ]
    return Compared(period, len(counted), tuple(rows))


def _only(periods: tuple[PeriodCompared, ...], calls: int) -> PeriodCompared:
    assert len(periods) == 1, f"{calls} calls of one period are in {len(periods)} periods"
    return periods[0]


async def last_month(visit: Visit) -> Compared | None:
    """The period before the running one; without calls in it, the running one so far."""
    running = period_now(visit.snapshot, visit.now_ms)
    for period in (period_before(visit.snapshot, running), running):
        calls, partial = await calls_in(visit, period)
        if calls or period == running:
            compared = compare(visit.snapshot, calls, period, visit.parts.plans)
            return compared and Compared(period, compared.calls, compared.rows, period == running, partial)
    return None

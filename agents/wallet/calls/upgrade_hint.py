"""The upgrade hint: suggests another plan after extra calls in several consecutive periods. Rules C16 and P18."""

from msgspec.structs import replace

from agents.wallet.alert import to_owner
from agents.wallet.rating.compare import cost_period
from agents.wallet.turn import Turn
from schemas.account import Period
from schemas.alerts import INFO, PlanCost, UpgradeSuggested
from schemas.call import Call
from schemas.instant import format_instant


def check_upgrade_hint(turn: Turn) -> None:
    """Suggest once per streak, when the first extra call is charged in the period that completes it.

    A period whose only charged extra call was corrected away has none, until it gets its first again.
    """
    had_some = {period.start_ms for period in turn.account.periods if period.extra_calls_charged}
    for start_ms in sorted(set(turn.extra_call_periods) - had_some):
        period = turn.period(start_ms)
        if _is_new(turn, _streak(turn.periods, period)):
            _suggest(turn, period)


def _is_new(turn: Turn, streak: list[Period]) -> bool:
    long_enough = len(streak) >= turn.view.catalogue.rules.upgrade_hint_periods
    return long_enough and not any(period.upgrade_hinted for period in streak)


def _suggest(turn: Turn, period: Period) -> None:
    turn.put_period(replace(period, upgrade_hinted=True))
    calls = _calls_of(turn, period)
    others = (
        (name, offer.priced_in(turn.account.currency))
        for name, offer in sorted(turn.view.catalogue.plans.items())
        if name != turn.account.plan
    )
    costs = [PlanCost(name, cost_period(plan, calls).total_micros) for name, plan in others if plan is not None]
    turn.emit(
        UpgradeSuggested(
            **to_owner(turn, INFO),
            period_start=format_instant(period.start_ms),
            calls=len(calls),
            cost_micros=sum(call.charged_micros for call in calls),
            other_plans=tuple(costs),
            currency=turn.account.currency,
        )
    )


def _streak(periods: tuple[Period, ...], around: Period) -> list[Period]:
    """The consecutive periods with charged extra calls that contain `around`."""
    run: list[Period] = []
    for period in periods:
        if run and (run[-1].end_ms != period.start_ms or not period.extra_calls_charged):
            if run[-1].start_ms >= around.start_ms:
                return run
            run = []
        if period.extra_calls_charged:
            run.append(period)
    return run


def _calls_of(turn: Turn, period: Period) -> list[Call]:
    """The counted calls of the period, the one being charged included, in order of (`started_at`, `call_id`)."""
    known = [call_id for _, call_id in turn.view.ranked(turn.account_id, period.start_ms)]
    changed = [key.split("/", 2)[2] for key, row in turn.rows.items() if type(row) is Call and row.ordinal]
    calls = {call_id: turn.call(call_id) for call_id in (*known, *changed)}
    counted = [
        (call.started_at_ms, call_id, call)
        for call_id, call in calls.items()
        if call is not None and call.ordinal and call.period_start_ms == period.start_ms
    ]
    return [call for _, _, call in sorted(counted, key=lambda entry: entry[:2])]

"""The final snapshots against the accounts of the naive model."""

from fractions import Fraction
from typing import Any

from backoffice.replay import snapshot_lines
from schemas.plan import Catalogue
from tests.model.against import milliseconds
from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import DIRECTIONS
from tests.model.naive_charge import start_of_period
from tests.model.naive_minutes import used_in
from tests.model.naive_model import NaiveModel
from tests.model.naive_money import FEATURES
from tests.model.naive_plans import NaiveMinutes, NaivePlan
from tests.model.naive_time import MINUTE_MS, instant


def snapshot_differences(model: NaiveModel, lines: list[bytes], catalogue: Catalogue | None) -> list[str]:
    lines_by_id = snapshot_lines(lines, catalogue, model.world.time)
    snapshots = {snapshot["account_id"]: snapshot for snapshot in lines_by_id}
    found = [f"no snapshot of {account_id}" for account_id in model.accounts if account_id not in snapshots]
    for account_id, account in model.accounts.items():
        snapshot = snapshots.get(account_id, {})
        found.extend(
            f"snapshot of {account_id}: {path}: expected {value!r}, real {_at(snapshot, path)!r}"
            for path, value in expected_snapshot(model, account).items()
            if _at(snapshot, path) != value
        )
    return found


def _at(snapshot: dict[str, Any], path: str) -> Any:
    value: Any = snapshot
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if path == "usage.projected_minutes":
        return None if value is None else round(value)
    if path.startswith("usage.minutes_"):
        return milliseconds(value)
    return instant(value) if path.endswith(("_start", "_end", "_at")) and value is not None else value


def expected_snapshot(model: NaiveModel, account: NaiveAccount) -> dict[str, Any]:
    moments = [instant(wire["occurred_at"]) for wire in account.accepted]
    now_ms = max(moments if model.world.clock is None else [*moments, model.world.clock])
    return {
        "plan": account.plan.name,
        "plan_version": account.plan.version,
        "balance_micros": account.balance,
        "held_micros": account.held,
        "available_micros": account.available,
        "features": {name: name in account.switches for name in FEATURES},
        "auto_refill.enabled": account.auto_refill["enabled"],
        "card_due_micros": account.billing.card_due,
        "open_calls": sum(call.is_open for call in account.calls.values()),
        **expected_subscription(account),
        **expected_usage(account, account.period_of(now_ms), now_ms),
    }


def expected_subscription(account: NaiveAccount) -> dict[str, Any]:
    subscription = account.billing.subscription
    if subscription is None or subscription.status == "ended":
        status, renews_ms, ends_ms, next_plan = "none" if subscription is None else "ended", None, None, None
    else:
        end_ms = start_of_period(account, subscription.end_period)
        status, next_plan = subscription.status, subscription.next_plan
        renews_ms, ends_ms = (end_ms, None) if status == "active" else (None, end_ms)
        next_plan = next_plan if status == "active" else None
    return {
        "subscription.status": status,
        "subscription.renews_at": renews_ms,
        "subscription.ends_at": ends_ms,
        "subscription.next_plan": next_plan,
    }


def expected_usage(account: NaiveAccount, period: int, now_ms: int) -> dict[str, Any]:
    start_ms, end_ms = start_of_period(account, period), start_of_period(account, period + 1)
    costs = [cost for cost in account.billing.costs if cost.period == period]
    on_minutes = [call for call in account.calls.values() if call.is_counted and call.rated_period == period]
    used_ms = used_in(account, period)
    included_ms = account.plan.included_minutes * MINUTE_MS if isinstance(account.plan, NaiveMinutes) else 0
    is_credits = isinstance(account.plan, NaivePlan)
    is_early = (now_ms - start_ms) * 20 < end_ms - start_ms
    projected = Fraction(used_ms * (end_ms - start_ms), max(1, now_ms - start_ms) * MINUTE_MS)
    return {
        "usage.period_start": start_ms,
        "usage.period_end": end_ms,
        "usage.calls_counted": len(account.calls_of(period)) + len(on_minutes),
        "usage.calls_included": account.plan.included_calls if isinstance(account.plan, NaivePlan) else 0,
        "usage.minutes_used": used_ms,
        "usage.minutes_included": included_ms,
        "usage.minutes_remaining": max(0, included_ms - used_ms),
        "usage.projected_minutes": None if is_early or is_credits else round(projected),
        "usage.cost_by_call_type_micros": {
            way: sum(cost.amount for cost in costs if cost.direction == way) for way in DIRECTIONS
        },
    }

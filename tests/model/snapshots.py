"""The final snapshots against the accounts of the naive model."""

from fractions import Fraction
from typing import Any

from backoffice.replay import snapshot_lines
from schemas.plan import Catalogue
from tests.model.against import milliseconds
from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import DIRECTIONS
from tests.model.naive_charge import start_of_period
from tests.model.naive_minutes import is_over, used_in
from tests.model.naive_model import NaiveModel
from tests.model.naive_money import FEATURES
from tests.model.naive_plans import NaiveMinutes, NaivePlan
from tests.model.naive_time import MINUTE_MS, instant
from tests.model.naive_wallet import REFUND_WINDOW_MS


def snapshot_differences(
    model: NaiveModel, lines: list[bytes], catalogue: Catalogue | None, names: dict[str, str]
) -> list[str]:
    """`names` has what the model calls each id of the real rules."""
    lines_by_id = snapshot_lines(lines, catalogue, model.world.time)
    snapshots = {snapshot["account_id"]: snapshot for snapshot in lines_by_id}
    found = [f"no snapshot of {account_id}" for account_id in model.accounts if account_id not in snapshots]
    for account_id, account in model.accounts.items():
        snapshot = snapshots.get(account_id, {})
        now_ms = moment_of(model, account)
        for path, value in expected_snapshot(account, now_ms).items():
            real = LISTS[path](snapshot, names, now_ms) if path in LISTS else _at(snapshot, path)
            if real != value:
                found.append(f"snapshot of {account_id}: {path}: expected {value!r}, real {real!r}")
    return found


def _at(snapshot: dict[str, Any], path: str) -> Any:
    value: Any = snapshot
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if path == "usage.projected_minutes":
        return None if value is None else round(value)
    if path.startswith("usage.minutes_"):
        return milliseconds(value)
    if path == "auto_refill.in_flight":
        return bool(value)
    is_time = path.endswith(("_start", "_end", "_at", ".at"))
    return instant(value) if is_time and value is not None else value


def moment_of(model: NaiveModel, account: NaiveAccount) -> int:
    """The later of the clock and the newest input of the account. Rule P18."""
    moments = [instant(wire["occurred_at"]) for wire in account.accepted]
    return max(moments if model.world.clock is None else [*moments, model.world.clock])


def expected_snapshot(account: NaiveAccount, now_ms: int) -> dict[str, Any]:
    return {
        "plan": account.plan.name,
        "plan_version": account.plan.version,
        "currency": account.currency,
        "balance_micros": account.balance,
        "held_micros": account.held,
        "available_micros": account.available,
        "features": {name: name in account.switches for name in FEATURES},
        "card_due_micros": account.billing.card_due,
        "carried_micros": account.billing.carried,
        "alert_thresholds_micros": sorted(set(account.thresholds)),
        "open_calls": sum(call.is_open for call in account.calls.values()),
        "billing_email": account.billing.billing_email,
        "billing_details": account.billing.details or None,
        "payment_methods": [
            {
                **{name: card[name] for name in ("payment_method_id", "brand", "last4", "exp_month", "exp_year")},
                "default": card["payment_method_id"] == account.default_card,
                "blocked": card["payment_method_id"] in account.blocked_cards,
            }
            for card in account.cards
        ],
        "phone_numbers": [
            {"number": number.number, "monthly_fee_micros": number.fee}
            for number in account.billing.numbers
            if number.removed_ms is None
        ],
        "refundable": expected_refundable(account, now_ms),
        "pending_payments": sorted(
            (p.name, p.purpose, p.amount, p.about, p.requested_ms) for p in account.payments if p.answer is None
        ),
        **expected_refill(account, now_ms),
        **expected_subscription(account),
        **expected_usage(account, account.period_of(now_ms), now_ms),
    }


def expected_refundable(account: NaiveAccount, now_ms: int) -> list[tuple[str, int, int]]:
    """What a request would give back of each payment that is still within its 30 days."""
    found = []
    for payment in account.payments:
        if payment.purpose in ("purchase", "refill") and payment.answer == "succeeded":
            until_ms = payment.succeeded_ms + REFUND_WINDOW_MS
            amount = account.money.whole(max(0, min(account.unused_of(payment), account.available)))
            if amount and until_ms >= now_ms:
                found.append((payment.about, amount, until_ms))
    return sorted(found)


def real_refundable(snapshot: dict[str, Any], names: dict[str, str], now_ms: int) -> list[tuple[str, int, int]]:
    listed = [
        (names.get(one["purchase_id"], one["purchase_id"]), one["amount_micros"], instant(one["until"]))
        for one in snapshot.get("refundable", [])
    ]
    return sorted(one for one in listed if one[2] >= now_ms)


def real_pending(snapshot: dict[str, Any], names: dict[str, str], now_ms: int) -> list[tuple[Any, ...]]:
    """What a fee or overage refers to is not said by the documents."""
    return sorted(
        (
            names.get(one["payment_id"], one["payment_id"]),
            one["purpose"],
            one["amount_micros"],
            ""
            if one["purpose"] in ("subscription", "overage")
            else names.get(one.get("reference"), one.get("reference")),
            instant(one["requested_at"]),
        )
        for one in snapshot.get("pending_payments", [])
    )


def real_thresholds(snapshot: dict[str, Any], names: dict[str, str], now_ms: int) -> list[int]:
    """The documents do not say whether a level that is given twice is shown twice, nor in which order."""
    return sorted(set(snapshot.get("alert_thresholds_micros", [])))


LISTS = {
    "alert_thresholds_micros": real_thresholds,
    "refundable": real_refundable,
    "pending_payments": real_pending,
}


def expected_refill(account: NaiveAccount, now_ms: int) -> dict[str, Any]:
    setting, refill = account.auto_refill, account.in_flight
    said = {
        "enabled": setting["enabled"],
        "amount_micros": setting.get("amount_micros"),
        "threshold_micros": account.refill_threshold,
        "payment_method_id": setting.get("payment_method_id"),
        "monthly_limit_micros": setting.get("monthly_limit_micros"),
        "spent_this_period_micros": account.refilled_in(account.period_of(now_ms)),
        "paused": account.paused is not None,
        "paused_reason": account.paused,
        "in_flight": refill is not None and refill.retry_due_ms is None,
        "next_attempt_at": None if refill is None else refill.retry_due_ms,
    }
    return {f"auto_refill.{name}": value for name, value in said.items()}


def expected_subscription(account: NaiveAccount) -> dict[str, Any]:
    """Where no term runs there is no term's start and no fee."""
    subscription = account.billing.subscription
    said: dict[str, Any] = dict.fromkeys(("renews_at", "term_start", "fee_micros"))
    change = None
    if subscription is None or subscription.status == "ended":
        said["status"] = "none" if subscription is None else "ended"
    else:
        said["status"] = subscription.status
        end_ms = start_of_period(account, subscription.end_period)
        if subscription.status == "active":
            said["renews_at"] = end_ms
        if subscription.first_period is not None:
            said["term_start"] = start_of_period(account, subscription.first_period)
            said["fee_micros"] = subscription.fee
        change = None if subscription.next_plan is None else (subscription.next_plan, end_ms)
    return {
        "plan_change.plan": change[0] if change else None,
        "plan_change.at": change[1] if change else None,
        "subscription.status": said["status"],
        "subscription.renews_at": said["renews_at"],
        "subscription.term_start": said["term_start"],
        "subscription.fee_micros": said["fee_micros"],
    }


def expected_usage(account: NaiveAccount, period: int, now_ms: int) -> dict[str, Any]:
    start_ms, end_ms = start_of_period(account, period), start_of_period(account, period + 1)
    costs = [cost for cost in account.billing.costs if cost.period == period]
    on_minutes = [call for call in account.calls.values() if call.is_counted and call.rated_period == period]
    used_ms = used_in(account, period)
    minutes = account.plan.included_minutes if isinstance(account.plan, NaiveMinutes) else 0
    included_ms = 0 if is_over(account, start_ms) else minutes * MINUTE_MS
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

"""The account snapshot that other systems display. Rules M12 and P18."""

from msgspec import UNSET

from agents.wallet.billing.subscription import CANCELLING, ENDED
from agents.wallet.turn import Turn
from schemas.account import Account, Period
from schemas.instant import format_instant, minutes
from schemas.plan import CreditsPlan, MinutesPlan
from schemas.snapshots import AccountSnapshot, AutoRefillView, Subscription, Usage

# A projection needs at least one part in this many of the period (rule M12).
_PROJECTED_FROM_PART = 20
_SWITCHES = ("appointment_booking", "extra_calls", "live_agent")


def take_snapshot(turn: Turn) -> AccountSnapshot:
    """The snapshot after the account's last change. `version` counts the changes: equal versions are equal states."""
    account = turn.account
    return AccountSnapshot(
        id=f"{turn.account_id}/snapshot/{account.version}",
        account_id=turn.account_id,
        occurred_at=format_instant(account.changed_at_ms),
        caused_by=account.changed_by,
        version=account.version,
        plan=account.plan,
        plan_version=turn.view.catalogue.version,
        currency=account.currency,
        subscription=_subscription(account),
        balance_micros=account.balance_micros,
        held_micros=turn.held_micros,
        available_micros=turn.available_micros,
        features={switch: switch in account.features for switch in _SWITCHES},
        auto_refill=_auto_refill(account),
        usage=_usage(turn),
        card_due_micros=account.card_due_micros,
        open_calls=account.open_calls,
    )


def _auto_refill(account: Account) -> AutoRefillView:
    setting = account.refill_setting
    return AutoRefillView(
        enabled=setting.enabled,
        amount_micros=setting.amount_micros,
        threshold_micros=setting.threshold_micros,
        payment_method_id=setting.payment_method_id,
        monthly_limit_micros=setting.monthly_limit_micros,
        paused=not setting.armed,
        in_flight=account.refill is not None,
    )


def _subscription(account: Account) -> Subscription:
    """Rules M1, M8 and P20."""
    running = account.subscription
    if running is None:
        return Subscription("none", None)
    if running.status == ENDED:
        return Subscription(ENDED, None)
    until = format_instant(running.term_end_ms)
    if running.status == CANCELLING:
        return Subscription(CANCELLING, None, ends_at=until)
    return Subscription(running.status, until, next_plan=UNSET if running.next_plan is None else running.next_plan)


def _usage(turn: Turn) -> Usage:
    """Usage of the period that holds the later of the clock and the newest accepted input. Credits plans count calls,
    minutes plans count minutes.
    """
    period, plan = turn.period(turn.now_ms), turn.plan
    pool = plan.included_ms if isinstance(plan, MinutesPlan) else 0
    return Usage(
        period_start=format_instant(period.start_ms),
        period_end=format_instant(period.end_ms),
        calls_counted=period.counted_calls + period.minutes_calls,
        calls_included=plan.included_calls if isinstance(plan, CreditsPlan) else 0,
        minutes_used=minutes(period.used_ms),
        minutes_included=minutes(pool),
        minutes_remaining=minutes(max(0, pool - period.used_ms)),
        projected_minutes=_projected(turn.now_ms, period) if isinstance(plan, MinutesPlan) else None,
        cost_by_call_type_micros={
            "inbound": period.inbound_micros,
            "outbound": period.outbound_micros,
            "web": period.web_micros,
        },
    )


def _projected(now_ms: int, period: Period) -> int | float | None:
    """Minutes by the end of the period at the rate so far, None early in the period. Rule M12."""
    length_ms, elapsed_ms = period.end_ms - period.start_ms, now_ms - period.start_ms
    if elapsed_ms * _PROJECTED_FROM_PART < length_ms:
        return None
    return minutes(period.used_ms * length_ms, elapsed_ms)

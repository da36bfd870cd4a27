"""The account as it now stands, for those who show it. Rules M12 and P18."""

from agents.wallet.turn import Turn
from schemas.account import Account
from schemas.facts import AccountSnapshot, AutoRefillView, Subscription, Usage
from schemas.instant import format_instant

_SWITCHES = ("appointment_booking", "extra_calls", "live_agent")


def take_snapshot(turn: Turn) -> AccountSnapshot:
    """The snapshot after the account's last change. `version` counts its changes, so the same version is the same
    state.
    """
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
        subscription=Subscription("none", None),
        balance_micros=account.balance_micros,
        held_micros=turn.held_micros,
        available_micros=turn.available_micros,
        features={switch: switch in account.features for switch in _SWITCHES},
        auto_refill=_auto_refill(account),
        usage=_usage(turn),
        card_due_micros=0,
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


def _usage(turn: Turn) -> Usage:
    """The period that holds the later of the clock and the newest accepted input. Credits plans count calls, no
    minutes.
    """
    period = turn.period(turn.now_ms)
    return Usage(
        period_start=format_instant(period.start_ms),
        period_end=format_instant(period.end_ms),
        calls_counted=period.counted_calls,
        calls_included=turn.plan.included_calls,
        minutes_used=0,
        minutes_included=0,
        minutes_remaining=0,
        projected_minutes=None,
        cost_by_call_type_micros={
            "inbound": period.inbound_micros,
            "outbound": period.outbound_micros,
            "web": period.web_micros,
        },
    )

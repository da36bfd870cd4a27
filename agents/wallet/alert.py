"""Alerts that follow from where an input has left the wallet. Rules C15 and P10."""

from msgspec.structs import replace

from agents.wallet.turn import Turn
from schemas.account import Threshold
from schemas.facts import BalanceLow, FundsNeeded
from schemas.inputs import AlertThresholdsSet


def set_thresholds(turn: Turn, event: AlertThresholdsSet) -> None:
    """Take the owner's list, armed where the balance is above; a level that stays on it stays armed. Rule P10."""
    balance_micros = turn.account.balance_micros
    armed = {threshold.micros for threshold in turn.account.thresholds if threshold.armed}
    micros = sorted(set(event.thresholds_micros), reverse=True)
    thresholds = tuple(Threshold(t, balance_micros > t or t in armed) for t in micros)
    turn.account = replace(turn.account, thresholds=thresholds)


def judge_balance(turn: Turn) -> None:
    """Raise `balance-low` for each armed threshold that the balance is now below, the highest first.

    One that the balance is above is armed; between two inputs it may have been above and below: only where an input
    leaves the balance counts (rule P21).
    """
    balance_micros = turn.account.balance_micros
    if balance_micros == turn.balance_before_micros:
        return
    changed = False
    judged = []
    for threshold in turn.account.thresholds:
        armed = balance_micros > threshold.micros or (threshold.armed and balance_micros == threshold.micros)
        if threshold.armed and balance_micros < threshold.micros:
            _say_low(turn, threshold.micros)
        changed = changed or armed != threshold.armed
        judged.append(threshold if armed == threshold.armed else Threshold(threshold.micros, armed))
    if changed:
        turn.account = replace(turn.account, thresholds=tuple(judged))


def _say_low(turn: Turn, threshold_micros: int) -> None:
    turn.say(
        BalanceLow(
            id=turn.next_alert_id(),
            account_id=turn.account_id,
            occurred_at=turn.at,
            caused_by=turn.cause,
            threshold_micros=threshold_micros,
            balance_micros=turn.account.balance_micros,
            currency=turn.account.currency,
        )
    )


def judge_redirects(turn: Turn) -> None:
    """End the episode of redirected calls once there is something available again, telling how many they were. Rule
    P10.
    """
    redirected_calls = turn.account.redirected_calls
    if turn.available_micros <= 0:
        return
    turn.account = replace(turn.account, redirected_calls=0)
    if redirected_calls > 1:
        turn.say(
            FundsNeeded(
                id=turn.next_alert_id(),
                account_id=turn.account_id,
                occurred_at=turn.at,
                caused_by=turn.cause,
                redirected_calls=redirected_calls,
            )
        )

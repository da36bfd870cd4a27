"""Alerts that depend on the balance an input leaves behind. Rules C15 and P10."""

from msgspec.structs import replace

from agents.wallet.turn import Effect, Turn
from schemas.account import Threshold
from schemas.facts import BalanceLow, FundsNeeded
from schemas.inputs import AlertThresholdsSet


def set_thresholds(turn: Turn, event: AlertThresholdsSet) -> Effect:
    """Replace the thresholds. A threshold is armed if the balance is above it, or if it was armed before. Rule P10."""
    balance_micros = turn.account.balance_micros
    armed = {threshold.micros for threshold in turn.account.thresholds if threshold.armed}
    micros = sorted(set(event.thresholds_micros), reverse=True)
    thresholds = tuple(Threshold(t, balance_micros > t or t in armed) for t in micros)
    turn.account = replace(turn.account, thresholds=thresholds)
    return Effect.APPLIED


def check_thresholds(turn: Turn) -> None:
    """Emit `balance-low` for each armed threshold that the balance is now below, highest first.

    A balance above a threshold arms it. Only the balance that an input leaves counts, not the balances in between (rule
    P21).
    """
    balance_micros = turn.account.balance_micros
    if balance_micros == turn.balance_before_micros:
        return
    changed = False
    checked = []
    for threshold in turn.account.thresholds:
        armed = balance_micros > threshold.micros or (threshold.armed and balance_micros == threshold.micros)
        if threshold.armed and balance_micros < threshold.micros:
            _emit_low(turn, threshold.micros)
        changed = changed or armed != threshold.armed
        checked.append(threshold if armed == threshold.armed else Threshold(threshold.micros, armed))
    if changed:
        turn.account = replace(turn.account, thresholds=tuple(checked))


def _emit_low(turn: Turn, threshold_micros: int) -> None:
    turn.emit(
        BalanceLow(
            id=turn.next_alert_id(),
            **turn.common,
            threshold_micros=threshold_micros,
            balance_micros=turn.account.balance_micros,
            currency=turn.account.currency,
        )
    )


def end_redirect_episode(turn: Turn) -> None:
    """End the episode of redirected calls once funds are available, and emit how many calls it redirected. Rule P10."""
    redirected_calls = turn.account.redirected_calls
    if turn.available_micros <= 0:
        return
    turn.account = replace(turn.account, redirected_calls=0)
    # The first redirected call was reported when it happened.
    if redirected_calls > 1:
        turn.emit(FundsNeeded(id=turn.next_alert_id(), **turn.common, redirected_calls=redirected_calls))

"""Alerts that depend on the balance an input leaves behind. Rules C15 and P10."""

from msgspec.structs import replace

from agents.wallet.alert import to_owner
from agents.wallet.funds.amounts import refuse_fraction
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.account import Threshold
from schemas.alerts import CRITICAL, WARNING, BalanceLow, FundsNeeded
from schemas.inputs import AlertThresholdsSet


def set_thresholds(turn: Turn, event: AlertThresholdsSet) -> Effect | Refusal:
    """Replace the thresholds. A threshold is armed if the balance is above it, or if it was armed before. Rules K4 and
    P10.
    """
    refusal = refuse_fraction(turn, "thresholds_micros", *event.thresholds_micros)
    if refusal is not None:
        return refusal
    balance_micros = turn.account.balance_micros
    armed = {threshold.micros for threshold in turn.account.thresholds if threshold.armed}
    micros = sorted(set(event.thresholds_micros), reverse=True)
    thresholds = tuple(Threshold(t, balance_micros > t or t in armed) for t in micros)
    turn.account = replace(turn.account, thresholds=thresholds)
    return Effect.APPLIED


def check_thresholds(turn: Turn) -> None:
    """Emit `balance-low` for each armed threshold that the balance is now below, or at for the threshold 0, highest
    first. Rule P10.

    A balance above a threshold arms it. Only the balance that an input leaves counts, not the balances in between (rule
    P21).
    """
    balance_micros = turn.account.balance_micros
    if balance_micros == turn.balance_before_micros:
        return
    changed = False
    checked = []
    for threshold in turn.account.thresholds:
        micros = threshold.micros
        # At a threshold nothing changes, except that a wallet of 0 is empty.
        armed = balance_micros > micros or (threshold.armed and balance_micros == micros != 0)
        if threshold.armed and not armed:
            _emit_low(turn, micros)
        changed = changed or armed != threshold.armed
        checked.append(threshold if armed == threshold.armed else Threshold(threshold.micros, armed))
    if changed:
        turn.account = replace(turn.account, thresholds=tuple(checked))


def _emit_low(turn: Turn, threshold_micros: int) -> None:
    turn.emit(
        BalanceLow(
            **to_owner(turn, WARNING if threshold_micros > 0 else CRITICAL),
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
        turn.emit(FundsNeeded(**to_owner(turn, CRITICAL), redirected_calls=redirected_calls))

"""The gate: whether a call may connect, and with which paid features. Rules C8, C9 and P1.

The gate is the only place that turns a call away; nothing ends one that is connected (rule G8).
"""

from msgspec import UNSET
from msgspec.structs import replace

from agents.wallet.alert import to_owner
from agents.wallet.billing.subscription import admits_calls
from agents.wallet.calls.holds import count_open
from agents.wallet.calls.legs import first_leg, start_leg
from agents.wallet.rating.credits import charge_of
from agents.wallet.turn import Decision, Effect, Refusal, Turn, forgotten_at_ms
from schemas.account import Account
from schemas.alerts import CRITICAL, FundsNeeded
from schemas.call import ADMITTED, REDIRECTED, Call
from schemas.facts import CallAdmitted, CallRedirected, call_in_id
from schemas.inputs import CallStarted
from schemas.instant import format_instant
from schemas.plan import CreditsPlan

_NOT_OPEN = Call()


def start_call(turn: Turn, event: CallStarted) -> Effect | Refusal:
    """Decide on a call before it connects. A call that has started or ended before is a repeat, also when another leg
    of it starts. Rules P6, P7 and L5.
    """
    known = turn.call(event.call_id)
    if known is not None and (known.end is not None or known.input_ids):
        return Effect.REPEAT if event.leg_id is None else start_leg(turn, event.call_id, known, event.leg_id)
    plan = turn.plan
    period = turn.period(event.occurred_at_ms)
    ordinal = period.counted_calls + period.open_calls + 1
    active = active_features(turn)
    if isinstance(plan, CreditsPlan):
        reason = _redirect_reason(turn, plan, ordinal, active)
    else:
        reason = None if admits_calls(turn.account.subscription, turn.at_ms) else "subscription_ended"
    call = Call(
        input_ids=(event.id,),
        gate=REDIRECTED if reason else ADMITTED,
        started_at_ms=int(event.occurred_at_ms),
        period_start_ms=period.start_ms,
        plan=turn.account.plan,
        plan_version=turn.view.catalogue.version,
        due_ms=event.occurred_at_ms + plan.longest_call_ms,
        reclassification=None if known is None else known.reclassification,
        details=None if event.leg_id is None else first_leg(event.leg_id),
    )
    turn.keeps_id = True
    if reason:
        turn.put_call(event.call_id, replace(call, due_ms=forgotten_at_ms(turn.view, call.due_ms)))
        _redirect(turn, event, reason)
    elif isinstance(plan, CreditsPlan):
        _admit(turn, event, call, plan, ordinal, active)
    else:
        _connect(turn, event, replace(call, features=active, open=True), "subscription")
    return Effect.APPLIED


def _admit(
    turn: Turn, event: CallStarted, call: Call, plan: CreditsPlan, ordinal: int, active: tuple[str, ...]
) -> None:
    """Admit the call and hold the most that it can cost. Rules C8 and C9."""
    holds_extra = plan.admission == "available" and "extra_calls" in active and ordinal > plan.included_calls
    hold_micros = _hold_micros(plan, active, holds_extra=holds_extra)
    held = replace(call, features=active, hold_micros=hold_micros, held_extra=holds_extra, open=True)
    count_open(turn, _NOT_OPEN, held, plan)
    _connect(turn, event, held, "included" if ordinal <= plan.included_calls else "credits")


def _connect(turn: Turn, event: CallStarted, call: Call, reason: str) -> None:
    turn.put_call(event.call_id, call)
    account, held_micros = turn.account, turn.account.held_micros + call.hold_micros
    turn.account = replace(account, held_micros=held_micros, open_calls=account.open_calls + 1)
    turn.emit(
        CallAdmitted(
            id=f"{turn.account_id}/{call_in_id(event.call_id)}/admitted",
            **turn.common,
            call_id=event.call_id,
            reason=reason,
            features_enabled=call.features,
            hold_micros=call.hold_micros,
            currency=account.currency,
            direction=event.direction,
            from_=UNSET if event.from_ is None else event.from_,
            to=UNSET if event.to is None else event.to,
        )
    )


def active_features(turn: Turn) -> tuple[str, ...]:
    """The switches that are on. On a credits plan none while there is nothing to pay with. Rules C7 and C8."""
    features, plan = turn.account.features, turn.plan
    if not features or not isinstance(plan, CreditsPlan):
        return features
    by_balance = plan.admission == "balance"
    spendable_micros = turn.account.balance_micros if by_balance else turn.available_micros
    return features if spendable_micros > 0 else ()


def _redirect_reason(turn: Turn, plan: CreditsPlan, ordinal: int, active: tuple[str, ...]) -> str | None:
    """Why the call does not connect, None if it does. A switch that is off comes before an empty wallet (rule P1)."""
    if ordinal <= plan.included_calls:
        return None
    if "extra_calls" not in turn.account.features:
        return "extra_calls_off"
    return None if active else "insufficient_balance"


def _hold_micros(plan: CreditsPlan, active: tuple[str, ...], *, holds_extra: bool) -> int:
    """The most that the admitted call can cost. Holds keep the balance above minus one cap. Rule C9."""
    if plan.admission == "balance":
        return 0
    most = plan.live_agent_micros * ("live_agent" in active)
    most += plan.appointment_booking_micros * ("appointment_booking" in active)
    most += plan.extra_call_micros * holds_extra
    return charge_of(plan, most)


def _redirect(turn: Turn, event: CallStarted, reason: str) -> None:
    """Redirect the call. The first one of an episode of an empty wallet emits `funds-needed`. Rules C15 and P10."""
    account = turn.account
    turn.emit(_redirected(event, account, reason))
    if reason != "insufficient_balance":
        return
    turn.account = replace(account, redirected_calls=account.redirected_calls + 1)
    if account.redirected_calls == 0:
        turn.emit(FundsNeeded(**to_owner(turn, CRITICAL), redirected_calls=1))


def redirect_unknown_account(event: CallStarted) -> Decision:
    """Redirect a call of an account that is not open. Nothing is remembered: anyone could fill the memory with invented
    accounts. Sent again it is answered again, with the same event, and once the account is open the call is decided
    like a new one. Rule X3.
    """
    return Decision(facts=[_redirected(event, None, "unknown_account")])


def _redirected(event: CallStarted, account: Account | None, reason: str) -> CallRedirected:
    return CallRedirected(
        id=f"{event.account_id}/{call_in_id(event.call_id)}/redirected",
        account_id=event.account_id,
        occurred_at=format_instant(event.occurred_at_ms),
        caused_by=event.id,
        call_id=event.call_id,
        reason=reason,
        redirect_to=UNSET if account is None or account.redirect_to is None else account.redirect_to,
        direction=event.direction,
        from_=UNSET if event.from_ is None else event.from_,
        to=UNSET if event.to is None else event.to,
    )

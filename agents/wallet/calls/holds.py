"""The holds of open calls, and the counters of a period that the gate and the reserve need. Rules C9, P1 and L5."""

from msgspec.structs import replace

from agents.wallet.turn import Turn
from schemas.account import ExtraCalls, Period
from schemas.call import Call, is_counted
from schemas.plan import CreditsPlan

_OPEN = "open"
_UNPAID = "unpaid"


def close_call(turn: Turn, call: Call) -> Call:
    """Release the hold of an open call. A call that was redirected, has expired or never passed the gate has none. Rule
    C9.
    """
    if not call.open:
        return call
    account = turn.account
    held_micros = account.held_micros - call.hold_micros
    turn.account = replace(account, held_micros=held_micros, open_calls=account.open_calls - 1)
    return replace(call, open=False, hold_micros=0)


def reduce_hold(turn: Turn, call_id: str) -> None:
    """Reduce the hold of a call by what its first leg was charged, while other legs are open. Rule L5."""
    call = turn.call(call_id)
    assert call is not None
    charged_micros = min(call.hold_micros, call.charged_micros)
    if charged_micros:
        turn.account = replace(turn.account, held_micros=turn.account.held_micros - charged_micros)
        turn.put_call(call_id, replace(call, hold_micros=call.hold_micros - charged_micros))


def count_open(turn: Turn, before: Call, after: Call, plan: CreditsPlan) -> None:
    """Update the counters of open calls, and of calls that may still become extra calls, after a change of one call of
    a credits plan. A call that counts is not counted as open as well (rule P1).
    """
    was, now = _state(before, plan), _state(after, plan)
    if was == now and before.period_start_ms == after.period_start_ms:
        return
    if was is not None:
        _add(turn, before, was, -1)
    if now is not None:
        _add(turn, after, now, 1)


def _state(call: Call, plan: CreditsPlan) -> str | None:
    """How a period counts the call: as open, as unpaid (see agents/wallet/rating/credits.py), or neither.

    An open call that counts already is not unpaid: what is left of its hold covers the price of an extra call. Neither
    is a call whose features cost the cap already: it can cost no more.
    """
    if call.open:
        return None if is_counted(call) else _OPEN
    is_waiting = call.held_extra and call.ordinal <= plan.included_calls and is_counted(call)
    return _UNPAID if is_waiting and call.charged_micros < plan.cap_micros else None


def _add(turn: Turn, call: Call, state: str, sign: int) -> None:
    period = turn.period(call.started_at_ms)
    if state == _OPEN:
        period = replace(period, open_calls=max(0, period.open_calls + sign))
    if call.held_extra:
        period = _add_extra_call(period, call, state, sign)
    turn.put_period(period)


def _add_extra_call(period: Period, call: Call, state: str, sign: int) -> Period:
    """Count a call that holds, or held, the price of an extra call: in all, and by its terms. Rule P0."""
    terms = (call.plan, call.plan_version)
    # A row of an earlier version has no counters by terms: its calls are taken to have started under the same terms.
    known = period.extra_calls or (ExtraCalls(*terms, period.open_extra_calls, period.unpaid_extra_calls),)
    counters = {(calls.plan, calls.plan_version): calls for calls in known}
    calls = counters.get(terms, ExtraCalls(*terms))
    if state == _OPEN:
        period = replace(period, open_extra_calls=max(0, period.open_extra_calls + sign))
        counters[terms] = replace(calls, open=max(0, calls.open + sign))
    else:
        period = replace(period, unpaid_extra_calls=max(0, period.unpaid_extra_calls + sign))
        counters[terms] = replace(calls, unpaid=max(0, calls.unpaid + sign))
    left = tuple(calls for calls in counters.values() if calls.open or calls.unpaid)
    return replace(period, extra_calls=left)

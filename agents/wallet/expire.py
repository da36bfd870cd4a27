"""What happens to a row that is due. Only ticks lead here. Rules G2, G4 and G5."""

from msgspec.structs import replace

from agents.wallet.alert import to_operator
from agents.wallet.billing.answers import retry_bill
from agents.wallet.billing.bills import is_only_remembered
from agents.wallet.billing.period_end import end_period
from agents.wallet.calls.holds import close_call, count_open
from agents.wallet.calls.legs import legs_of
from agents.wallet.clock import Work
from agents.wallet.decide import finish
from agents.wallet.turn import Decision, Turn, View, forgotten_at_ms
from schemas.account import Account
from schemas.alerts import WARNING, CallStuck
from schemas.billing import Bill
from schemas.call import Call
from schemas.plan import CreditsPlan
from schemas.rows import bill_of, due_of


def is_forgotten(work: Work) -> bool:
    """Whether the row is only removed, which costs little and emits nothing."""
    row = work.row
    if isinstance(row, Bill):
        return is_only_remembered(row)
    return not isinstance(row, Account) and not (isinstance(row, Call) and row.open)


def expire_row(view: View, work: Work) -> Decision:
    """Evaluate the refill and the billing period of an account, request a declined bill again, report an open call as
    stuck, and forget any other row.
    """
    key, row = work.key, work.row
    account_id, _, _ = key.partition("/")
    if isinstance(row, Account):
        turn = _turn(view, account_id, row, work)
        if 0 < row.billing_due_ms <= row.due_ms:
            end_period(turn)
        return finish(turn)
    if is_forgotten(work):
        return Decision({key: None})
    account = view.get(account_id)
    assert isinstance(account, Account), f"row {key!r} waits for time and has no account"
    turn = _turn(view, account_id, account, work)
    if isinstance(row, Call):
        _expire_hold(turn, key.split("/", 2)[2], row)
    else:
        retry_bill(turn, bill_of(key))
    return finish(turn)


def _turn(view: View, account_id: str, account: Account, work: Work) -> Turn:
    at_ms, tick_id = work.tick
    return Turn(view, account_id, account, tick_id, at_ms, at_ms, due_ms=due_of(work.row))


def _expire_hold(turn: Turn, call_id: str, call: Call) -> None:
    """Release the hold of an admitted call, if a leg of it has not ended within the plan's longest call. A late end
    still charges it. Rules G5 and L5.
    """
    turn.emit(
        CallStuck(
            **to_operator(turn, WARNING),
            call_id=call_id,
            hold_micros=call.hold_micros,
            currency=turn.account.currency,
        )
    )
    ended_at_ms = max((leg.end.ended_at_ms for leg in legs_of(call).values() if leg.end is not None), default=0)
    closed = replace(close_call(turn, call), due_ms=forgotten_at_ms(turn.view, max(call.due_ms, ended_at_ms)))
    plan = turn.terms(call.plan, call.plan_version)
    if isinstance(plan, CreditsPlan):
        count_open(turn, call, closed, plan)
    turn.put_call(call_id, closed)

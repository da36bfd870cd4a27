"""What happens to a row that is due. Only ticks lead here. Rules G2, G4 and G5."""

from msgspec.structs import replace

from agents.wallet.billing.bills import request_bill_or_alert
from agents.wallet.billing.period_end import end_period
from agents.wallet.calls.charge import close_call
from agents.wallet.clock import Work
from agents.wallet.decide import finish
from agents.wallet.turn import Decision, Turn, View, forgotten_at_ms
from schemas.account import Account
from schemas.call import Call
from schemas.facts import CallStuck
from schemas.rows import Bill, bill_of, due_of


def is_forgotten(work: Work) -> bool:
    """Whether the row is only removed, which costs little and emits nothing."""
    row = work.row
    return not isinstance(row, Account | Bill) and not (isinstance(row, Call) and row.open)


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
        _expire_hold(turn, key.rpartition("/")[2], row)
    else:
        request_bill_or_alert(turn, bill_of(key))
    return finish(turn)


def _turn(view: View, account_id: str, account: Account, work: Work) -> Turn:
    at_ms, tick_id = work.tick
    return Turn(view, account_id, account, tick_id, at_ms, at_ms, due_ms=due_of(work.row))


def _expire_hold(turn: Turn, call_id: str, call: Call) -> None:
    """Release the hold of an admitted call that has not ended within the plan's longest call. A late end still charges
    it. Rule G5.
    """
    turn.emit(
        CallStuck(
            id=turn.next_alert_id(),
            **turn.common,
            call_id=call_id,
            hold_micros=call.hold_micros,
            currency=turn.account.currency,
        )
    )
    turn.put_call(call_id, replace(close_call(turn, call), due_ms=forgotten_at_ms(turn.view, call.due_ms)))

"""What happens to a row because time has passed: only ticks come here. Rules G2, G4 and G5."""

from msgspec.structs import replace

from agents.wallet.billing import end_period
from agents.wallet.bills import ask_or_tell
from agents.wallet.charge import close_call
from agents.wallet.decide import finish
from agents.wallet.turn import Decision, Turn, View, forgotten_at_ms
from schemas.account import Account, Row
from schemas.call import Call
from schemas.facts import CallStuck
from schemas.inputs import ClockTicked
from schemas.rows import Bill, bill_of


def expire_row(view: View, key: str, row: Row, tick: ClockTicked) -> Decision:
    """What a row that is due does: an account looks at its refill and its billing period, a declined bill is asked for
    again, an open call is stuck, any other row is forgotten.
    """
    account_id, _, _ = key.partition("/")
    if isinstance(row, Account):
        turn = _turn(view, account_id, row, tick)
        if 0 < row.billing_due_ms <= row.due_ms:
            end_period(turn)
        return finish(turn)
    if not isinstance(row, Bill) and not (isinstance(row, Call) and row.open):
        return Decision({key: None})
    account = view.get(account_id)
    assert isinstance(account, Account), f"row {key!r} waits for time and has no account"
    turn = _turn(view, account_id, account, tick)
    if isinstance(row, Call):
        _expire_hold(turn, key.rpartition("/")[2], row)
    else:
        ask_or_tell(turn, bill_of(key))
    return finish(turn)


def _turn(view: View, account_id: str, account: Account, tick: ClockTicked) -> Turn:
    return Turn(view, account_id, account, tick.id, int(tick.occurred_at_ms), ticked=True)


def _expire_hold(turn: Turn, call_id: str, call: Call) -> None:
    """An admitted call that has not ended within the plan's longest call holds nothing any more. A late end still
    charges.
    """
    turn.say(
        CallStuck(
            id=turn.next_alert_id(),
            account_id=turn.account_id,
            occurred_at=turn.at,
            caused_by=turn.cause,
            call_id=call_id,
            hold_micros=call.hold_micros,
            currency=turn.account.currency,
        )
    )
    turn.put_call(call_id, replace(close_call(turn, call), due_ms=forgotten_at_ms(turn.view, call.due_ms)))

"""What a billing period counts for its invoice: costs by call type, top-ups, and which invoice a late change goes on.

Rules M11, M12 and P12.
"""

from msgspec.structs import replace

from agents.wallet.turn import Turn
from schemas.account import Period


def is_invoiced(turn: Turn, period: Period) -> bool:
    """Whether a tick has ended the period: its invoice is issued, if it has one."""
    clock_ms, due_ms = turn.view.clock_ms, turn.account.billing_due_ms
    if clock_ms is None or period.end_ms > clock_ms:
        return False
    # The tick has passed it, but periods are ended one after the other: this one may be waiting.
    return not due_ms or period.end_ms < due_ms


def open_period(turn: Turn, at_ms: int) -> Period:
    """The period that holds `at_ms`; the one that holds the clock if that one is invoiced."""
    period = turn.period(at_ms)
    if not is_invoiced(turn, period):
        return period
    assert turn.view.clock_ms is not None
    return turn.period(turn.view.clock_ms)


def mark_billing(turn: Turn, period: Period) -> None:
    """Let the tick that ends the period look at the account. Idle accounts wait for none."""
    account = turn.account
    if not account.billing_due_ms or period.end_ms < account.billing_due_ms:
        turn.account = replace(account, billing_due_ms=period.end_ms)


def count_cost(turn: Turn, period: Period, direction: str, micros: int, **counted: int) -> None:
    """Add `micros` of cost to what the period's calls of a type cost, and replace the fields `counted`."""
    if not micros:
        if counted:
            turn.put_period(replace(period, **counted))
        return
    kind = f"{direction}_micros"
    turn.put_period(replace(period, **counted, **{kind: getattr(period, kind) + micros}))
    invoiced_with = open_period(turn, period.start_ms)
    if invoiced_with.start_ms != period.start_ms:
        late = f"late_{direction}_micros"
        turn.put_period(replace(invoiced_with, **{late: getattr(invoiced_with, late) + micros}))
    mark_billing(turn, invoiced_with)


def count_top_up(turn: Turn, amount_micros: int) -> None:
    """Credits that a card has paid for, in the period of that moment."""
    period = open_period(turn, turn.at_ms)
    turn.put_period(replace(period, top_up_micros=period.top_up_micros + amount_micros))
    mark_billing(turn, period)


def overage_micros(period: Period) -> dict[str, int]:
    """What the period's invoice says of calls, by direction."""
    return {
        "inbound": period.inbound_micros + period.late_inbound_micros,
        "outbound": period.outbound_micros + period.late_outbound_micros,
        "web": period.web_micros + period.late_web_micros,
    }

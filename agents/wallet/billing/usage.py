"""Counters of a billing period for its invoice: cost by call type, top-ups, and which invoice carries a late change.

Rules M11, M12 and P12.
"""

from msgspec.structs import replace

from agents.wallet.turn import Turn
from schemas.account import Period


def is_invoiced(turn: Turn, period: Period) -> bool:
    """Whether a tick has ended the period, so that its invoice, if any, is issued."""
    clock_ms, due_ms = turn.clock_ms, turn.account.billing_due_ms
    if clock_ms is None or period.end_ms > clock_ms:
        return False
    # A tick has passed the end, but periods end one after the other: this one may still be waiting.
    return not due_ms or period.end_ms < due_ms


def period_to_invoice(turn: Turn, at_ms: int) -> Period:
    """The period whose invoice carries a change dated `at_ms`: the one that holds it, or, if that is invoiced, the one
    that holds the clock.
    """
    period = turn.period(at_ms)
    if not is_invoiced(turn, period):
        return period
    assert turn.clock_ms is not None
    return turn.period(turn.clock_ms)


def schedule_period_end(turn: Turn, period: Period) -> None:
    """Make the account due when the period ends. Idle accounts are never due."""
    account = turn.account
    if not account.billing_due_ms or period.end_ms < account.billing_due_ms:
        turn.account = replace(account, billing_due_ms=period.end_ms)


def count_cost(turn: Turn, period: Period, direction: str, micros: int, **counted: int) -> None:
    """Add `micros` to the cost of the period's calls of one type, and set the fields in `counted`. Rule M12."""
    if not micros:
        if counted:
            turn.put_period(replace(period, **counted))
        return
    kind = f"{direction}_micros"
    turn.put_period(replace(period, **counted, **{kind: getattr(period, kind) + micros}))
    invoiced_with = period_to_invoice(turn, period.start_ms)
    if invoiced_with.start_ms != period.start_ms:
        late = f"late_{direction}_micros"
        turn.put_period(replace(invoiced_with, **{late: getattr(invoiced_with, late) + micros}))
    schedule_period_end(turn, invoiced_with)


def count_top_up(turn: Turn, amount_micros: int) -> None:
    """Count credits that a card paid for, in the period of the ledger entry's `occurred_at`. Rule B7."""
    period = period_to_invoice(turn, turn.at_ms)
    turn.put_period(replace(period, top_up_micros=period.top_up_micros + amount_micros))
    schedule_period_end(turn, period)


def overage_micros(period: Period) -> dict[str, int]:
    """The cost of calls on the period's invoice, by direction."""
    return {
        "inbound": period.inbound_micros + period.late_inbound_micros,
        "outbound": period.outbound_micros + period.late_outbound_micros,
        "web": period.web_micros + period.late_web_micros,
    }

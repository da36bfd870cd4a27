"""The end of a billing period. Rules B1, B6, G2 and G3."""

from msgspec.structs import replace

from agents.wallet.billing.invoice import end_billing
from agents.wallet.billing.subscription import goes_on_after, is_running, renew
from agents.wallet.billing.usage import has_lines
from agents.wallet.turn import Turn


def end_period(turn: Turn) -> None:
    """End the billing period that is due: its invoice, then the renewal; one period per turn. Before the first billed
    period there is no invoice. Rules B6, G2 and G3.
    """
    boundary_ms = turn.account.billing_due_ms
    if boundary_ms > turn.account.billed_from_ms:
        end_billing(turn, turn.period(boundary_ms - 1), goes_on=goes_on_after(turn, boundary_ms))
    renew(turn, boundary_ms)
    turn.account = replace(turn.account, billing_due_ms=_next_due_ms(turn, boundary_ms))


def _next_due_ms(turn: Turn, boundary_ms: int) -> int:
    """The end of the next period that is already known to need one, 0 for none."""
    if is_running(turn.account.subscription) or turn.billing.numbers:
        return turn.period(boundary_ms).end_ms
    waiting = (p.end_ms for p in turn.periods if p.start_ms >= boundary_ms and has_lines(p))
    return min(waiting, default=0)

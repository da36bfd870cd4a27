"""The end of a billing period. Rules G2 and P12."""

from msgspec.structs import replace

from agents.wallet.billing.invoice import issue_invoice
from agents.wallet.billing.overage import request_overage
from agents.wallet.billing.subscription import is_running, renew
from agents.wallet.billing.usage import overage_micros
from agents.wallet.turn import Turn
from schemas.account import Period


def end_period(turn: Turn) -> None:
    """End the billing period that is due: overage, invoice, renewal, in this order; one period per turn. Rule G2."""
    boundary_ms, plan = turn.account.billing_due_ms, turn.account.plan
    if turn.billing.plan_before:
        plan = turn.billing.plan_before
        turn.billing = replace(turn.billing, plan_before="")
    request_overage(turn)
    issue_invoice(turn, turn.period(boundary_ms - 1), plan)
    renew(turn, boundary_ms)
    turn.account = replace(turn.account, billing_due_ms=_next_due_ms(turn, boundary_ms))


def _next_due_ms(turn: Turn, boundary_ms: int) -> int:
    """The end of the next period that is already known to have an invoice, 0 for none."""
    if is_running(turn.account.subscription) or turn.billing.numbers or turn.account.card_due_micros:
        return turn.period(boundary_ms).end_ms
    waiting = (p.end_ms for p in turn.periods if p.start_ms >= boundary_ms and _has_lines(p))
    return min(waiting, default=0)


def _has_lines(period: Period) -> bool:
    return bool(period.top_up_micros) or any(overage_micros(period).values())

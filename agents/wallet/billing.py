"""What a period's end brings, and what an account is billed for besides calls. Rules G2, M13 and P12."""

from msgspec.structs import replace

from agents.wallet.invoice import issue_invoice
from agents.wallet.overage import ask_overage
from agents.wallet.subscription import ENDED, renew
from agents.wallet.turn import Refusal, Turn
from agents.wallet.usage import mark_billing, open_period, overage_micros
from schemas.account import Period
from schemas.inputs import PhoneNumberAdded, PhoneNumberRemoved, TaxRateSet
from schemas.rows import Billing, PhoneNumber

# An account has a handful: without a bound a sender gone wrong could make its row grow for ever.
NUMBERS_MAX = 64


def end_period(turn: Turn) -> None:
    """End the billing period that is due: overage, invoice, renewal, in this order; one period a turn. Rule G2."""
    boundary_ms, plan = turn.account.billing_due_ms, turn.account.plan
    if turn.billing.plan_before:
        plan = turn.billing.plan_before
        turn.billing = replace(turn.billing, plan_before="")
    ask_overage(turn)
    issue_invoice(turn, turn.period(boundary_ms - 1), plan)
    renew(turn, boundary_ms)
    turn.account = replace(turn.account, billing_due_ms=_next_due_ms(turn, boundary_ms))


def _next_due_ms(turn: Turn, boundary_ms: int) -> int:
    """The end of the next period that will have an invoice, as far as that is known; 0 for none so far."""
    subscription = turn.account.subscription
    runs = subscription is not None and subscription.status != ENDED
    if runs or turn.billing.numbers or turn.account.card_due_micros:
        return turn.period(boundary_ms).end_ms
    waiting = (p.end_ms for p in turn.periods if p.start_ms >= boundary_ms and _has_lines(p))
    return min(waiting, default=0)


def _has_lines(period: Period) -> bool:
    return bool(period.top_up_micros) or any(overage_micros(period).values())


def add_number(turn: Turn, event: PhoneNumberAdded) -> bool | Refusal:
    """Hold a number from now on, or set the fee of one that is held. Rule M13."""
    billing, at_ms = turn.billing, turn.at_ms
    known = _held(billing, event.number)
    if known is not None and known.removed_at_ms is not None:
        # Removed in an earlier period, whose tick is yet to come: that one pays the old fee, this is another holding.
        same_period = turn.period(known.removed_at_ms).start_ms == turn.period(at_ms).start_ms
        known = known if same_period else None
    if known is None and len(billing.numbers) >= NUMBERS_MAX:
        return Refusal("schema_invalid", f"the account has {NUMBERS_MAX} phone numbers: remove one first")
    if known is None:
        numbers = (*billing.numbers, PhoneNumber(event.number, event.monthly_fee_micros, at_ms))
    else:
        held = replace(known, monthly_fee_micros=event.monthly_fee_micros, removed_at_ms=None)
        numbers = tuple(held if phone is known else phone for phone in billing.numbers)
    turn.billing = replace(billing, numbers=numbers)
    mark_billing(turn, open_period(turn, at_ms))
    return True


def remove_number(turn: Turn, event: PhoneNumberRemoved) -> bool | Refusal:
    """Give a number back; the period in which that happens is the last one that pays for it. Rule P12."""
    billing = turn.billing
    known = _held(billing, event.number)
    if known is None:
        return Refusal("schema_invalid", "`number` is none of the account's phone numbers")
    if known.removed_at_ms is not None:
        return False
    gone = replace(known, removed_at_ms=max(turn.at_ms, known.added_at_ms))
    turn.billing = replace(billing, numbers=tuple(gone if phone is known else phone for phone in billing.numbers))
    return True


def _held(billing: Billing, number: str) -> PhoneNumber | None:
    """The newest holding of a number."""
    return next((phone for phone in reversed(billing.numbers) if phone.number == number), None)


def set_tax_rate(turn: Turn, event: TaxRateSet) -> None:
    turn.billing = replace(turn.billing, tax_rate_ppm=event.rate_ppm)

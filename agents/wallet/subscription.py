"""A subscription's life: its fee in advance, renewal, changes of plan, cancellation and end.

Rules M1, M6 to M8 and P11.
"""

from msgspec.structs import replace

from agents.wallet.bills import ask, ask_or_tell, bill_fee
from agents.wallet.period import local_date, period_at
from agents.wallet.turn import Refusal, Turn
from agents.wallet.usage import mark_billing, open_period
from schemas.account import Subscription
from schemas.inputs import PlanChangeRequested, SubscriptionCancelRequested, SubscriptionResumeRequested
from schemas.money import round_half_up
from schemas.plan import AnyPlan, MinutesPlan
from schemas.rows import FeeLine

ACTIVE = "active"
CANCELLING = "cancelling"
ENDED = "ended"

_MONTHS = {"month": 1, "year": 12}


def is_active(subscription: Subscription | None, at_ms: int) -> bool:
    """Whether calls connect: a cancelled subscription ends at its term's end, also without a tick. Rules G2 and M8."""
    if subscription is None or subscription.status == ENDED:
        return False
    return subscription.status == ACTIVE or at_ms < subscription.term_end_ms


def open_subscription(turn: Turn) -> None:
    """The first term of an account opened on a minutes plan: its fee waits for the first card. Rule P11."""
    plan, opened_at_ms = turn.plan, turn.account.opened_at_ms
    if isinstance(plan, MinutesPlan):
        _start_term(turn, plan, opened_at_ms, ACTIVE)
        _bill_term(turn, plan, opened_at_ms)
        mark_billing(turn, turn.period(opened_at_ms))


def change_plan(turn: Turn, event: PlanChangeRequested) -> bool | Refusal:
    """Upgrade at once, downgrade at the next renewal. False for the plan in force. Rules M7 and P11."""
    wanted = turn.view.catalogue.plans.get(event.plan)
    if wanted is None:
        names = ", ".join(f"`{name}`" for name in turn.view.catalogue.plans)
        return Refusal("unknown_plan", f"`plan` is none of the catalogue: expected one of {names}")
    account, subscription = turn.account, turn.account.subscription
    if subscription is None or not is_active(subscription, turn.at_ms):
        if subscription is None and event.plan == account.plan:
            return False
        _move(turn, event.plan, wanted, ACTIVE)
        return True
    if event.plan == account.plan:
        if subscription.next_plan is None:
            return False
        turn.account = replace(account, subscription=replace(subscription, next_plan=None))
    elif _is_upgrade(subscription, wanted):
        _move(turn, event.plan, wanted, subscription.status)
    else:
        turn.account = replace(account, subscription=replace(subscription, next_plan=event.plan))
    return True


def _is_upgrade(term: Subscription, wanted: AnyPlan) -> bool:
    """A higher or equal price, for as long a term."""
    return (
        isinstance(wanted, MinutesPlan)
        and _MONTHS[wanted.interval] == term.months
        and _fee_micros(wanted) >= term.fee_micros
    )


def _move(turn: Turn, name: str, wanted: AnyPlan, status: str) -> None:
    """Change the plan at once, prorated by days: what is left of the old term back, what is left of the new one due."""
    account, was, plan = turn.account, turn.account.subscription, turn.plan
    now = open_period(turn, turn.at_ms)
    at_ms = max(turn.at_ms, now.start_ms)
    lines = []
    if 0 < account.billing_due_ms <= turn.at_ms and not turn.billing.plan_before:
        turn.billing = replace(turn.billing, plan_before=account.plan)
    turn.account = replace(account, plan=name, subscription=None)
    if not isinstance(wanted, MinutesPlan):
        return
    if was is not None and is_active(was, turn.at_ms):
        lines.append(_proration(turn, plan, was, at_ms, -1))
        term = replace(was, fee_micros=_fee_micros(wanted), next_plan=None)
        turn.account = replace(turn.account, subscription=term)
    else:
        term = _start_term(turn, wanted, at_ms, status)
    lines.append(_proration(turn, wanted, term, at_ms, 1))
    bill = _bill(turn, lines)
    if bill is not None:
        ask(turn, bill)
    mark_billing(turn, now)


def _proration(turn: Turn, plan: AnyPlan, term: Subscription, at_ms: int, sign: int) -> FeeLine:
    """The fee of the days that are left of a term, that of `at_ms` included, rounded by itself. Rules M7 and P11."""
    zone = turn.account.time_zone
    first, end = local_date(term.term_start_ms, zone), local_date(term.term_end_ms, zone)
    today = min(max(local_date(at_ms, zone), first), end)
    left, days = (end - today).days, (end - first).days
    micros = round_half_up(term.fee_micros * left, plan.charge_quantum_micros * days) // days
    what = "unused part" if sign < 0 else "rest of the term"
    return FeeLine("proration", f"{_name(plan)}, {what}: {left} of {days} days", sign * micros, at_ms)


def _name(plan: AnyPlan) -> str:
    return plan.display_name or plan.tier


def _fee_micros(plan: MinutesPlan) -> int:
    return plan.monthly_price_micros * _MONTHS[plan.interval]


def _start_term(turn: Turn, plan: MinutesPlan, at_ms: int, status: str) -> Subscription:
    """The term that holds `at_ms`, from the signup's anchor, which stays. Rules G3 and P11."""
    account, months = turn.account, _MONTHS[plan.interval]
    start_ms, end_ms = period_at(account.opened_at_ms, account.time_zone, at_ms, months)
    term = Subscription(status, start_ms, end_ms, months, _fee_micros(plan))
    turn.account = replace(account, subscription=term)
    return term


def _bill_term(turn: Turn, plan: MinutesPlan, at_ms: int) -> str | None:
    """The fee of the whole term that begins, and its bill; none for a price of 0."""
    term = turn.account.subscription
    assert term is not None
    per = "monthly" if term.months == 1 else "yearly"
    return _bill(turn, [FeeLine("subscription", f"{_name(plan)}, {per} fee", term.fee_micros, at_ms)])


def _bill(turn: Turn, lines: list[FeeLine]) -> str | None:
    """Put lines on the invoice to come. The name of the bill for their sum, None when nothing is to be paid.

    The two sides of a proration are left out when they are equal: an owner may go to and fro. A sum below 0, which two
    plans of the same price can give when they round differently, reduces what the invoice asks for.
    """
    amount_micros = sum(line.amount_micros for line in lines)
    if amount_micros or any(line.kind == "subscription" for line in lines):
        billing = turn.billing
        kept = [line for line in lines if line.amount_micros or line.kind == "subscription"]
        turn.billing = replace(billing, lines=(*billing.lines, *kept))
    if amount_micros < 0:
        turn.billing = replace(turn.billing, credit_micros=turn.billing.credit_micros - amount_micros)
    return bill_fee(turn, amount_micros, lines[0].at_ms) if amount_micros > 0 else None


def renew(turn: Turn, boundary_ms: int) -> None:
    """What a tick does to a subscription whose term ends: the end of a cancelled one, the change that waited, the next
    fee. A yearly term that begins between two anniversaries costs the rest of its days. Rules M6 to M8.
    """
    account, subscription = turn.account, turn.account.subscription
    if subscription is None or subscription.status == ENDED or subscription.term_end_ms > boundary_ms:
        return
    if subscription.status == CANCELLING:
        turn.account = replace(account, subscription=replace(subscription, status=ENDED, next_plan=None))
        return
    if subscription.next_plan is not None:
        turn.account = replace(account, plan=subscription.next_plan, subscription=None)
    plan = turn.plan
    if not isinstance(plan, MinutesPlan):
        return
    term = _start_term(turn, plan, boundary_ms, ACTIVE)
    if term.term_start_ms == boundary_ms:
        bill = _bill_term(turn, plan, boundary_ms)
    else:
        bill = _bill(turn, [_proration(turn, plan, term, boundary_ms, 1)])
    if bill is not None:
        ask_or_tell(turn, bill)


_NO_SUBSCRIPTION = Refusal("no_subscription", "the account has no subscription that is running")


def cancel_subscription(turn: Turn, _event: SubscriptionCancelRequested) -> bool | Refusal:
    """Let the subscription end with its term. A second cancel is a repeat. Rules M8 and P7."""
    return _set_status(turn, CANCELLING)


def resume_subscription(turn: Turn, _event: SubscriptionResumeRequested) -> bool | Refusal:
    """Take a cancellation back before the term ends; one that was not cancelled is a repeat. Rule M8."""
    return _set_status(turn, ACTIVE)


def _set_status(turn: Turn, status: str) -> bool | Refusal:
    subscription = turn.account.subscription
    if subscription is None or not is_active(subscription, turn.at_ms):
        return _NO_SUBSCRIPTION
    if subscription.status == status:
        return False
    turn.account = replace(turn.account, subscription=replace(subscription, status=status))
    return True

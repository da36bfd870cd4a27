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
    plan = turn.plan
    if isinstance(plan, MinutesPlan):
        _start_term(turn, plan, turn.account.opened_at_ms, ACTIVE)
        _bill_term(turn, plan)
        mark_billing(turn, turn.period(turn.account.opened_at_ms))


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
    elif _is_upgrade(turn.plan, wanted):
        _move(turn, event.plan, wanted, subscription.status)
    else:
        turn.account = replace(account, subscription=replace(subscription, next_plan=event.plan))
    return True


def _is_upgrade(plan: AnyPlan, wanted: AnyPlan) -> bool:
    """A higher or equal price, for as long a term."""
    if not isinstance(wanted, MinutesPlan) or wanted.interval != plan.interval:
        return False
    return wanted.monthly_price_micros >= plan.monthly_price_micros


def _move(turn: Turn, name: str, wanted: AnyPlan, status: str) -> None:
    """Change the plan at once, prorated by days: what is left of the old term back, what is left of the new one due."""
    was, plan = turn.account.subscription, turn.plan
    back = None
    if was is not None and is_active(was, turn.at_ms):
        assert isinstance(plan, MinutesPlan)
        back = _proration(turn, plan, was, -1, "unused part")
    turn.account = replace(turn.account, plan=name, subscription=None)
    if not isinstance(wanted, MinutesPlan):
        return
    now = open_period(turn, turn.at_ms)
    if back is None:
        _start_term(turn, wanted, max(turn.at_ms, now.start_ms), status)
    else:
        assert was is not None
        turn.account = replace(turn.account, subscription=replace(was, next_plan=None))
    assert turn.account.subscription is not None
    due = _proration(turn, wanted, turn.account.subscription, 1, "rest of the term")
    lines = tuple(line for line in (back, due) if line is not None)
    change_micros = sum(line.amount_micros for line in lines)
    billing = turn.billing
    if change_micros:
        turn.billing = replace(billing, lines=(*billing.lines, *(line for line in lines if line.amount_micros)))
        ask(turn, bill_fee(turn, change_micros))
    mark_billing(turn, now)


def _proration(turn: Turn, plan: MinutesPlan, term: Subscription, sign: int, what: str) -> FeeLine:
    """The fee of the days that are left of a term, from today on, rounded by itself. Rules M7 and P11."""
    zone = turn.account.time_zone
    first, end = local_date(term.term_start_ms, zone), local_date(term.term_end_ms, zone)
    today = min(max(local_date(turn.at_ms, zone), first), end)
    left, days = (end - today).days, (end - first).days
    fee_micros = _fee_micros(plan) * left
    micros = round_half_up(fee_micros, plan.charge_quantum_micros * days) // days
    described = f"{plan.display_name or plan.tier}, {what}: {left} of {days} days"
    return FeeLine("proration", described, sign * micros)


def _fee_micros(plan: MinutesPlan) -> int:
    return plan.monthly_price_micros * _MONTHS[plan.interval]


def _start_term(turn: Turn, plan: MinutesPlan, at_ms: int, status: str) -> None:
    """The term that holds `at_ms`, from the signup's anchor, which stays. Rules G3 and P11."""
    account = turn.account
    start_ms, end_ms = period_at(account.opened_at_ms, account.time_zone, at_ms, _MONTHS[plan.interval])
    turn.account = replace(account, subscription=Subscription(status, start_ms, end_ms))


def _bill_term(turn: Turn, plan: MinutesPlan) -> str | None:
    """A whole term's fee on the next invoice, and its bill; none for a price of 0."""
    fee_micros, billing = _fee_micros(plan), turn.billing
    per = "monthly" if plan.interval == "month" else "yearly"
    line = FeeLine("subscription", f"{plan.display_name or plan.tier}, {per} fee", fee_micros)
    turn.billing = replace(billing, lines=(*billing.lines, line))
    return bill_fee(turn, fee_micros) if fee_micros else None


def renew(turn: Turn, boundary_ms: int) -> None:
    """What a tick does to a subscription whose term ends: the end of a cancelled one, the change that waited, the next
    fee. Rules M6 to M8.
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
    _start_term(turn, plan, boundary_ms, ACTIVE)
    bill = _bill_term(turn, plan)
    if bill is not None:
        ask_or_tell(turn, bill)


_NO_SUBSCRIPTION = Refusal("no_subscription", "the account has no subscription that is running")


def cancel_subscription(turn: Turn, _event: SubscriptionCancelRequested) -> bool | Refusal:
    """Let the subscription end with its term. A second cancel is a repeat. Rules M8 and P7."""
    subscription = turn.account.subscription
    if subscription is None or not is_active(subscription, turn.at_ms):
        return _NO_SUBSCRIPTION
    if subscription.status == CANCELLING:
        return False
    turn.account = replace(turn.account, subscription=replace(subscription, status=CANCELLING))
    return True


def resume_subscription(turn: Turn, _event: SubscriptionResumeRequested) -> bool | Refusal:
    """Take a cancellation back before the term ends; one that was not cancelled is a repeat. Rule M8."""
    subscription = turn.account.subscription
    if subscription is None or not is_active(subscription, turn.at_ms):
        return _NO_SUBSCRIPTION
    if subscription.status == ACTIVE:
        return False
    turn.account = replace(turn.account, subscription=replace(subscription, status=ACTIVE))
    return True

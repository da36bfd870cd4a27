"""Subscriptions: the fee in advance, renewal, plan changes, cancellation and end. Rules G3, M1, M6 to M8 and P11."""

from typing import TypeGuard

from msgspec.structs import replace

from agents.wallet.billing.bills import add_fee_bill, request_bill
from agents.wallet.billing.proration import is_upgrade, rest_of_term
from agents.wallet.billing.usage import schedule_period_end
from agents.wallet.owner.account import unknown_plan, unsupported_currency
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.account import Subscription
from schemas.billing import FeeLine
from schemas.inputs import PlanChangeRequested, SubscriptionCancelRequested, SubscriptionResumeRequested
from schemas.period import term_at
from schemas.plan import AnyPlan, MinutesPlan

ACTIVE = "active"
CANCELLING = "cancelling"
ENDED = "ended"


def is_running(subscription: Subscription | None) -> TypeGuard[Subscription]:
    """Whether there is a subscription that no tick has ended. Rule G2."""
    return subscription is not None and subscription.status != ENDED


def admits_calls(subscription: Subscription | None, started_at_ms: int) -> bool:
    """Whether a call that starts at `started_at_ms` may connect. For calls a cancelled subscription ends with its term,
    even before a tick ends it. Rules G2 and M8.
    """
    return is_running(subscription) and (subscription.status == ACTIVE or started_at_ms < subscription.term_end_ms)


def is_over(subscription: Subscription | None, at_ms: int) -> bool:
    """Whether a cancelled subscription has ended by `at_ms`, and its included minutes with it. Rule M8."""
    return subscription is not None and subscription.status != ACTIVE and at_ms >= subscription.term_end_ms


def open_subscription(turn: Turn) -> None:
    """Start the first term of an account opened on a minutes plan. Its fee waits for the first card. An account that is
    billed from a later period has no term until then. Rules G3 and P11.
    """
    plan, at_ms = turn.plan, turn.instant_ms
    if not isinstance(plan, MinutesPlan):
        return
    term = _start_term(turn, plan, at_ms, ACTIVE)
    if has_term(term):
        _bill_term(turn, plan, at_ms)
        schedule_period_end(turn, turn.period(at_ms))
    else:
        turn.account = replace(turn.account, billing_due_ms=term.term_end_ms)


def has_term(subscription: Subscription) -> bool:
    """Whether a term runs: none does before the first billed period. Rule G3."""
    return subscription.term_start_ms < subscription.term_end_ms


def change_plan(turn: Turn, event: PlanChangeRequested) -> Effect | Refusal:
    """Upgrades apply immediately, prorated by day; downgrades apply at renewal. Rules M7 and P11.

    A change to the current plan takes a scheduled change back, and is a repeat when there is none.
    """
    offer = turn.view.catalogue.plans.get(event.plan)
    if offer is None:
        return unknown_plan(turn.view)
    wanted = offer.priced_in(turn.account.currency)
    if wanted is None:
        return unsupported_currency(offer, turn.account.currency)
    account, subscription = turn.account, turn.account.subscription
    if not is_running(subscription):
        if subscription is None and event.plan == account.plan:
            return Effect.REPEAT
        _change_now(turn, event.plan, wanted, ACTIVE)
        return Effect.APPLIED
    if event.plan == account.plan:
        if subscription.next_plan is None:
            return Effect.REPEAT
        turn.account = replace(account, subscription=replace(subscription, next_plan=None))
    elif is_upgrade(subscription.months, subscription.fee_micros, wanted):
        _change_now(turn, event.plan, wanted, subscription.status)
    else:
        turn.account = replace(account, subscription=replace(subscription, next_plan=event.plan))
    return Effect.APPLIED


def _change_now(turn: Turn, name: str, wanted: AnyPlan, status: str) -> None:
    """Change the plan immediately: credit the rest of the old term, bill the rest of the new one. Before the first
    billed period nothing is prorated. Rules G3 and M7.
    """
    was, plan, at_ms = turn.account.subscription, turn.plan, turn.instant_ms
    lines = []
    turn.account = replace(turn.account, plan=name, subscription=None)
    if not isinstance(wanted, MinutesPlan):
        return
    if is_running(was):
        if has_term(was):
            lines.append(_proration(turn, plan, was, at_ms, -1))
        term = replace(was, months=wanted.term_months, fee_micros=wanted.fee_micros, next_plan=None)
        turn.account = replace(turn.account, subscription=term)
    else:
        term = _start_term(turn, wanted, at_ms, status)
    if has_term(term):
        lines.append(_proration(turn, wanted, term, at_ms, 1))
        bill = _bill(turn, lines)
        if bill is not None:
            request_bill(turn, bill)
        schedule_period_end(turn, turn.period(at_ms))
    else:
        _schedule(turn, term.term_end_ms)


def _schedule(turn: Turn, at_ms: int) -> None:
    due_ms = turn.account.billing_due_ms
    turn.account = replace(turn.account, billing_due_ms=min(due_ms, at_ms) if due_ms else at_ms)


def _proration(turn: Turn, plan: AnyPlan, term: Subscription, at_ms: int, sign: int) -> FeeLine:
    """The fee for the rest of a term, the day of `at_ms` included, rounded on its own to what a card can pay. Rules M7
    and P11.
    """
    rest = rest_of_term(
        term.fee_micros, term.term_start_ms, term.term_end_ms, at_ms, turn.account.time_zone, turn.currency.step_micros
    )
    what = "unused part" if sign < 0 else "rest of the term"
    return FeeLine(
        "proration", f"{_name(plan)}, {what}: {rest.left_days} of {rest.days} days", sign * rest.micros, at_ms
    )


def _name(plan: AnyPlan) -> str:
    return plan.display_name or plan.tier


def _start_term(turn: Turn, plan: MinutesPlan, at_ms: int, status: str) -> Subscription:
    """Start the term that holds `at_ms`. Terms are counted from the first billed period; before it the term is empty.
    Rules G3 and P11.
    """
    account, months = turn.account, plan.term_months
    start_ms = end_ms = account.billed_from_ms
    if at_ms >= start_ms:
        start_ms, end_ms = term_at(account.opened_at_ms, account.time_zone, at_ms, months, account.billed_from_ms)
    term = Subscription(status, start_ms, end_ms, months, plan.fee_micros)
    turn.account = replace(account, subscription=term)
    return term


def _bill_term(turn: Turn, plan: MinutesPlan, at_ms: int) -> str | None:
    """Bill the fee of the whole term that begins; returns the bill's name, None for a price of 0."""
    term = turn.account.subscription
    assert term is not None
    per = "monthly" if term.months == 1 else "yearly"
    described = f"{_name(plan)}, {per} fee"
    return _bill(turn, [FeeLine("subscription", described, term.fee_micros, at_ms, term.months)])


def _bill(turn: Turn, lines: list[FeeLine]) -> str | None:
    """Put lines on the next invoice; returns the name of the bill for their sum, None when there is nothing to pay.

    The two lines of a proration are left out when they cancel out: an owner may change plans back and forth. Two plans
    of the same price that round differently can give a sum below 0; it reduces the invoice.
    """
    amount_micros = sum(line.amount_micros for line in lines)
    if amount_micros or any(line.kind == "subscription" for line in lines):
        billing = turn.billing
        kept = [line for line in lines if line.amount_micros or line.kind == "subscription"]
        turn.billing = replace(billing, lines=(*billing.lines, *kept))
    return add_fee_bill(turn, amount_micros, lines[0].at_ms) if amount_micros else None


def goes_on_after(turn: Turn, boundary_ms: int) -> bool:
    """Whether a subscription runs after the renewal at `boundary_ms`. Rule B6."""
    subscription = turn.account.subscription
    if not is_running(subscription):
        return False
    if subscription.term_end_ms > boundary_ms:
        return True
    if subscription.status == CANCELLING:
        return False
    return isinstance(turn.terms(_renewed_plan(turn, subscription), turn.view.catalogue.version), MinutesPlan)


def _renewed_plan(turn: Turn, subscription: Subscription) -> str:
    """The plan of the next term. One that the account's currency has no prices for any more is not changed to. Rule
    K3.
    """
    name = subscription.next_plan
    return turn.account.plan if name is None or turn.offered(name) is None else name


def renew(turn: Turn, boundary_ms: int) -> None:
    """At the end of a term, end a cancelled subscription; otherwise bill the next term. A change of plan that waits
    takes effect either way. A yearly term that begins between two anniversaries costs the rest of its days. Rules K3
    and M6 to M8.
    """
    account, subscription = turn.account, turn.account.subscription
    if not is_running(subscription) or subscription.term_end_ms > boundary_ms:
        return
    account = replace(account, plan=_renewed_plan(turn, subscription))
    if subscription.next_plan not in (None, account.plan):
        turn.dropped_plan = subscription.next_plan or ""
    plan = turn.terms(account.plan, turn.view.catalogue.version)
    if not isinstance(plan, MinutesPlan):
        turn.account = replace(account, subscription=None)
        return
    if subscription.status == CANCELLING:
        turn.account = replace(account, subscription=replace(subscription, status=ENDED, next_plan=None))
        return
    turn.account = account
    term = _start_term(turn, plan, boundary_ms, ACTIVE)
    if term.term_start_ms == boundary_ms:
        bill = _bill_term(turn, plan, boundary_ms)
    else:
        bill = _bill(turn, [_proration(turn, plan, term, boundary_ms, 1)])
    if bill is not None:
        request_bill(turn, bill, alert=True)


_NO_SUBSCRIPTION = Refusal("no_subscription", "the account has no running subscription")


def cancel_subscription(turn: Turn, _event: SubscriptionCancelRequested) -> Effect | Refusal:
    """End the subscription at the end of its term. A second cancellation is a repeat. Rules M8 and P7."""
    return _set_status(turn, CANCELLING)


def resume_subscription(turn: Turn, _event: SubscriptionResumeRequested) -> Effect | Refusal:
    """Take back a cancellation before the term ends. Without a cancellation it is a repeat. Rule M8."""
    return _set_status(turn, ACTIVE)


def _set_status(turn: Turn, status: str) -> Effect | Refusal:
    subscription = turn.account.subscription
    if not is_running(subscription):
        return _NO_SUBSCRIPTION
    if subscription.status == status:
        return Effect.REPEAT
    turn.account = replace(turn.account, subscription=replace(subscription, status=status))
    return Effect.APPLIED

"""The subscription of the naive model: its start, its end, its renewals, and changes of plan. Rules M6-M8, P11."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import NaiveBill, NaiveFee, NaiveSubscription
from tests.model.naive_bills import ask
from tests.model.naive_charge import start_of_period
from tests.model.naive_money import half_up
from tests.model.naive_plans import AnyPlan, NaiveMinutes
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, Repeated, World, instant_of


def open_subscription(world: World, account: NaiveAccount, wire: Wire) -> None:
    """An account opened on a minutes plan. There is no card yet: the fee waits for it."""
    if isinstance(account.plan, NaiveMinutes):
        renew(world, account, wire, account.plan, 0, tells=False)


def renew(world: World, account: NaiveAccount, wire: Wire, plan: NaiveMinutes, period: int, *, tells: bool) -> None:
    """A term's fee is asked for in advance; of a year that begins late only the days until the next anniversary."""
    first, end = plan.term_of(period)
    account.billing.subscription = NaiveSubscription(first, end)
    start_ms = start_of_period(account, period)
    fee = plan.fee if period == first else half_up(plan.fee * left_of_term(account, start_ms), plan.quantum_micros)
    kind: Literal["subscription", "proration"] = "subscription" if period == first else "proration"
    account.billing.fees.append(NaiveFee(kind, period, fee))
    bill = NaiveBill("subscription", fee, period)
    account.billing.bills.append(bill)
    ask(world, account, wire, bill, tells=tells)


def left_of_term(account: NaiveAccount, at_ms: int) -> Fraction:
    """The days from the local date on, of the days of the term. Rule M7, decision 0014."""
    subscription = account.billing.subscription
    assert subscription is not None
    first, end, now = (
        local_date(account, ms)
        for ms in (
            start_of_period(account, subscription.first_period),
            start_of_period(account, subscription.end_period),
            at_ms,
        )
    )
    return Fraction(max(0, (end - now).days), (end - first).days)


def end_term(world: World, account: NaiveAccount, wire: Wire, period: int) -> None:
    """The term's end, which the billing period `period` begins with: a cancelled one ends, any other is renewed."""
    subscription = account.billing.subscription
    if subscription is None or subscription.status == "ended" or subscription.end_period != period:
        return
    if subscription.status == "cancelling":
        world.reached.add("subscription ended")
        subscription.status = "ended"
        return
    if subscription.next_plan is not None:
        account.take_plan(world.plans[subscription.next_plan], period)
    if isinstance(account.plan, NaiveMinutes):
        world.reached.add("renewed on another plan" if subscription.next_plan else "renewed")
        renew(world, account, wire, account.plan, period, tells=True)
    else:
        world.reached.add("renewed on a credits plan")
        account.billing.subscription = None


def cancel(world: World, account: NaiveAccount, wire: Wire) -> None:
    subscription = subscription_of(account, wire)
    if subscription.status == "cancelling":
        raise Repeated
    world.reached.add("cancelled")
    subscription.status = "cancelling"


def resume(world: World, account: NaiveAccount, wire: Wire) -> None:
    subscription = subscription_of(account, wire)
    if subscription.status == "active":
        raise Repeated
    world.reached.add("resumed")
    subscription.status = "active"


def subscription_of(account: NaiveAccount, wire: Wire) -> NaiveSubscription:
    subscription = account.billing.subscription
    if subscription is None or not account.billing.is_subscribed:
        raise Refused("no_subscription")
    return subscription


def change_plan(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Up is at once, down waits for the renewal; from a credits plan or after the end it is a start. Decision 0014."""
    plan = world.plans.get(wire["plan"])
    billing = account.billing
    if plan is None:
        raise Refused("unknown_plan")
    if not account.billing.is_subscribed:
        if plan.name == account.plan.name and billing.subscription is None:
            raise Repeated
        start_in_between(world, account, wire, plan)
        return
    subscription = subscription_of(account, wire)
    old = account.plan
    assert isinstance(old, NaiveMinutes)
    if plan.name == old.name:
        if subscription.next_plan is None:
            raise Repeated
        world.reached.add("waiting change taken back")
        subscription.next_plan = None
    elif must_wait(old, plan):
        world.reached.add("plan change waits")
        subscription.next_plan = plan.name
    else:
        assert isinstance(plan, NaiveMinutes)
        world.reached.add("upgrade while cancelled" if subscription.status == "cancelling" else "upgrade")
        subscription.next_plan = None
        account.take_plan(plan, account.period_of(instant_of(world, wire)))
        prorate(world, account, wire, old, plan)


def must_wait(old: NaiveMinutes, new: AnyPlan) -> bool:
    if not isinstance(new, NaiveMinutes) or new.interval != old.interval:
        return True
    return new.monthly_price_micros < old.monthly_price_micros


def start_in_between(world: World, account: NaiveAccount, wire: Wire, plan: AnyPlan) -> None:
    """The anchor stays: the rest of the term is paid that runs from anniversary to anniversary."""
    was_ended = account.billing.subscription is not None
    period = account.period_of(instant_of(world, wire))
    account.take_plan(plan, period)
    if not isinstance(plan, NaiveMinutes):
        world.reached.add("credits plan after the end" if was_ended else "another credits plan")
        account.billing.subscription = None
        return
    world.reached.add("minutes plan after the end" if was_ended else "minutes plan after a credits plan")
    account.billing.subscription = NaiveSubscription(*plan.term_of(period))
    prorate(world, account, wire, None, plan)


def prorate(world: World, account: NaiveAccount, wire: Wire, old: NaiveMinutes | None, new: NaiveMinutes) -> None:
    """What is left of the term by days: less at the old price, more at the new one. The difference is asked for."""
    now_ms = instant_of(world, wire)
    left = left_of_term(account, now_ms)
    back, more = (0 if plan is None else half_up(plan.fee * left, plan.quantum_micros) for plan in (old, new))
    if back == more:
        world.reached.add("proration of nothing")
        return
    period = account.period_of(now_ms)
    account.billing.fees += [NaiveFee("proration", period, amount) for amount in (-back, more) if amount]
    bill = NaiveBill("subscription", more - back, period)
    account.billing.bills.append(bill)
    ask(world, account, wire, bill)


def local_date(account: NaiveAccount, at_ms: int) -> date:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return at.astimezone(ZoneInfo(account.time_zone)).date()

"""The subscription of the naive model: its start, its end, its renewals, and changes of plan. Rules M6-M8, P11, G3."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.model.naive_account import NaiveAccount
from tests.model.naive_billing import NaiveFee, NaiveSubscription
from tests.model.naive_bills import ask_fee
from tests.model.naive_charge import start_of_period
from tests.model.naive_currency import half_away
from tests.model.naive_plans import AnyPlan, NaiveMinutes
from tests.model.naive_time import instant
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, Repeated, World, instant_of


def open_billing(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Billing begins with the running period, or with the first that begins at or after `billing_from`. Rule G3.

    There is no card yet: the first fee waits for one.
    """
    running = account.period_of(instant_of(world, wire))
    first = running
    if wire.get("billing_from") is not None:
        from_ms = instant(wire["billing_from"])
        if from_ms < start_of_period(account, running):
            raise Refused("schema_invalid")
        while start_of_period(account, first) < from_ms:
            first += 1
    billing = account.billing
    billing.first_period, billing.next_period = first, running
    if isinstance(account.plan, NaiveMinutes):
        if first == running:
            renew(world, account, wire, account.plan, first, tells=False)
        else:
            world.reached.add("billed later")
            billing.subscription = NaiveSubscription(None, first, account.plan.fee)


def renew(world: World, account: NaiveAccount, wire: Wire, plan: NaiveMinutes, period: int, *, tells: bool) -> None:
    """A term's fee is asked for in advance; of a year that begins late only the days until the next one."""
    first, end = plan.term_of(period, account.billing.first_period)
    account.billing.subscription = NaiveSubscription(first, end, plan.fee)
    if period == first:
        fee = NaiveFee("subscription", period, [(plan.fee, plan.term_periods, plan.monthly_price_micros)])
    else:
        part = part_of_term(account, plan.fee, start_of_period(account, period))
        fee = NaiveFee("proration", period, [(part, None, None)])
    account.billing.fees.append(fee)
    ask_fee(world, account, wire, fee, tells=tells)


def part_of_term(account: NaiveAccount, fee: int, at_ms: int) -> int:
    """By the days from the local date on, of the days of the term, rounded to what a card can pay. Rule M7."""
    subscription = account.billing.subscription
    assert subscription is not None
    assert subscription.first_period is not None
    first, end, now = (
        local_date(account, ms)
        for ms in (
            start_of_period(account, subscription.first_period),
            start_of_period(account, subscription.end_period),
            at_ms,
        )
    )
    left = Fraction(max(0, (end - now).days), (end - first).days)
    return half_away(fee * left, account.money.step)


def runs_after(account: NaiveAccount, world: World, period: int) -> bool:
    """Whether a subscription runs once the billing period `period` has begun."""
    subscription = account.billing.subscription
    if subscription is None or subscription.status == "ended":
        return False
    if subscription.end_period != period:
        return True
    if subscription.status == "cancelling":
        return False
    return subscription.next_plan is None or isinstance(world.plans[subscription.next_plan], NaiveMinutes)


def end_term(world: World, account: NaiveAccount, wire: Wire, period: int) -> None:
    """The term's end, which the billing period `period` begins with: a cancelled one ends, any other is renewed.

    A plan that waits is in force then: a credits plan also after a cancelled term, a minutes plan stays ended. Rule M8.
    """
    subscription = account.billing.subscription
    if subscription is None or subscription.status == "ended" or subscription.end_period != period:
        return
    is_cancelled, next_plan = subscription.status == "cancelling", subscription.next_plan
    if next_plan is not None:
        account.take_plan(plan_of(world, account, next_plan), period)
    subscription.next_plan = None
    if not isinstance(account.plan, NaiveMinutes):
        world.reached.add("a credits plan after a cancelled term" if is_cancelled else "renewed on a credits plan")
        account.billing.subscription = None
    elif is_cancelled:
        world.reached.add("subscription ended on another plan" if next_plan else "subscription ended")
        subscription.status = "ended"
    else:
        world.reached.add("renewed on another plan" if next_plan else "renewed")
        renew(world, account, wire, account.plan, period, tells=True)


def plan_of(world: World, account: NaiveAccount, name: str) -> AnyPlan:
    """A plan at its prices in the account's currency. Rules G12, K3."""
    if name not in world.plans:
        raise Refused("unknown_plan")
    plan = world.plans[name].priced_in(account.currency)
    if plan is None:
        raise Refused("unsupported_currency")
    return plan


def cancel(world: World, account: NaiveAccount, wire: Wire) -> None:
    subscription = subscription_of(account)
    if subscription.status == "cancelling":
        raise Repeated
    world.reached.add("cancelled")
    subscription.status = "cancelling"


def resume(world: World, account: NaiveAccount, wire: Wire) -> None:
    subscription = subscription_of(account)
    if subscription.status == "active":
        raise Repeated
    world.reached.add("resumed")
    subscription.status = "active"


def subscription_of(account: NaiveAccount) -> NaiveSubscription:
    subscription = account.billing.subscription
    if subscription is None or not account.billing.is_subscribed:
        raise Refused("no_subscription")
    return subscription


def change_plan(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Up is at once, down waits for the renewal; from a credits plan or after the end it is a start. Rule M7."""
    billing = account.billing
    old, subscription = account.plan, billing.subscription
    if wire["plan"] == old.name and (subscription is None or (billing.is_subscribed and not subscription.next_plan)):
        raise Repeated
    plan = plan_of(world, account, wire["plan"])
    if subscription is None or not billing.is_subscribed:
        start_in_between(world, account, wire, plan)
        return
    assert isinstance(old, NaiveMinutes)
    if plan.name == old.name:
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
        prorate(world, account, wire, subscription.fee, plan)


def must_wait(old: NaiveMinutes, new: AnyPlan) -> bool:
    if not isinstance(new, NaiveMinutes) or new.interval != old.interval:
        return True
    return new.monthly_price_micros < old.monthly_price_micros


def start_in_between(world: World, account: NaiveAccount, wire: Wire, plan: AnyPlan) -> None:
    """The anchor stays: the rest of the term is paid. Before the first billed period nothing is. Rules P11, G3."""
    billing = account.billing
    was_ended = billing.subscription is not None
    period = account.period_of(instant_of(world, wire))
    account.take_plan(plan, period)
    if not isinstance(plan, NaiveMinutes):
        world.reached.add("credits plan after the end" if was_ended else "another credits plan")
        billing.subscription = None
        return
    world.reached.add("minutes plan after the end" if was_ended else "minutes plan after a credits plan")
    if period < billing.first_period:
        billing.subscription = NaiveSubscription(None, billing.first_period, plan.fee)
    else:
        billing.subscription = NaiveSubscription(*plan.term_of(period, billing.first_period), plan.fee)
    prorate(world, account, wire, 0, plan)


def prorate(world: World, account: NaiveAccount, wire: Wire, old_fee: int, new: NaiveMinutes) -> None:
    """What is left of the term by days: less at the old price, more at the new one. The difference is asked for."""
    subscription = account.billing.subscription
    assert subscription is not None
    subscription.fee = new.fee
    if subscription.first_period is None:
        world.reached.add("changed before it is billed")
        return
    now_ms = instant_of(world, wire)
    back, more = (part_of_term(account, fee, now_ms) for fee in (old_fee, new.fee))
    if back == more:
        world.reached.add("proration of nothing")
        return
    parts: list[tuple[int, int | None, int | None]] = [(amount, None, None) for amount in (-back, more) if amount]
    fee = NaiveFee("proration", account.period_of(now_ms), parts)
    account.billing.fees.append(fee)
    ask_fee(world, account, wire, fee)


def local_date(account: NaiveAccount, at_ms: int) -> date:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return at.astimezone(ZoneInfo(account.time_zone)).date()

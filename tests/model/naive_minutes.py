"""Calls on a minutes plan in the naive model: the gate, and what a call costs, in order of arrival."""

from fractions import Fraction

from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_charge import connects, post_charge, write_cost_down
from tests.model.naive_money import Price, half_up
from tests.model.naive_overage import give_back, pay_overage
from tests.model.naive_plans import NaiveMinutes
from tests.model.naive_time import MINUTE_MS, SECOND_MS
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, redirect


def start_on_minutes(world: World, account: NaiveAccount, call: NaiveCall, wire: Wire) -> None:
    """The gate always admits while there is a subscription. Rules M5, M8, G2."""
    subscription = account.billing.subscription
    assert subscription is not None
    if not connects(account, wire):
        world.reached.add("redirected after the end" if subscription.status == "ended" else "ended without a tick")
        redirect(world, account, call, wire, "subscription_ended")
        return
    call.features = frozenset(account.switches)
    call.is_open = True
    world.reached.add("admitted on a subscription")
    world.fact(
        account.account_id,
        wire,
        type="call-admitted",
        call_id=call.call_id,
        reason="subscription",
        features_enabled=sorted(call.features),
        hold_micros=0,
    )


def increments(plan: NaiveMinutes, billable_ms: int) -> int:
    """The time that is rated: whole increments, counted off one by one, in milliseconds. Rule M4."""
    if billable_ms == 0:
        return 0
    rated_s = plan.first_s
    while rated_s * SECOND_MS < billable_ms:
        rated_s += plan.next_s
    return rated_s * SECOND_MS


def used_in(account: NaiveAccount, period: int, but: NaiveCall | None = None) -> int:
    """What the calls of a period use of its minutes, in milliseconds, those beyond the included ones too."""
    return sum(call.used_ms for call in account.calls.values() if call is not but and call.rated_period == period)


def is_over(account: NaiveAccount, started_ms: int) -> bool:
    """Whether a call starts after the end of its subscription: then no minutes are included. Rule M8."""
    subscription = account.billing.subscription
    if subscription is None or subscription.status == "active":
        return False
    return account.period_of(started_ms) >= subscription.end_period


def rate_call(world: World, account: NaiveAccount, wire: Wire, call: NaiveCall) -> None:
    """An end or a correction of a call. Only what this call costs moves. Rules P3, M4, M5, decision 0017."""
    plan = call.plan
    assert isinstance(plan, NaiveMinutes)
    whole = call.whole
    is_first = wire is call.ends[0] and len(call.ends) == 1
    period = account.period_of(call.started_ms)
    is_real_again = wire["type"] == "call-reclassified" and call.is_counted and not call.was_counted
    if is_first or period != call.rated_period or is_real_again:
        call.before_ms = used_in(account, period, call)
        world.reached.add("rated" if is_first else "rated anew: real again" if is_real_again else "rated anew: moved")
    elif wire["type"] == "call-ended":
        world.reached.add("rated again at the same minutes")
    if is_first or call.rated_start_ms != whole.started_ms:
        call.is_after_subscription = is_over(account, whole.started_ms)
    if call.is_after_subscription:
        world.reached.add("without included minutes")
    has_moved = call.rated_period is not None and period != call.rated_period
    call.rated_period, call.rated_start_ms = period, whole.started_ms
    call.was_counted = call.is_counted
    used_before_ms, call.used_ms = call.used_ms, increments(plan, call.billable_ms) if call.is_counted else 0
    pool_ms = 0 if call.is_after_subscription else plan.included_minutes * MINUTE_MS
    included_ms = min(call.used_ms, max(0, pool_ms - call.before_ms))
    call.beyond_ms = beyond_ms = call.used_ms - included_ms
    if included_ms and beyond_ms:
        world.reached.add("split over the end of the pool")
    cost = half_up(Fraction(beyond_ms * plan.rate(whole.direction), MINUTE_MS), plan.quantum_micros)
    price = Price(None, {"minutes": cost} if cost else {}, 1 if call.redirected else 0)
    difference = cost - call.charged
    if difference or is_first or call.used_ms != used_before_ms or (has_moved and call.used_ms):
        card = pay(world, account, call, difference)
        call.on_card += card
        said = {"minutes_before": call.before_ms, "minutes_after": call.before_ms + call.used_ms}
        said |= {"included_ms": included_ms, "beyond_ms": beyond_ms} if is_first else {}
        post_charge(world, account, wire, call, price, card=card, **said)
    call.charged = cost
    call.price = price
    write_cost_down(account, call)


def pay(world: World, account: NaiveAccount, call: NaiveCall, difference: int) -> int:
    """What the card has of the difference: what the wallet cannot pay, or what it has not been asked for yet."""
    if difference > 0:
        return pay_overage(world, account, call, difference)
    return -give_back(world, account, call, -difference)

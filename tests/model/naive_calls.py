"""Calls in the naive model: the gate of a credits plan, the end, the correction, and what each call then costs."""

from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_alert import alert
from tests.model.naive_charge import post_charge, write_cost_down
from tests.model.naive_legs import has_too_many_legs
from tests.model.naive_minutes import rate_call, start_on_minutes
from tests.model.naive_money import Price, price_call
from tests.model.naive_overage import ask_at_threshold
from tests.model.naive_plans import NaiveMinutes, NaivePlan
from tests.model.naive_time import instant, period_start
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, Repeated, World, redirect


def start_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    """The gate. A start of a call already started is a repeat; of one that has ended it writes no decision (P6)."""
    call = account.calls.get(wire["call_id"])
    if call is not None and (call.start is not None or call.ends):
        start_again(world, call, wire)
        raise Repeated
    check_signup(account, instant(wire["occurred_at"]))
    call = account.calls.setdefault(wire["call_id"], NaiveCall(wire["call_id"]))
    call.start = wire
    call.running = [wire.get("leg_id")]
    call.plan = account.plan
    if isinstance(account.plan, NaiveMinutes):
        start_on_minutes(world, account, call, wire)
    else:
        start_on_credits(world, account, call, wire, account.plan)


def check_signup(account: NaiveAccount, started_ms: int) -> None:
    """A call from before the day of the signup belongs to no period that is billed. Rule G7."""
    if started_ms < period_start(account.signup_ms, account.time_zone, 0):
        raise Refused("before_account")


def start_again(world: World, call: NaiveCall, wire: Wire) -> None:
    """A late start, or one of another leg: no decision, but the leg has started. Rules L3, L5, P6."""
    if has_too_many_legs(call.starts, call.ends, wire):
        raise Refused("schema_invalid")
    leg_id = wire.get("leg_id")
    is_new = leg_id is not None and leg_id not in [start.get("leg_id") for start in call.starts]
    has_ended = leg_id in [end.get("leg_id") for end in call.ends]
    call.other_starts.append(wire)
    if is_new and not has_ended and call.is_open:
        world.reached.add("another leg starts")
        call.running.append(leg_id)
    elif call.start is None:
        world.reached.add("late start")


def start_on_credits(world: World, account: NaiveAccount, call: NaiveCall, wire: Wire, plan: NaivePlan) -> None:
    """Rules C7-C9, P1."""
    period = account.period_of(instant(wire["occurred_at"]))
    ordinal = len(account.calls_of(period)) + len(account.open_calls_of(period)) + 1
    available = account.balance if plan.admission == "balance" else account.available
    is_beyond = ordinal > plan.included_calls
    if is_beyond and "extra_calls" not in account.switches:
        redirect(world, account, call, wire, "extra_calls_off")
        return
    if is_beyond and available <= 0:
        if account.balance > 0:
            world.reached.add("hold blocks")
        redirect(world, account, call, wire, "insufficient_balance")
        account.redirected_calls += 1
        if account.redirected_calls == 1:
            alert(world, account, wire, "funds-needed", redirected_calls=1)
        return
    call.features = frozenset(account.switches) if available > 0 else frozenset()
    call.is_open = True
    if plan.admission == "available":
        possible = {name for name in call.features if name != "extra_calls" or is_beyond}
        call.hold = min(plan.cap_micros, sum(plan.price(name) for name in possible))
        call.held_extra = plan.price("extra_calls") if "extra_calls" in possible else 0
    world.reached.add("admitted beyond included" if is_beyond else "admitted within included")
    world.fact(
        account.account_id,
        wire,
        type="call-admitted",
        call_id=call.call_id,
        reason="credits" if is_beyond else "included",
        features_enabled=sorted(call.features),
        hold_micros=call.hold,
        direction=wire["direction"],
        **{name: wire.get(name) for name in ("from", "to")},
    )


def end_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    check_signup(account, instant(wire["started_at"]))
    call = account.calls.get(wire["call_id"]) or NaiveCall(wire["call_id"])
    if has_too_many_legs(call.starts, call.ends, wire):
        world.reached.add("one leg too many")
        raise Refused("schema_invalid")
    account.calls[call.call_id] = call
    if call.plan is None:
        call.plan = account.plan
    if call.start is None and not call.ends:
        is_literal = isinstance(call.plan, NaivePlan) and call.plan.admission == "balance"
        available = account.balance if is_literal else account.available
        is_active = available > 0 or isinstance(call.plan, NaiveMinutes)
        call.features = frozenset(account.switches) if is_active else frozenset()
        world.reached.add("end alone")
    elif call.ends:
        is_same_leg = wire.get("leg_id") in [end.get("leg_id") for end in call.ends]
        world.reached.add("second end" if is_same_leg else "another leg ends")
    elif not call.redirected and not call.is_open:
        world.reached.add("end of a stuck call")
    # What a start without a leg began, any end ends; an end without a leg ends all that has started. Rule L1.
    leg_id = wire.get("leg_id")
    call.running = [leg for leg in call.running if leg is not None and leg_id not in (None, leg)]
    is_first = not call.ends
    if not call.running:
        call.is_open = False
    call.ends.append(wire)
    charge(world, account, wire, call)
    if is_first and call.is_open:
        world.reached.add("a leg still runs")
        call.hold = max(0, call.hold - call.charged)


def reclassify_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    call = account.calls.setdefault(wire["call_id"], NaiveCall(wire["call_id"]))
    world.reached.add("reclassified" if call.ends else "reclassified first")
    call.reclassified.append(wire)
    if call.ends:
        charge(world, account, wire, call)


def charge(world: World, account: NaiveAccount, wire: Wire, call: NaiveCall) -> None:
    """On the plan of its start (rule G9); overage that came of it may then be asked of the card."""
    if isinstance(call.plan, NaiveMinutes):
        due_before = account.billing.card_due
        rate_call(world, account, wire, call)
        ask_at_threshold(world, account, wire, call, due_before)
    else:
        charge_calls(world, account, wire, call)
    if call.is_overlong and not call.is_overlong_told:
        call.is_overlong_told = True
        world.reached.add("overlong")
        told = {"call_id": call.call_id, "reported_ms": call.whole.talked_ms}
        world.fact(account.account_id, wire, type="call-overlong", **told)


def charge_calls(world: World, account: NaiveAccount, wire: Wire, own: NaiveCall) -> None:
    """Every call priced again from nothing; what differs from what was charged is a fact. Rules C18, P2, P21."""
    ended = [call for call in account.credits_calls() if call.ends]
    others = sorted((call for call in ended if call is not own), key=lambda call: (call.started_ms, call.call_id))
    prices = {call.call_id: Price(not_enabled=1 if call.redirected else 0) for call in ended}
    for period in {account.period_of(call.started_ms) for call in ended}:
        for ordinal, call in enumerate(account.calls_of(period), 1):
            assert isinstance(call.plan, NaivePlan)
            prices[call.call_id] = price_call(call.plan, ordinal, call.features, set(call.whole.features))
    for call in [own, *others]:
        price = prices[call.call_id]
        is_first = call is own and wire["type"] == "call-ended" and len(own.ends) == 1
        if price.amount != call.charged or is_first:
            world.reached.add("charged" if is_first else "adjusted own" if call is own else "re-ranked")
            if price.lines.get("cap"):
                world.reached.add("capped")
            if price.not_enabled:
                world.reached.add("not enabled")
            post_charge(world, account, wire, call, price, card=0)
        call.price = price
        call.charged = price.amount
        write_cost_down(account, call)

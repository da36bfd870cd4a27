"""Calls in the naive model: the gate of a credits plan, the end, the correction, and what each call then costs."""

from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_charge import post_charge, write_cost_down
from tests.model.naive_minutes import rate_call, start_on_minutes
from tests.model.naive_money import Price, price_call
from tests.model.naive_overage import ask_at_threshold
from tests.model.naive_plans import NaiveMinutes, NaivePlan
from tests.model.naive_time import instant
from tests.model.naive_wire import Wire
from tests.model.naive_world import Repeated, World, redirect


def start_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    """The gate. A start of a call already started is a repeat; of one that has ended it writes no decision (P6)."""
    call = account.calls.get(wire["call_id"])
    if call is not None and (call.start is not None or call.ends):
        if call.start is not None:
            raise Repeated
        call.start = wire
        world.reached.add("late start")
        return
    call = account.calls.setdefault(wire["call_id"], NaiveCall(wire["call_id"]))
    call.start = wire
    call.plan = account.plan
    if isinstance(account.plan, NaiveMinutes):
        start_on_minutes(world, account, call, wire)
    else:
        start_on_credits(world, account, call, wire, account.plan)


def start_on_credits(world: World, account: NaiveAccount, call: NaiveCall, wire: Wire, plan: NaivePlan) -> None:
    """Rules C7-C9, P1."""
    account.included_calls = plan.included_calls
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
            world.fact(account.account_id, wire, type="funds-needed", redirected_calls=1)
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
    )


def end_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    call = account.calls.setdefault(wire["call_id"], NaiveCall(wire["call_id"]))
    if call.plan is None:
        call.plan = account.plan
    if call.start is None and not call.ends:
        is_literal = isinstance(call.plan, NaivePlan) and call.plan.admission == "balance"
        available = account.balance if is_literal else account.available
        is_active = available > 0 or isinstance(call.plan, NaiveMinutes)
        call.features = frozenset(account.switches) if is_active else frozenset()
        world.reached.add("end alone")
    elif call.ends:
        world.reached.add("second end")
    elif not call.redirected and not call.is_open:
        world.reached.add("end of a stuck call")
    call.is_open = False
    call.ends.append(wire)
    charge(world, account, wire, call)


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


def charge_calls(world: World, account: NaiveAccount, wire: Wire, own: NaiveCall) -> None:
    """Every call priced again from nothing; what differs from what was charged is a fact. Rules C18, P2, P21."""
    ended = [call for call in account.credits_calls() if call.ends]
    others = sorted((call for call in ended if call is not own), key=lambda call: (call.started_ms, call.call_id))
    prices = {call.call_id: Price(not_enabled=1 if call.redirected else 0) for call in ended}
    for period in {account.period_of(call.started_ms) for call in ended}:
        for ordinal, call in enumerate(account.calls_of(period), 1):
            assert isinstance(call.plan, NaivePlan)
            reported = set(call.ends[-1].get("features") or [])
            prices[call.call_id] = price_call(call.plan, ordinal, call.features, reported)
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

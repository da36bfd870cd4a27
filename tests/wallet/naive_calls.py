"""Calls in the naive model: the gate, the end, the correction, and what each call of a period then costs."""

from typing import Any

from tests.wallet.naive_account import NaiveAccount, NaiveCall
from tests.wallet.naive_money import Movement, Price, price_call
from tests.wallet.naive_time import instant, period_start
from tests.wallet.naive_wire import Wire
from tests.wallet.naive_world import Repeated, World, post


def start_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    """The gate. Rules C7-C9, P1; a start of a call already started, or ended (P6), writes no decision."""
    call = account.calls.get(wire["call_id"])
    if call is not None and (call.start is not None or call.ends):
        if call.start is not None:
            raise Repeated
        call.start = wire
        world.reached.add("late start")
        return
    call = account.calls.setdefault(wire["call_id"], NaiveCall(wire["call_id"]))
    account.included_calls = world.plan.included_calls
    period = account.period_of(instant(wire["occurred_at"]))
    ordinal = len(account.calls_of(period)) + len(account.open_calls_of(period)) + 1
    available = account.balance if world.plan.admission == "balance" else account.available
    is_beyond = ordinal > world.plan.included_calls
    call.start = wire
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
    if world.plan.admission == "available":
        possible = {name for name in call.features if name != "extra_calls" or is_beyond}
        call.hold = min(world.plan.cap_micros, sum(world.plan.price(name) for name in possible))
        call.held_extra = world.plan.price("extra_calls") if "extra_calls" in possible else 0
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


def redirect(world: World, account: NaiveAccount, call: NaiveCall, wire: Wire, reason: str) -> None:
    call.redirected = True
    world.reached.add(f"redirected {reason}")
    world.fact(
        account.account_id,
        wire,
        type="call-redirected",
        call_id=call.call_id,
        reason=reason,
        redirect_to=account.redirect_to,
    )


def end_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    call = account.calls.setdefault(wire["call_id"], NaiveCall(wire["call_id"]))
    if call.start is None and not call.ends:
        available = account.balance if world.plan.admission == "balance" else account.available
        call.features = frozenset(account.switches) if available > 0 else frozenset()
        world.reached.add("end alone")
    elif call.ends:
        world.reached.add("second end")
    elif not call.redirected and not call.is_open:
        world.reached.add("end of a stuck call")
    call.is_open = False
    call.ends.append(wire)
    charge_calls(world, account, wire, call)


def reclassify_call(world: World, account: NaiveAccount, wire: Wire) -> None:
    call = account.calls.setdefault(wire["call_id"], NaiveCall(wire["call_id"]))
    world.reached.add("reclassified" if call.ends else "reclassified first")
    call.reclassified.append(wire)
    charge_calls(world, account, wire, call)


def charge_calls(world: World, account: NaiveAccount, wire: Wire, own: NaiveCall) -> None:
    """Every call priced again from nothing; what differs from what was charged is a fact. Rules C18, P2, P21."""
    ended = [call for call in account.calls.values() if call.ends]
    others = sorted((call for call in ended if call is not own), key=lambda call: (call.started_ms, call.call_id))
    prices = {call.call_id: Price(not_enabled=1 if call.redirected else 0) for call in ended}
    for period in {account.period_of(call.started_ms) for call in ended}:
        for ordinal, call in enumerate(account.calls_of(period), 1):
            reported = set(call.ends[-1].get("features") or [])
            prices[call.call_id] = price_call(world.plan, ordinal, call.features, reported)
    for call in [own, *others] if own.ends else others:
        price = prices[call.call_id]
        is_first = call is own and wire["type"] == "call-ended" and len(own.ends) == 1
        if price.amount != call.charged or is_first:
            world.reached.add("charged" if is_first else "adjusted own" if call is own else "re-ranked")
            charge_call(world, account, wire, call, price)
        call.price = price
        call.charged = price.amount


def charge_call(world: World, account: NaiveAccount, wire: Wire, call: NaiveCall, price: Price) -> None:
    """The fact and the ledger entry of what a call now costs more or less; its first one is its charge."""
    is_first = len(call.ends) == 1 and wire is call.ends[0]
    difference = price.amount - call.charged
    before = account.balance
    if difference:
        account.movements.append(Movement("use" if difference > 0 else "back", abs(difference)))
    if price.lines.get("cap"):
        world.reached.add("capped")
    if price.not_enabled:
        world.reached.add("not enabled")
    fields: dict[str, Any] = {
        "type": "call-charged" if is_first else "charge-adjusted",
        "call_id": call.call_id,
        "amount_micros": difference,
        "currency": account.currency,
        "wallet_micros": difference,
        "card_micros": 0,
        "balance_before_micros": before,
        "balance_after_micros": account.balance,
        "plan": world.plan.name,
        "plan_version": world.plan.version,
        "period_start": start_of_period(account, account.period_of(call.started_ms)),
        "ordinal": price.ordinal,
    }
    if is_first:
        fields |= {"money_lines": price.lines, "not_enabled": price.not_enabled > 0}
    world.fact(account.account_id, wire, **fields)
    post(world, account, wire, "charge" if is_first else "adjustment", -difference)


def start_of_period(account: NaiveAccount, period: int) -> int:
    opened = account.opened
    return period_start(instant(opened["occurred_at"]), opened.get("time_zone") or "UTC", period)

"""What a call has come to cost, told and written down, whichever plan it is on."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_billing import Cost
from tests.model.naive_lots import Movement
from tests.model.naive_money import Price
from tests.model.naive_plans import NaiveMinutes
from tests.model.naive_time import MINUTE_MS, instant, period_start
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, post


def post_charge(
    world: World, account: NaiveAccount, wire: Wire, call: NaiveCall, price: Price, *, card: int, **fields: Any
) -> None:
    """The fact and the ledger entry of what a call now costs more or less; its first one is its charge.

    `card` is what of the difference the card pays, or gets back; the wallet has the rest.
    """
    assert call.plan is not None
    is_first = len(call.ends) == 1 and wire is call.ends[0]
    difference = price.amount - call.charged
    wallet = difference - card
    before = account.balance
    if wallet:
        account.movements.append(Movement("use" if wallet > 0 else "back", abs(wallet)))
    said: dict[str, Any] = {
        "type": "call-charged" if is_first else "charge-adjusted",
        "call_id": call.call_id,
        "amount_micros": difference,
        "currency": account.currency,
        "wallet_micros": wallet,
        "card_micros": card,
        "balance_before_micros": before,
        "balance_after_micros": account.balance,
        "plan": call.plan.name,
        "plan_version": call.plan.version,
        "period_start": start_of_period(account, account.period_of(call.started_ms)),
        "direction": call.whole.direction,
        "ordinal": price.ordinal,
        "billable_ms": call.billable_ms,
        "reported_ms": call.whole.talked_ms if call.is_overlong else None,
    }
    if is_first:
        said |= {"money_lines": price.lines, "not_enabled": price.not_enabled > 0}
    world.fact(account.account_id, wire, **said, **fields)
    post(world, account, wire, "charge" if is_first else "adjustment", -wallet)


def write_cost_down(account: NaiveAccount, call: NaiveCall) -> None:
    """Where a call's cost lies now, and that it lies no longer where it was: by period and direction."""
    period, direction = account.period_of(call.started_ms), call.whole.direction
    if isinstance(call.plan, NaiveMinutes):
        beyond = Fraction(call.beyond_ms, MINUTE_MS)
        now = Cost(period, direction, call.charged, call.on_card, beyond, call.plan.rate(direction))
    else:
        now = Cost(period, direction, call.charged, calls=1 if call.charged else 0)
    if call.cost is not None:
        was = replace(call.cost, is_invoiced=False)
        if now == was:
            return
        beyond_before = None if was.beyond is None else -was.beyond
        calls_before = None if was.calls is None else -was.calls
        account.billing.costs.append(
            Cost(was.period, was.direction, -was.amount, -was.card, beyond_before, was.rate, calls_before)
        )
    account.billing.costs.append(now)
    call.cost = now


def connects(account: NaiveAccount, wire: Wire) -> bool:
    """For a call that starts after its end a cancelled subscription is over, with a tick or without. Rules M8, G2."""
    subscription = account.billing.subscription
    if subscription is None or subscription.status == "ended":
        return False
    period = account.period_of(instant(wire["occurred_at"]))
    return subscription.status == "active" or period < subscription.end_period


def start_of_period(account: NaiveAccount, period: int) -> int:
    opened = account.opened
    return period_start(instant(opened["occurred_at"]), opened.get("time_zone") or "UTC", period)

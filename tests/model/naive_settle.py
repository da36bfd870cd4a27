"""Timed work of the naive model, and what is judged once after each input: alerts, refill, upgrade hint."""

from tests.model.naive_account import NaiveAccount, NaiveCall
from tests.model.naive_alert import tell
from tests.model.naive_bills import retry_bill, retry_fee
from tests.model.naive_charge import start_of_period
from tests.model.naive_invoice import end_period, tell_paid
from tests.model.naive_overage import drop_overage_wait, retry_overage
from tests.model.naive_refill import retry, settle_refill
from tests.model.naive_time import MINUTE_MS, instant
from tests.model.naive_wire import Wire
from tests.model.naive_world import World

UNRESOLVED_MS = 15 * MINUTE_MS
HINT_PERIODS = 3


def due(world: World, account: NaiveAccount) -> list[tuple[int, str, str]]:
    """What the clock has reached: (when it fell due, what, which). Rules G5, P17, C14, M6, P12.

    Nothing says in what order waits of the same end are worked on: an invoice comes before a fee, as in a tick (B6).
    """
    assert world.clock is not None
    stuck = [(stuck_ms(call), "stuck", call.call_id) for call in account.calls.values() if call.is_open]
    unresolved = [
        (payment.requested_ms + UNRESOLVED_MS, "unresolved", payment.name)
        for payment in account.payments
        if payment.purpose == "refill" and payment.answer is None and not payment.is_unresolved
    ]
    refill = account.in_flight
    retries = [] if refill is None or refill.retry_due_ms is None else [(refill.retry_due_ms, "retry", refill.name)]
    billing = account.billing
    waits = [(fee.retries.due_ms, "proration or fee", f"{number:06d}") for number, fee in enumerate(billing.fees)]
    waits += [(one.retries.due_ms, "invoice", f"{number:06d}") for number, one in enumerate(billing.invoices)]
    waits += [(billing.overage.due_ms, "overage", "")]
    bills = [(at_ms, what, which) for at_ms, what, which in waits if at_ms is not None]
    boundary = (start_of_period(account, account.billing.next_period + 1), "a boundary", "")
    return [item for item in [*stuck, *unresolved, *retries, *bills, boundary] if item[0] <= world.clock]


def stuck_ms(call: NaiveCall) -> int:
    assert call.plan is not None
    assert call.start is not None
    return instant(call.start["occurred_at"]) + call.plan.longest_call_ms


def settle(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Alerts, the end of an episode without funds, the refill: judged once, on what the input led to. P8, P10."""
    balance = account.balance
    account.armed_thresholds |= {level for level in account.thresholds if balance > level}
    for level in sorted(set(account.thresholds), reverse=True):
        is_low = balance < level or balance == level == 0
        if is_low and level in account.armed_thresholds:
            account.armed_thresholds.discard(level)
            world.reached.add("balance low")
            world.fact(
                account.account_id,
                wire,
                type="balance-low",
                threshold_micros=level,
                balance_micros=balance,
            )
    if account.available > 0 and account.redirected_calls:
        if account.redirected_calls > 1:
            world.reached.add("episode told")
            world.fact(account.account_id, wire, type="funds-needed", redirected_calls=account.redirected_calls)
        account.redirected_calls = 0
    drop_overage_wait(account)
    settle_refill(world, account, wire)
    settle_hint(world, account, wire)
    tell_paid(world, account, wire)


def settle_hint(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Rules C16, P18: the third period in a row with a charged extra call, once per streak. What counts is what is
    charged now: a period whose only one was corrected away has none, and may get its first again.
    """
    extra = {
        account.period_of(call.started_ms) for call in account.calls.values() if call.price.lines.get("extra_call")
    }
    new = extra - account.extra_periods
    account.extra_periods = extra
    for period in sorted(new):
        streak = {period}
        while min(streak) - 1 in extra:
            streak.add(min(streak) - 1)
        while max(streak) + 1 in extra:
            streak.add(max(streak) + 1)
        if len(streak) >= HINT_PERIODS and not streak & account.hinted_periods:
            world.reached.add("upgrade suggested")
            world.fact(account.account_id, wire, type="upgrade-suggested")
            account.hinted_periods.add(period)


def tick_account(world: World, account: NaiveAccount, wire: Wire) -> None:
    """What time passing does to an account: each thing that is due happens once, in order of its time. Rule G2.

    Thresholds and refills are looked at after each of them: a tick that passes several boundaries leaves what ticks at
    each of them would have left.
    """
    while waiting := due(world, account):
        _, what, which = min(waiting)
        if what == "stuck":
            account.calls[which].is_open = False
            world.reached.add("stuck")
            world.fact(account.account_id, wire, type="call-stuck", call_id=which)
        elif what == "unresolved":
            payment = next(payment for payment in account.payments if payment.name == which)
            payment.is_unresolved = True
            world.reached.add("refill unresolved")
            said = {"refill_id": payment.about, "payment_id": payment.name}
            tell(world, account, wire, "refill-unresolved", amount=payment.amount, card=payment.card, **said)
        elif what == "proration or fee":
            retry_fee(world, account, wire, account.billing.fees[int(which)])
        elif what == "invoice":
            retry_bill(world, account, wire, account.billing.invoices[int(which)])
        elif what == "overage":
            retry_overage(world, account, wire)
        elif what == "retry":
            retry(world, account, wire)
        else:
            end_period(world, account, wire)
        settle(world, account, wire)

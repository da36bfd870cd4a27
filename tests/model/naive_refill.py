"""Auto-refill in the naive model: a level that is looked at after every input and tick. Rules C13, C14, P8, P20, R6."""

from tests.model.naive_account import NaiveAccount, NaiveRefill
from tests.model.naive_alert import tell
from tests.model.naive_billing import NaivePayment
from tests.model.naive_time import HOUR_MS
from tests.model.naive_wire import Wire
from tests.model.naive_world import World, instant_of, now_period, passes_limit, refill_name, request_payment

RETRIES_MS = (HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS)


def is_wanted(account: NaiveAccount) -> bool:
    """Enabled, below the threshold, and the subscription has not ended."""
    subscription = account.billing.subscription
    has_ended = subscription is not None and subscription.status == "ended"
    return bool(account.auto_refill["enabled"]) and account.balance < account.refill_threshold and not has_ended


def settle_refill(world: World, account: NaiveAccount, wire: Wire) -> None:
    card = account.refill_card()
    refill = account.in_flight
    is_waiting = refill is not None and refill.retry_due_ms is not None
    if is_waiting and (card is None or not account.auto_refill["enabled"]):
        world.reached.add("refill retry dropped")  # Rule P20.
        account.in_flight = None
    if not is_wanted(account) or account.paused or account.in_flight is not None or card is None:
        return
    amount = int(account.auto_refill["amount_micros"])
    if passes_limit(world, account, wire, amount):
        period = now_period(world, account, wire)
        if period not in account.limit_told:
            account.limit_told.add(period)
            tell_paused(world, account, wire, "monthly_limit", amount)
        return
    world.reached.add("refill requested")
    name = refill_name(account.account_id, wire["id"])
    payment = request_payment(world, account, wire, "refill", amount=amount, about=name, card=card)
    account.in_flight = NaiveRefill(name, amount, payment)


def retry(world: World, account: NaiveAccount, wire: Wire) -> None:
    """A retry that is due is asked for again, or dropped when nobody wants it any more. Rules C14, P8, P20."""
    refill = account.in_flight
    assert refill is not None
    card = account.refill_card()
    if not is_wanted(account) or card is None or passes_limit(world, account, wire, refill.amount):
        world.reached.add("refill retry dropped")
        account.in_flight = None
        return
    world.reached.add("refill retried")
    refill.retry_due_ms = None
    refill.payment = request_payment(world, account, wire, "refill", amount=refill.amount, about=refill.name, card=card)


def tell_paused(
    world: World, account: NaiveAccount, wire: Wire, reason: str, amount: int, payment: NaivePayment | None = None
) -> None:
    """`payment` is the one whose decline paused it. Rule A2."""
    world.reached.add(f"refill paused {reason}")
    card = None if payment is None else payment.card
    tell(world, account, wire, "refill-paused", amount=amount, card=card, reason=reason)


def succeed_refill(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    """What waits to be retried is not any more; what is asked for again keeps its own answer. Rule P7."""
    world.fact(account.account_id, wire, type="refill-succeeded", refill_id=payment.about)
    refill = account.in_flight
    if refill is None or refill.name != payment.about:
        return
    if refill.payment is payment or refill.retry_due_ms is not None:
        account.in_flight = None


def decline_refill(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    """Three retries after retryable declines, counted from the latest; then a pause. Nothing is retried while paused,
    or when another payment of the refill has credited it after all.
    """
    refill = account.in_flight
    assert refill is not None
    assert refill.payment is payment
    refill.declines += 1
    is_credited = bool(account.credited_by(refill.name))
    is_last = not wire["retryable"] or refill.declines > len(RETRIES_MS)
    pauses = is_last and not account.paused and not (is_credited and wire["retryable"])
    if not is_last and not account.paused and not is_credited:
        refill.retry_due_ms = instant_of(world, wire) + RETRIES_MS[refill.declines - 1]
    else:
        account.in_flight = None
    tell(
        world,
        account,
        wire,
        "refill-declined",
        amount=payment.amount,
        card=payment.card,
        refill_id=refill.name,
        reason=wire["reason"],
        retry_at=refill.retry_due_ms,
    )
    if pauses:
        account.paused = "retries_exhausted" if wire["retryable"] else "hard_decline"
        tell_paused(world, account, wire, account.paused, refill.amount, payment)


def pause_by_reversal(world: World, account: NaiveAccount, wire: Wire, kind: str) -> None:
    """Rule R6: an enabled one is paused, and a retry that waits is dropped."""
    if not account.auto_refill["enabled"]:
        return
    refill = account.in_flight
    if refill is not None and refill.retry_due_ms is not None:
        world.reached.add("refill retry dropped by a reversal")
        account.in_flight = None
    if not account.paused:
        account.paused = kind
        amount = account.auto_refill["amount_micros"] if refill is None else refill.amount
        tell_paused(world, account, wire, kind, int(amount))

"""Settings, cards and money in the naive model: what the owner and the payment provider say."""

from tests.model.naive_account import NaiveAccount, NaivePayment
from tests.model.naive_bills import ask_new_card, decline_bill, settle_bill
from tests.model.naive_money import Movement
from tests.model.naive_overage import answer_overage
from tests.model.naive_time import DAY_MS, HOUR_MS, instant
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, Repeated, World, instant_of, post, request_payment

RETRIES_MS = (HOUR_MS, 6 * HOUR_MS, 24 * HOUR_MS)
REFUND_WINDOW_MS = 30 * DAY_MS


def set_feature(world: World, account: NaiveAccount, wire: Wire) -> None:
    if wire["enabled"]:
        account.switches.add(wire["feature"])
    else:
        account.switches.discard(wire["feature"])


def set_redirect(world: World, account: NaiveAccount, wire: Wire) -> None:
    account.redirect_to = wire["redirect_to"]


def set_thresholds(world: World, account: NaiveAccount, wire: Wire) -> None:
    account.thresholds = wire["thresholds_micros"]
    account.armed_thresholds &= set(account.thresholds)


def set_refill(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Rule P9: what is left out is kept; enabled needs an amount."""
    names = ("enabled", "amount_micros", "threshold_micros", "payment_method_id", "monthly_limit_micros")
    setting = account.auto_refill | {name: wire[name] for name in names if name in wire}
    if setting["enabled"] and "amount_micros" not in setting:
        raise Refused("schema_invalid")
    if "payment_method_id" in wire and account.card(wire["payment_method_id"]) is None:
        raise Refused("unknown_payment_method")
    account.auto_refill = setting
    account.is_armed = True


def add_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    assert account.card(wire["payment_method_id"]) is None, "the documents do not say what a second add does"
    account.cards.append(wire)
    if len(account.cards) == 1:
        world.reached.add("first card")
        make_default(world, account, wire, wire["payment_method_id"])


def remove_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    card = account.card(wire["payment_method_id"])
    if card is None:
        raise Refused("unknown_payment_method")
    if len(account.cards) == 1 and account.billing.is_subscribed:
        raise Refused("last_payment_method")
    account.cards.remove(card)
    if account.default_card == card["payment_method_id"]:
        make_default(world, account, wire, account.cards[0]["payment_method_id"] if account.cards else None)


def default_card(world: World, account: NaiveAccount, wire: Wire) -> None:
    if account.card(wire["payment_method_id"]) is None:
        raise Refused("unknown_payment_method")
    make_default(world, account, wire, wire["payment_method_id"])


def make_default(world: World, account: NaiveAccount, wire: Wire, payment_method_id: str | None) -> None:
    """Rule C14: a new default card arms auto-refill again. Losing the last card is no new card."""
    before = account.default_card
    account.default_card = payment_method_id
    if payment_method_id not in (None, before):
        if not account.is_armed:
            world.reached.add("re-armed by a card")
        account.is_armed = True
        ask_new_card(world, account, wire, is_first=before is None)


def grant(world: World, account: NaiveAccount, wire: Wire) -> None:
    if any(w["type"] == "credits-granted" and w["grant_id"] == wire["grant_id"] for w in account.accepted):
        raise Repeated
    amount = wire["amount_micros"]
    lot = f"grant {wire['grant_id']}"
    account.movements.append(Movement("credit", amount, lot) if amount > 0 else Movement("use", -amount))
    post(world, account, wire, "grant", amount)


def purchase(world: World, account: NaiveAccount, wire: Wire) -> None:
    if any(payment.about == wire["purchase_id"] for payment in account.payments):
        raise Repeated
    card = account.card(wire.get("payment_method_id") or account.default_card)
    if card is None:
        raise Refused("unknown_payment_method")
    request_payment(
        world, account, wire, "purchase", amount=wire["amount_micros"], about=wire["purchase_id"], card=card
    )


def refund(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Rules M10, P13: the unused part of one purchase, within 30 x 24 h of its success."""
    name = wire["purchase_id"]
    bought = [p for p in account.payments if p.about == name and p.purpose in ("purchase", "refill")]
    if not bought:
        raise Refused("unknown_purchase")
    if name not in account.succeeded_ms:
        raise Refused("nothing_to_refund")
    if instant_of(world, wire) > account.succeeded_ms[name] + REFUND_WINDOW_MS:
        raise Refused("refund_window_passed")
    lot = next(lot for lot in account.lots if lot.lot == name)
    if lot.left == 0:
        raise Refused("nothing_to_refund")
    world.reached.add("refund of a part" if lot.left < lot.size else "refund of all")
    unused = lot.left
    account.movements.append(Movement("refund", unused, name))
    post(world, account, wire, "refund", -unused)
    request_payment(world, account, wire, "refund", amount=unused, about=name, card=bought[-1].card)


def payment_to_answer(world: World, account: NaiveAccount, wire: Wire) -> NaivePayment:
    payment = next((payment for payment in account.payments if payment.name == wire["payment_id"]), None)
    if payment is None:
        raise Refused("unknown_payment")
    if payment.answer is not None:
        raise Repeated
    payment.answered_ms = instant(wire["occurred_at"])
    return payment


def succeed_payment(world: World, account: NaiveAccount, wire: Wire) -> None:
    payment = payment_to_answer(world, account, wire)
    payment.answer = "succeeded"
    world.reached.add(f"{payment.purpose} succeeded")
    if payment.purpose == "refund":
        return
    world.fact(
        account.account_id,
        wire,
        type="receipt-issued",
        payment_id=payment.name,
        purpose=payment.purpose,
        amount_micros=payment.amount,
        currency=account.currency,
        billing_email=account.billing.billing_email,
        time_zone=account.time_zone,
        provider_reference=wire.get("provider_reference"),
    )
    if payment.purpose in ("purchase", "refill"):
        credit_payment(world, account, wire, payment)
    elif payment.purpose == "overage":
        answer_overage(account, payment)
    else:
        settle_bill(payment)


def credit_payment(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    account.movements.append(Movement("credit", payment.amount, payment.about))
    account.succeeded_ms[payment.about] = instant_of(world, wire)
    post(world, account, wire, payment.purpose, payment.amount)
    if payment.purpose == "refill":
        world.fact(account.account_id, wire, type="refill-succeeded", refill_id=payment.about)
        assert account.in_flight is not None
        account.in_flight = None
    else:
        account.is_armed = True


def decline_payment(world: World, account: NaiveAccount, wire: Wire) -> None:
    payment = payment_to_answer(world, account, wire)
    payment.answer = "declined"
    reason = wire["reason"]
    world.reached.add(f"{payment.purpose} declined")
    if payment.purpose == "purchase":
        world.fact(account.account_id, wire, type="purchase-declined", purchase_id=payment.about, reason=reason)
    elif payment.purpose == "overage":
        answer_overage(account, payment)
    elif payment.purpose in ("subscription", "invoice"):
        decline_bill(world, account, wire, payment)
    elif payment.purpose == "refund":
        account.movements.append(Movement("unrefund", payment.amount, payment.about))
        post(world, account, wire, "refund", payment.amount)
    else:
        decline_refill(world, account, wire, payment)


def decline_refill(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    """Rules C14, P8: three retries after retryable declines, counted from the latest; then a pause."""
    refill = account.in_flight
    assert refill is not None
    assert refill.name == payment.about
    world.fact(account.account_id, wire, type="refill-declined", refill_id=refill.name, reason=wire["reason"])
    refill.declines += 1
    if wire["retryable"] and refill.declines <= len(RETRIES_MS):
        refill.retry_due_ms = instant_of(world, wire) + RETRIES_MS[refill.declines - 1]
        return
    reason = "retries_exhausted" if wire["retryable"] else "hard_decline"
    world.reached.add(f"refill paused {reason}")
    world.fact(account.account_id, wire, type="refill-paused", refill_id=refill.name, reason=reason)
    account.in_flight = None
    account.is_armed = False

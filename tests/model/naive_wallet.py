"""Credits in the naive model: bought, granted, refunded, refilled. Rules M10, C12-C17, P9, P13, K4."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_cards import unblock
from tests.model.naive_lots import Movement
from tests.model.naive_time import DAY_MS
from tests.model.naive_wire import Wire
from tests.model.naive_world import (
    Refused,
    Repeated,
    World,
    check_payable,
    check_whole,
    instant_of,
    post,
    request_payment,
)

REFUND_WINDOW_MS = 30 * DAY_MS
REFILL_FIELDS = ("enabled", "amount_micros", "threshold_micros", "payment_method_id", "monthly_limit_micros")


def set_refill(world: World, account: NaiveAccount, wire: Wire) -> None:
    """Rule P9: what is left out is kept; enabled needs an amount. A limit of 0 is none."""
    setting = account.auto_refill | {name: wire[name] for name in REFILL_FIELDS if name in wire}
    if "payment_method_id" in wire and account.card(wire["payment_method_id"]) is None:
        raise Refused("unknown_payment_method")
    check_whole(account, *(wire[name] for name in REFILL_FIELDS if name.endswith("_micros") and name in wire))
    if "amount_micros" in wire or (setting["enabled"] and "amount_micros" in setting):
        check_payable(account, setting["amount_micros"])
    if setting["enabled"] and "amount_micros" not in setting:
        raise Refused("schema_invalid")
    if setting.get("monthly_limit_micros") == 0:
        del setting["monthly_limit_micros"]
    account.auto_refill = setting
    if account.paused:
        world.reached.add("re-armed by a setting")
    account.paused = None


def grant(world: World, account: NaiveAccount, wire: Wire) -> None:
    if any(w["type"] == "credits-granted" and w["grant_id"] == wire["grant_id"] for w in account.accepted):
        raise Repeated
    amount = wire["amount_micros"]
    check_whole(account, amount)
    lot = f"grant {wire['grant_id']}"
    account.movements.append(Movement("credit", amount, lot) if amount > 0 else Movement("use", -amount))
    post(world, account, wire, "grant", amount, reference=wire["grant_id"])


def purchase(world: World, account: NaiveAccount, wire: Wire) -> None:
    """A card that a dispute keeps from being used is used again when the owner buys with it. Rules C12, R7."""
    name = wire["purchase_id"]
    if any(payment.purpose == "purchase" and payment.about == name for payment in account.payments):
        raise Repeated
    card = account.card(wire.get("payment_method_id") or account.default_card)
    if card is None:
        raise Refused("unknown_payment_method")
    check_payable(account, wire["amount_micros"])
    unblock(world, account, wire, card["payment_method_id"])
    request_payment(world, account, wire, "purchase", amount=wire["amount_micros"], about=name, card=card)


def refund(world: World, account: NaiveAccount, wire: Wire) -> None:
    """The unused part of each payment that credited the purchase or refill, each within its own 30 days. P13, M10."""
    name = wire["purchase_id"]
    if not any(p.about == name and p.purpose in ("purchase", "refill") for p in account.payments):
        raise Refused("unknown_purchase")
    credited = account.credited_by(name)
    if not credited:
        raise Refused("nothing_to_refund")
    in_time = [p for p in credited if instant_of(world, wire) <= p.succeeded_ms + REFUND_WINDOW_MS]
    if not in_time:
        raise Refused("refund_window_passed")
    is_any = False
    for payment in in_time:
        amount = account.money.whole(max(0, min(account.unused_of(payment), account.available)))
        if amount:
            is_any = True
            world.reached.add("refund of a part" if amount < payment.amount else "refund of all")
            account.movements.append(Movement("refund", amount, payment.name))
            post(world, account, wire, "refund", -amount, reference=name)
            request_payment(
                world, account, wire, "refund", amount=amount, about=name, card=payment.card, refund_of=payment
            )
    if not is_any:
        raise Refused("nothing_to_refund")

"""Money that comes back, in the naive model. Rules R1-R9."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_alert import tell
from tests.model.naive_answers import contradict, payment_of
from tests.model.naive_billing import CARD_TAKES, NaivePayment, Reversal
from tests.model.naive_cards import unblock
from tests.model.naive_lots import Movement
from tests.model.naive_refill import pause_by_reversal
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, Repeated, World, check_whole, post


def reverse_payment(world: World, account: NaiveAccount, wire: Wire) -> None:
    payment = payment_of(account, wire)
    kind, amount, reference = wire["kind"], wire["amount_micros"], wire.get("provider_reference")
    if reference is not None and any((r.kind, r.reference) == (kind, reference) for r in payment.reversals):
        raise Repeated
    if payment.answer is None:
        raise Refused("unknown_payment")
    check_whole(account, amount)
    if amount > payment.amount or (payment.purpose == "refund" and kind != "refund_failed"):
        raise Refused("schema_invalid")
    if payment.answer == "declined":
        world.reached.add("reversal of a declined payment")
        contradict(world, account, wire, payment)  # Not remembered: it counts if it comes again after a late success.
        return
    counted = min(amount, counted_at_most(account, payment, kind))
    world.reached.add(f"{kind} of a {payment.purpose}{'' if counted else ', nothing left'}")
    if 0 < counted < amount:
        world.reached.add("reversal counted in part")
    payment.reversals.append(Reversal(kind, counted, reference))
    tell(
        world,
        account,
        wire,
        "payment-reversed",
        amount=amount,
        card=payment.card,
        payment_id=payment.name,
        kind=kind,
        gives_back=kind == "dispute_won" or (kind == "refund_failed" and payment.purpose != "refund"),
    )
    if payment.purpose in ("purchase", "refill", "refund"):
        move_wallet(world, account, wire, payment, kind, counted)
    elif payment.invoice is not None and counted:
        mark_invoice(world, account, wire, payment, kind, counted)
    block_or_unblock(world, account, wire, payment, kind, amount)


def counted_at_most(account: NaiveAccount, payment: NaivePayment, kind: str) -> int:
    """Rules R1, R2. A reversal at hand is not in the list yet."""
    if payment.purpose == "refund":
        return payment.amount - payment.given_back
    if kind in CARD_TAKES:
        return max(0, payment.amount - account.refunded_of(payment) - payment.reversed)
    return payment.net(next(takes for takes, gives in CARD_TAKES.items() if gives == kind))


def move_wallet(
    world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment, kind: str, counted: int
) -> None:
    """Rules R2, R5, R6."""
    if not counted:
        return
    if payment.refund_of is not None:
        account.movements.append(Movement("unrefund", counted, payment.refund_of.name))
        post(world, account, wire, "reversal", counted, reference=payment.about)
    elif kind in CARD_TAKES:
        account.movements.append(Movement("reverse", counted, payment.name))
        post(world, account, wire, "reversal", -counted, reference=payment.about)
        pause_by_reversal(world, account, wire, kind)
    else:
        account.movements.append(Movement("unreverse", counted, payment.name))
        post(world, account, wire, "reversal", counted, reference=payment.about)


def mark_invoice(
    world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment, kind: str, counted: int
) -> None:
    """Rule R8."""
    invoice = payment.invoice
    assert invoice is not None
    world.reached.add("invoice reversed")
    world.fact(
        account.account_id,
        wire,
        type="invoice-reversed",
        invoice_id=invoice.name,
        payment_id=payment.name,
        kind=kind,
        amount_micros=counted,
        currency=account.currency,
        reversed_micros=invoice.reversed,
    )


def block_or_unblock(
    world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment, kind: str, amount: int
) -> None:
    """A dispute blocks the card that paid, while it is the one of that id; all of them won, it is used again. R7.

    What the owner did in between has settled the disputes before it.
    """
    name = payment.card["payment_method_id"]
    card = account.card(name)
    if card is None or card["token"] != payment.card["token"]:
        return
    if kind == "dispute":
        world.reached.add("card blocked")
        disputed = account.blocked_cards.setdefault(name, {})
        disputed[payment.name] = disputed.get(payment.name, 0) + amount
    elif kind == "dispute_won" and name in account.blocked_cards:
        disputed = account.blocked_cards[name]
        disputed[payment.name] = disputed.get(payment.name, 0) - amount
        if all(still <= 0 for still in disputed.values()):
            unblock(world, account, wire, name)

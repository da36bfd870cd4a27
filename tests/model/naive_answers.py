"""What payments lead to in the naive model: their answers, late and contradicting ones too. Rules C12, C14, P7."""

from tests.model.naive_account import NaiveAccount
from tests.model.naive_alert import tell
from tests.model.naive_billing import NaivePayment
from tests.model.naive_bills import decline_bill, succeed_bill
from tests.model.naive_lots import Movement
from tests.model.naive_refill import decline_refill, succeed_refill
from tests.model.naive_wire import Wire
from tests.model.naive_world import Refused, Repeated, World, instant_of, post


def payment_of(account: NaiveAccount, wire: Wire) -> NaivePayment:
    payment = next((payment for payment in account.payments if payment.name == wire["payment_id"]), None)
    if payment is None:
        raise Refused("unknown_payment")
    return payment


def contradict(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> bool:
    """Told once for a payment; whether it is told now."""
    if payment.is_contradicted:
        return False
    payment.is_contradicted = True
    world.reached.add(f"{payment.purpose} contradicted")
    tell(
        world,
        account,
        wire,
        "payment-contradicted",
        amount=payment.amount,
        card=payment.card,
        payment_id=payment.name,
    )
    return True


def succeed_payment(world: World, account: NaiveAccount, wire: Wire) -> None:
    """After a decline a success takes effect like a first answer: the money has left the card."""
    payment = payment_of(account, wire)
    if payment.answer == "succeeded":
        raise Repeated
    is_late = payment.answer == "declined"
    payment.answers.append("succeeded")
    payment.answered_ms = payment.succeeded_ms = instant_of(world, wire)
    world.reached.add(f"{payment.purpose} succeeded{' late' if is_late else ''}")
    if is_late:
        contradict(world, account, wire, payment)
    if payment.purpose == "refund":
        if is_late:
            assert payment.refund_of is not None
            account.movements.append(Movement("refund", payment.amount, payment.refund_of.name))
            post(world, account, wire, "refund", -payment.amount, reference=payment.about)
        return
    issue_receipt(world, account, wire, payment)
    if payment.purpose in ("purchase", "refill"):
        credit_payment(world, account, wire, payment)
    else:
        succeed_bill(world, account, wire, payment, is_late=is_late)


def issue_receipt(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    world.fact(
        account.account_id,
        wire,
        type="receipt-issued",
        payment_id=payment.name,
        purpose=payment.purpose,
        amount_micros=payment.amount,
        currency=account.currency,
        brand=payment.card["brand"],
        last4=payment.card["last4"],
        reference=payment.about or None,
        billing_email=account.billing.billing_email,
        time_zone=account.time_zone,
        provider_reference=wire.get("provider_reference"),
    )


def credit_payment(world: World, account: NaiveAccount, wire: Wire, payment: NaivePayment) -> None:
    """A purchase that succeeds arms auto-refill again, a refill does not. Rule C14."""
    account.movements.append(Movement("credit", payment.amount, payment.name))
    post(world, account, wire, payment.purpose, payment.amount, reference=payment.about)
    if payment.purpose == "refill":
        succeed_refill(world, account, wire, payment)
    else:
        if account.paused:
            world.reached.add("re-armed by a purchase")
        account.paused = None


def decline_payment(world: World, account: NaiveAccount, wire: Wire) -> None:
    """A decline after a success changes nothing, and is told once; two declines are a repeat."""
    payment = payment_of(account, wire)
    if payment.answer == "succeeded" and contradict(world, account, wire, payment):
        return
    if payment.answer is not None:
        raise Repeated
    payment.answers.append("declined")
    payment.answered_ms = instant_of(world, wire)
    world.reached.add(f"{payment.purpose} declined")
    if payment.purpose == "purchase":
        tell(
            world,
            account,
            wire,
            "purchase-declined",
            amount=payment.amount,
            card=payment.card,
            purchase_id=payment.about,
            reason=wire["reason"],
        )
    elif payment.purpose == "refill":
        decline_refill(world, account, wire, payment)
    elif payment.purpose == "refund":
        assert payment.refund_of is not None
        account.movements.append(Movement("unrefund", payment.amount, payment.refund_of.name))
        post(world, account, wire, "refund", payment.amount, reference=payment.about)
    else:
        decline_bill(world, account, wire, payment)

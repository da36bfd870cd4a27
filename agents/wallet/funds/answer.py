"""Answers of the payment provider. Rules C12, P7 and R3."""

from msgspec.structs import replace

from agents.wallet.alert import about_card, to_operator
from agents.wallet.billing.answers import apply_billed_answer
from agents.wallet.funds.credit import find_payment
from agents.wallet.funds.payment import REQUESTED, SUCCEEDED, emit_receipt
from agents.wallet.funds.purchase import apply_purchase_answer
from agents.wallet.funds.refill import decline_refill, succeed_refill
from agents.wallet.funds.refund import apply_refund_answer
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.alerts import CRITICAL, PaymentContradicted
from schemas.inputs import PaymentDeclined, PaymentSucceeded
from schemas.payment_rows import Payment
from schemas.rows import payment_key

Answer = PaymentSucceeded | PaymentDeclined


def apply_payment_answer(turn: Turn, event: Answer) -> Effect | Refusal:
    """Apply the provider's answer to a payment. A second answer is a repeat, unless it contradicts the first: a success
    after a decline takes effect, a decline after a success does not. Rule P7.
    """
    payment = find_payment(turn, event.payment_id)
    if payment is None:
        return Refusal("unknown_payment", "`payment_id` names no payment that was requested for the account")
    succeeds = isinstance(event, PaymentSucceeded)
    if payment.status == REQUESTED:
        _apply(turn, payment, event)
        return Effect.APPLIED
    if succeeds == (payment.status == SUCCEEDED) or (payment.contradicted and not succeeds):
        return Effect.REPEAT
    if succeeds:
        _apply(turn, payment, event)
    emit_contradicted(turn, event.payment_id)
    return Effect.APPLIED


def _apply(turn: Turn, payment: Payment, event: Answer) -> None:
    """Apply the answer to what the payment is for. A refund has no receipt."""
    declined = event.reason if isinstance(event, PaymentDeclined) else None
    if payment.purpose == "refund":
        apply_refund_answer(turn, event.payment_id, payment, declined)
        return
    if payment.purpose == "purchase":
        apply_purchase_answer(turn, event.payment_id, payment, declined)
    elif payment.purpose != "refill":
        apply_billed_answer(turn, payment, event)
    elif isinstance(event, PaymentDeclined):
        decline_refill(turn, payment, event)
    else:
        succeed_refill(turn, event.payment_id, payment)
    if isinstance(event, PaymentSucceeded):
        emit_receipt(turn, event.payment_id, payment, event.provider_reference)


def emit_contradicted(turn: Turn, payment_id: str) -> None:
    """Emit once per payment that an answer or a reversal contradicts an answer. Rules P7 and R3."""
    payment = find_payment(turn, payment_id)
    assert payment is not None
    if payment.contradicted:
        return
    turn.rows[payment_key(turn.account_id, payment_id)] = replace(payment, contradicted=True)
    turn.emit(
        PaymentContradicted(
            **to_operator(turn, CRITICAL),
            **about_card(turn, payment.amount_micros, payment),
            payment_id=payment_id,
        )
    )

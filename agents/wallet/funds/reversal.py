"""Money that comes back: disputes, and refunds made at the provider. Rules R1 to R9."""

from msgspec.structs import replace

from agents.wallet.alert import about_card, to_operator
from agents.wallet.billing.answers import reverse_billed_payment
from agents.wallet.funds.amounts import refuse_fraction
from agents.wallet.funds.answer import emit_contradicted
from agents.wallet.funds.block import count_dispute
from agents.wallet.funds.credit import find_payment, forget_before_ms, lot_of, not_given_back_micros
from agents.wallet.funds.lots import give_back, take
from agents.wallet.funds.payment import CREDITING, DECLINED, REQUESTED, SUCCESS_REMEMBERED_MS
from agents.wallet.funds.refill import pause_refill
from agents.wallet.funds.refund import debited_micros, return_refund
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.alerts import CRITICAL, INFO, PaymentReversedAlert
from schemas.inputs import PaymentReversed
from schemas.payment_rows import Payment, SeenReversal
from schemas.rows import payment_key, reversal_key

# What each kind takes or gives back: the sum of which field, and with which sign.
_TAKES = {"dispute": "disputed_micros", "refund": "refunded_micros"}
_GIVES = {"dispute_won": "disputed_micros", "refund_failed": "refunded_micros"}


def reverse_payment(turn: Turn, event: PaymentReversed) -> Effect | Refusal:
    """Apply a reversal of an answered payment. Rules R1 to R4 and R9."""
    seen_as = None
    if event.provider_reference:
        seen_as = reversal_key(turn.account_id, event.kind, event.payment_id, event.provider_reference)
        if turn.get(seen_as, SeenReversal) is not None:
            return Effect.REPEAT
    payment = find_payment(turn, event.payment_id)
    if payment is None or payment.status == REQUESTED:
        return Refusal("unknown_payment", "`payment_id` names no answered payment of the account")
    refusal = refuse_fraction(turn, "amount_micros", event.amount_micros)
    if refusal is not None:
        return refusal
    if event.amount_micros > payment.amount_micros:
        return Refusal("schema_invalid", f"`amount_micros` is above the payment itself: {payment.amount_micros}")
    if payment.purpose == "refund" and event.kind != "refund_failed":
        return Refusal("schema_invalid", "`kind` of a refund's payment can only be `refund_failed`")
    if payment.status == DECLINED:
        # Nothing moves and nothing is remembered: after a late success the reversal counts.
        if payment.contradicted:
            return Effect.REPEAT
        emit_contradicted(turn, event.payment_id)
        return Effect.APPLIED
    turn.id_due_ms = 0 if payment.purpose in CREDITING else turn.now_ms + SUCCESS_REMEMBERED_MS + 1
    if seen_as is not None:
        turn.rows[seen_as] = SeenReversal(turn.id_due_ms)
    _reverse(turn, payment, event)
    _emit_reversed(turn, payment, event)
    return Effect.APPLIED


def _reverse(turn: Turn, payment: Payment, event: PaymentReversed) -> None:
    if payment.purpose == "refund":
        micros = min(event.amount_micros, debited_micros(payment))
        if micros:
            returned = return_refund(turn, payment, micros, "reversal")
            turn.rows[payment_key(turn.account_id, event.payment_id)] = returned
    elif event.kind in _TAKES:
        _take(turn, payment, event, _TAKES[event.kind])
    else:
        _give_back(turn, payment, event, _GIVES[event.kind])
    if event.kind == "dispute":
        count_dispute(turn, event.payment_id, payment, event.amount_micros)
    elif event.kind == "dispute_won":
        count_dispute(turn, event.payment_id, payment, -event.amount_micros)


def _take(turn: Turn, payment: Payment, event: PaymentReversed, what: str) -> None:
    """Take what is left of the payment. From the wallet, that pauses auto-refill. Rules R1, R5 and R6."""
    micros = min(event.amount_micros, not_given_back_micros(payment))
    if not micros:
        return
    payment = replace(payment, **{what: getattr(payment, what) + micros})
    if payment.purpose in CREDITING:
        lot = lot_of(payment)
        turn.account, cut_micros = take(turn.account, lot, payment.amount_micros, micros, forget_before_ms(turn))
        payment = replace(payment, lot=replace(lot, reversal_cut_micros=lot.reversal_cut_micros + cut_micros))
    _put(turn, event.payment_id, payment)
    if payment.purpose in CREDITING:
        turn.move(-micros, "reversal", payment.reference)
        pause_refill(turn, event.kind)
    else:
        reverse_billed_payment(turn, event.payment_id, payment, event.kind, micros)


def _give_back(turn: Turn, payment: Payment, event: PaymentReversed, what: str) -> None:
    """Give back what the opposite kind has taken. Rules R1 and R5."""
    micros = min(event.amount_micros, getattr(payment, what))
    if not micros:
        return
    payment = replace(payment, **{what: getattr(payment, what) - micros})
    if payment.purpose in CREDITING:
        lot = lot_of(payment)
        still_micros = payment.disputed_micros + payment.refunded_micros
        turn.account, cut_micros = give_back(
            turn.account, lot, payment.amount_micros, micros, lot.reversal_cut_micros, still_micros
        )
        payment = replace(payment, lot=replace(lot, reversal_cut_micros=cut_micros))
    _put(turn, event.payment_id, payment)
    if payment.purpose in CREDITING:
        turn.move(micros, "reversal", payment.reference)
    else:
        reverse_billed_payment(turn, event.payment_id, payment, event.kind, -micros)


def _put(turn: Turn, payment_id: str, payment: Payment) -> None:
    turn.rows[payment_key(turn.account_id, payment_id)] = payment


def _emit_reversed(turn: Turn, payment: Payment, event: PaymentReversed) -> None:
    """What is good news for the operator is no more than that. Rules A1 and R9."""
    is_good = event.kind == "dispute_won" or (event.kind == "refund_failed" and payment.purpose != "refund")
    turn.emit(
        PaymentReversedAlert(
            **to_operator(turn, INFO if is_good else CRITICAL),
            **about_card(turn, event.amount_micros, payment),
            payment_id=event.payment_id,
            kind=event.kind,
        )
    )

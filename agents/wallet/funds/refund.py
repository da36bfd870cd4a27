"""Refunds of purchases and refills to their cards. Rules P13, M10 and R2."""

from msgspec.structs import replace

from agents.wallet.funds.credit import (
    credited,
    credited_by,
    forget_before_ms,
    lot_of,
    not_given_back_micros,
    purchase_of,
    recent_lots,
)
from agents.wallet.funds.lots import give_back, recent_holes, take, unused_micros
from agents.wallet.funds.payment import DECLINED, SUCCEEDED, card_paid, record_answer, request_payment
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.account import Card
from schemas.inputs import CreditsRefundRequested
from schemas.instant import format_instant
from schemas.payment_rows import Payment, Purchase
from schemas.rows import payment_key
from schemas.snapshots import Refundable

# Refunds remembered in an account's row. The row must fit a record whatever an owner does.
REFUNDS_MAX = 1_000


def request_refund(turn: Turn, event: CreditsRefundRequested) -> Effect | Refusal:
    """Refund what may be refunded of a purchase or refill, each payment that credited it by itself, the older first.
    Rule P13.
    """
    key, purchase = purchase_of(turn, "purchase", event.purchase_id)
    if purchase is None:
        key, purchase = purchase_of(turn, "refill", event.purchase_id)
    if purchase is None:
        return Refusal("unknown_purchase", "`purchase_id` names no purchase or refill of the account")
    names = credited_by(purchase)
    if not names:
        return Refusal("nothing_to_refund", f"the purchase is {purchase.status}: it has added no credits")
    window_ms = turn.view.catalogue.rules.refund_window_ms
    names = tuple(n for n in names if turn.instant_ms - lot_of(credited(turn, n)).credited_at_ms <= window_ms)
    if not names:
        return Refusal("refund_window_passed", f"a purchase is refundable for {window_ms} ms after it was paid")
    if not any(refundable_micros(turn, credited(turn, name)) for name in names):
        return Refusal("nothing_to_refund", "nothing of the purchase is left: it was used, held or given back")
    if recent_holes(turn.account, forget_before_ms(turn)) + len(names) > REFUNDS_MAX:
        return Refusal(
            "schema_invalid", f"the account has {REFUNDS_MAX} recent refunds: wait until one of them expires"
        )
    for name in names:
        payment = credited(turn, name)
        amount_micros = refundable_micros(turn, payment)
        if amount_micros:
            purchase = replace(purchase, refunds=purchase.refunds + 1)
            _request(turn, name, payment, amount_micros, purchase)
    turn.rows[key] = purchase
    return Effect.APPLIED


def refundable_micros(turn: Turn, payment: Payment) -> int:
    """What of a payment can be refunded now: the unused part of its lot, no more than is available and than has not
    been given back, in whole minor units. Rules M10, P13 and R5.
    """
    unused = unused_micros(turn.account, lot_of(payment), payment.amount_micros)
    micros = min(unused, not_given_back_micros(payment), max(0, turn.available_micros))
    return micros - micros % turn.currency.minor_micros


def refundable_lots(turn: Turn) -> tuple[Refundable, ...]:
    """What can be refunded now, for the snapshot: each payment by itself, the older first."""
    if turn.account.refundable_until_ms < turn.now_ms:
        return ()
    window_ms = turn.view.catalogue.rules.refund_window_ms
    found = []
    for payment in recent_lots(turn):
        until_ms = lot_of(payment).credited_at_ms + window_ms
        micros = refundable_micros(turn, payment) if until_ms >= turn.now_ms else 0
        if micros:
            found.append(Refundable(payment.reference, micros, format_instant(until_ms)))
    return tuple(found)


def _request(turn: Turn, payment_id: str, payment: Payment, amount_micros: int, purchase: Purchase) -> None:
    _debit(turn, payment_id, payment, amount_micros)
    refund_id = f"{turn.account_id}/refund/{payment.reference}/{purchase.refunds}"
    card = Card(payment.payment_method_id, payment.token or purchase.token, *card_paid(turn.account, payment), 0, 0)
    request_payment(turn, refund_id, "refund", payment.reference, amount_micros, card, payment_id)


def _debit(turn: Turn, payment_id: str, payment: Payment, amount_micros: int) -> None:
    """Take a refund out of the wallet, its own lot first."""
    lot = lot_of(payment)
    turn.account, cut_micros = take(turn.account, lot, payment.amount_micros, amount_micros, forget_before_ms(turn))
    lot = replace(
        lot,
        refunded_micros=lot.refunded_micros + amount_micros,
        refund_cut_micros=lot.refund_cut_micros + cut_micros,
    )
    turn.rows[payment_key(turn.account_id, payment_id)] = replace(payment, lot=lot, due_ms=0)
    turn.move(-amount_micros, "refund", payment.reference)


def apply_refund_answer(turn: Turn, payment_id: str, refund: Payment, declined: str | None) -> None:
    """Return a declined refund to the wallet, into the lot that it came from. A refund that succeeds after it was
    declined debits the wallet again. Rules P7 and P13.
    """
    status = SUCCEEDED if declined is None else DECLINED
    if declined is not None:
        refund = return_refund(turn, refund, debited_micros(refund), "refund")
    elif refund.status == DECLINED:
        paid_id = _refunded_payment(turn, refund)
        _debit(turn, paid_id, credited(turn, paid_id), refund.amount_micros)
        refund = replace(refund, refund_of=paid_id, refunded_micros=refund.amount_micros)
    record_answer(turn, payment_id, refund, status)


def return_refund(turn: Turn, refund: Payment, micros: int, kind: str) -> Payment:
    """Return so much of a refund to the wallet and to its lot, as a ledger entry of that kind. Rules P13 and R2.

    Returns the refund as it now stands. The caller writes it.
    """
    paid_id = _refunded_payment(turn, refund)
    payment = credited(turn, paid_id)
    lot = lot_of(payment)
    still_refunded_micros = max(0, lot.refunded_micros - micros)
    turn.account, cut_micros = give_back(
        turn.account, lot, payment.amount_micros, micros, lot.refund_cut_micros, still_refunded_micros
    )
    lot = replace(lot, refunded_micros=still_refunded_micros, refund_cut_micros=cut_micros)
    turn.rows[payment_key(turn.account_id, paid_id)] = replace(payment, lot=lot, due_ms=0)
    turn.move(micros, kind, refund.reference)
    return replace(refund, refunded_micros=debited_micros(refund) - micros, refund_of=paid_id)


def debited_micros(refund: Payment) -> int:
    """What a refund has debited and not returned. Refunds that an earlier version requested do not say so."""
    return refund.refunded_micros if refund.refund_of or refund.status == DECLINED else refund.amount_micros


def _refunded_payment(turn: Turn, refund: Payment) -> str:
    """The payment that a refund gives back. Earlier versions refunded the only payment of a purchase."""
    if refund.refund_of:
        return refund.refund_of
    for purpose in ("purchase", "refill"):
        _, purchase = purchase_of(turn, purpose, refund.reference)
        if purchase is not None:
            return purchase.payment_id
    raise AssertionError(f"a refund of {refund.reference!r} has no purchase")

"""Payments that added credits: each is a lot of its own. Rules C10, C12, P7 and P13."""

from collections.abc import Iterator

from msgspec.structs import replace

from agents.wallet.funds.payment import CREDITING, DECLINED, SUCCEEDED, record_answer
from agents.wallet.turn import Turn
from schemas.account import Account
from schemas.payment_rows import Lot, Payment, Purchase, RecentLots
from schemas.rows import payment_key, purchase_key, recent_lots_key, refill_key

# Lots that an account's snapshot lists: several a day. The row must fit a record whatever an owner does.
RECENT_LOTS_MAX = 256


def credit_payment(turn: Turn, payment_id: str, payment: Payment) -> None:
    """Add the credits of a paid purchase or refill, as a lot at the end of the line. Rules C12 and P13."""
    key, purchase = purchase_of(turn, payment.purpose, payment.reference)
    assert purchase is not None, f"payment {payment_id!r} has no {payment.purpose}"
    account, at_ms = turn.account, turn.instant_ms
    lot = Lot(account.credited_micros, at_ms)
    record_answer(turn, payment_id, replace(payment, lot=lot), SUCCEEDED)
    payments = (*credited_by(purchase), payment_id)
    turn.rows[key] = replace(
        purchase, status=SUCCEEDED, credited_at_ms=at_ms, lot_start_micros=lot.start_micros, payments=payments
    )
    turn.account = replace(
        account,
        credited_micros=account.credited_micros + payment.amount_micros,
        refundable_until_ms=max(account.refundable_until_ms, at_ms + turn.view.catalogue.rules.refund_window_ms),
    )
    _list_lot(turn, payment_id)
    turn.move(payment.amount_micros, payment.purpose, payment.reference)


def purchase_of(turn: Turn, purpose: str, reference: str) -> tuple[str, Purchase | None]:
    """The key and the row of the purchase or refill that a payment is for."""
    key = (refill_key if purpose == "refill" else purchase_key)(turn.account_id, reference)
    return key, turn.get(key, Purchase)


def credited_by(purchase: Purchase) -> tuple[str, ...]:
    """The payments that credited a purchase or refill, in order. Rows of earlier versions name the only one."""
    if purchase.payments or purchase.status != SUCCEEDED:
        return purchase.payments
    return (purchase.payment_id,)


def find_payment(turn: Turn, payment_id: str) -> Payment | None:
    """The payment, with its lot if it added credits."""
    payment = turn.get(payment_key(turn.account_id, payment_id), Payment)
    if payment is None:
        return _of_earlier_version(turn, payment_id)
    if payment.lot is None and payment.purpose in CREDITING and payment.status == SUCCEEDED:
        known = _of_earlier_version(turn, payment_id)
        assert known is not None, f"payment {payment_id!r} has added credits and has no lot"
        return replace(payment, lot=known.lot, token=known.token)
    return payment


def _of_earlier_version(turn: Turn, payment_id: str) -> Payment | None:
    """A payment as far as the row of its purchase knows it. Earlier versions kept the lot there, and forgot the row of
    the payment.
    """
    reference = payment_id.removeprefix(f"{turn.account_id}/purchase/")
    purpose = "purchase"
    if reference == payment_id:
        reference, purpose = payment_id.rpartition("/")[0], "refill"
    _, purchase = purchase_of(turn, purpose, reference)
    if purchase is None or purchase.payments or purchase.payment_id != payment_id:
        return None
    if purchase.status not in (SUCCEEDED, DECLINED):
        return None
    start_micros = purchase.lot_start_micros
    cut_micros = sum(h.micros for h in turn.account.holes if h.lot_start_micros == start_micros)
    cut_micros = min(cut_micros, purchase.amount_micros)
    lot = Lot(start_micros, purchase.credited_at_ms, cut_micros, cut_micros)
    return Payment(
        purpose,
        reference,
        purchase.amount_micros,
        status=purchase.status,
        payment_method_id=purchase.payment_method_id,
        token=purchase.token,
        lot=lot if purchase.status == SUCCEEDED else None,
    )


def credited(turn: Turn, payment_id: str) -> Payment:
    """A payment that is known to have added credits."""
    payment = find_payment(turn, payment_id)
    assert payment is not None, f"payment {payment_id!r} has credited the wallet and is not known"
    return payment


def lot_of(payment: Payment) -> Lot:
    assert payment.lot is not None, f"a payment for {payment.reference!r} has added no credits"
    return payment.lot


def forget_before_ms(turn: Turn) -> int:
    """Lots credited earlier can no longer be refunded, and a declined refund of them is no longer remembered."""
    rules = turn.view.catalogue.rules
    return turn.now_ms - rules.refund_window_ms - rules.correction_horizon_ms


def not_given_back_micros(payment: Payment) -> int:
    """What of a payment neither our own refunds nor reversals have taken. Rule R1."""
    own_micros = 0 if payment.lot is None else payment.lot.refunded_micros
    return max(0, payment.amount_micros - own_micros - payment.disputed_micros - payment.refunded_micros)


def _list_lot(turn: Turn, payment_id: str) -> None:
    """Add the payment to the lots that may still be refunded, and drop those whose window has passed."""
    key = recent_lots_key(turn.account_id)
    listed = turn.get(key, RecentLots) or RecentLots()
    window_ms = turn.view.catalogue.rules.refund_window_ms
    prefix = f"{turn.account_id}/"
    kept = [
        name
        for name in listed.payments
        if turn.now_ms - lot_of(credited(turn, prefix + name)).credited_at_ms <= window_ms
    ]
    turn.rows[key] = RecentLots((*kept, payment_id.removeprefix(prefix))[-RECENT_LOTS_MAX:])


def recent_lots(turn: Turn) -> Iterator[Payment]:
    """The payments whose credits may still be refunded, in order of crediting."""
    listed = turn.get(recent_lots_key(turn.account_id), RecentLots) or RecentLots()
    return (credited(turn, f"{turn.account_id}/{name}") for name in listed.payments)


def grant_lot(account: Account, micros: int) -> Account:
    """Credits that no card paid for, as a lot at the end of the line that is never refunded. The caller moves the
    balance.
    """
    return replace(account, credited_micros=account.credited_micros + micros)

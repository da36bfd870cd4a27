"""Credits bought, granted and refunded. Rules C12, C17 and P13."""

from msgspec.structs import replace

from agents.wallet.lots import credit_lot, cut_hole, fill_hole, unused_micros
from agents.wallet.payment import DECLINED, SUCCEEDED, close_payment, find_card, request_payment
from agents.wallet.refill import rearm
from agents.wallet.turn import Refusal, Turn
from agents.wallet.usage import count_top_up
from schemas.account import Card, Hole
from schemas.facts import PurchaseDeclined
from schemas.inputs import CreditsGranted, CreditsPurchaseRequested, CreditsRefundRequested
from schemas.money import AMOUNT_LIMIT_MICROS
from schemas.rows import Payment, Purchase, SeenGrant, grant_key, purchase_key, refill_key


def request_purchase(turn: Turn, event: CreditsPurchaseRequested) -> bool | Refusal:
    """Charge a card for credits. The same `purchase_id` never charges twice, whatever became of it. Rule C12."""
    key = purchase_key(turn.account_id, event.purchase_id)
    if turn.get(key, Purchase) is not None:
        return False
    card = find_card(turn.account, event.payment_method_id)
    if card is None:
        return no_card(event.payment_method_id)
    if turn.account.credited_micros + event.amount_micros >= AMOUNT_LIMIT_MICROS:
        return _TOO_MUCH
    payment_id = f"{turn.account_id}/purchase/{event.purchase_id}"
    turn.rows[key] = Purchase(event.amount_micros, payment_id, card.payment_method_id, card.token)
    request_payment(turn, payment_id, "purchase", event.purchase_id, event.amount_micros, card)
    return True


def no_card(payment_method_id: str | None) -> Refusal:
    if payment_method_id is None:
        return Refusal(
            "unknown_payment_method", "the account has no payment method: add one with `payment-method-added`"
        )
    return Refusal("unknown_payment_method", "`payment_method_id` names no payment method of the account")


def finish_purchase(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """Credit a paid purchase at once, or tell why it was declined. A paid one re-arms auto-refill. Rules C12
    and C14.
    """
    key = purchase_key(turn.account_id, payment.reference)
    purchase = turn.get(key, Purchase)
    assert purchase is not None, f"payment {payment_id!r} has no purchase"
    close_payment(turn, payment_id, payment, SUCCEEDED if declined is None else DECLINED)
    if declined is not None:
        turn.rows[key] = replace(purchase, status=DECLINED)
        turn.say(
            PurchaseDeclined(
                id=turn.next_alert_id(),
                account_id=turn.account_id,
                occurred_at=turn.at,
                caused_by=turn.cause,
                purchase_id=payment.reference,
                reason=declined,
            )
        )
        return
    turn.account, turn.rows[key] = credit_lot(turn.account, purchase, turn.at_ms)
    turn.move(purchase.amount_micros, "purchase", payment.reference)
    count_top_up(turn, purchase.amount_micros)
    rearm(turn)


_TOO_MUCH = Refusal("schema_invalid", f"`amount_micros` would take the account's credits past {AMOUNT_LIMIT_MICROS}")


def grant_credits(turn: Turn, event: CreditsGranted) -> bool | Refusal:
    """Credits by hand, or taken back by hand. Rule C17."""
    key = grant_key(turn.account_id, event.grant_id)
    if turn.get(key, SeenGrant) is not None:
        return False
    credited_micros = turn.account.credited_micros + max(0, event.amount_micros)
    if (
        credited_micros >= AMOUNT_LIMIT_MICROS
        or turn.account.balance_micros + event.amount_micros <= -AMOUNT_LIMIT_MICROS
    ):
        return _TOO_MUCH
    turn.rows[key] = SeenGrant(event.amount_micros)
    turn.account = replace(turn.account, credited_micros=credited_micros)
    turn.move(event.amount_micros, "grant", event.grant_id)
    return True


def request_refund(turn: Turn, event: CreditsRefundRequested) -> bool | Refusal:
    """Give the unused part of a purchase or a refill back to its card, within the refund window. Rule P13."""
    key = purchase_key(turn.account_id, event.purchase_id)
    if turn.get(key, Purchase) is None:
        key = refill_key(turn.account_id, event.purchase_id)
    purchase = turn.get(key, Purchase)
    if purchase is None:
        return Refusal("unknown_purchase", "`purchase_id` names no purchase or refill of the account")
    if purchase.status != SUCCEEDED:
        return Refusal("nothing_to_refund", f"the purchase is {purchase.status}: it has added no credits")
    rules = turn.view.catalogue.rules
    if turn.at_ms - purchase.credited_at_ms > rules.refund_window_ms:
        return Refusal(
            "refund_window_passed", f"a purchase is refundable for {rules.refund_window_ms} ms after it was paid"
        )
    amount_micros = unused_micros(turn.account, purchase.lot_start_micros, purchase.amount_micros)
    if amount_micros == 0:
        return Refusal("nothing_to_refund", "nothing of the purchase is left: it was used or refunded")
    refunds = purchase.refunds + 1
    turn.rows[key] = replace(purchase, refunds=refunds)
    hole = Hole(purchase.lot_start_micros, amount_micros, purchase.credited_at_ms)
    # A refund may be asked for until the window ends and its decline remembered one horizon longer.
    forget_before_ms = turn.now_ms - rules.refund_window_ms - rules.correction_horizon_ms
    turn.account = cut_hole(turn.account, hole, forget_before_ms)
    turn.move(-amount_micros, "refund", event.purchase_id)
    card = Card(purchase.payment_method_id, purchase.token, "", "", 0, 0)
    payment_id = f"{turn.account_id}/refund/{event.purchase_id}/{refunds}"
    request_payment(turn, payment_id, "refund", event.purchase_id, amount_micros, card, purchase.payment_id)
    return True


def finish_refund(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """A declined refund goes back to the wallet, into the lot that it came from. Rule P13."""
    close_payment(turn, payment_id, payment, SUCCEEDED if declined is None else DECLINED)
    if declined is None:
        return
    key = purchase_key(turn.account_id, payment.reference)
    purchase = turn.get(key, Purchase) or turn.get(refill_key(turn.account_id, payment.reference), Purchase)
    assert purchase is not None, f"refund {payment_id!r} has no purchase"
    turn.account = fill_hole(turn.account, purchase.lot_start_micros, payment.amount_micros)
    turn.move(payment.amount_micros, "refund", payment.reference)

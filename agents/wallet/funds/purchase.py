"""Credits bought, granted and refunded. Rules C12, C17 and P13."""

from msgspec.structs import replace

from agents.wallet.billing.usage import count_top_up
from agents.wallet.funds.lots import credit_lot, cut_hole, fill_hole, unused_micros
from agents.wallet.funds.payment import DECLINED, SUCCEEDED, find_card, no_card, record_answer, request_payment
from agents.wallet.funds.refill import rearm
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.account import Card, Hole
from schemas.facts import PurchaseDeclined
from schemas.inputs import CreditsGranted, CreditsPurchaseRequested, CreditsRefundRequested
from schemas.money import AMOUNT_LIMIT_MICROS
from schemas.rows import Payment, Purchase, SeenGrant, grant_key, purchase_key, refill_key

# Refunds remembered in an account's row. The row must fit a record whatever an owner does.
REFUNDS_MAX = 1_000


def request_purchase(turn: Turn, event: CreditsPurchaseRequested) -> Effect | Refusal:
    """Request a card charge for credits. A `purchase_id` is charged once, whatever its outcome was. Rule C12."""
    key = purchase_key(turn.account_id, event.purchase_id)
    if turn.get(key, Purchase) is not None:
        return Effect.REPEAT
    card = find_card(turn.account, event.payment_method_id)
    if card is None:
        return no_card(event.payment_method_id)
    if turn.account.credited_micros + event.amount_micros >= AMOUNT_LIMIT_MICROS:
        return _TOO_MUCH
    payment_id = f"{turn.account_id}/purchase/{event.purchase_id}"
    turn.rows[key] = Purchase(event.amount_micros, payment_id, card.payment_method_id, card.token)
    request_payment(turn, payment_id, "purchase", event.purchase_id, event.amount_micros, card)
    return Effect.APPLIED


def apply_purchase_answer(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """Credit a paid purchase immediately and re-arm auto-refill, or emit why it was declined. Rules C12 and C14."""
    key = purchase_key(turn.account_id, payment.reference)
    purchase = turn.get(key, Purchase)
    assert purchase is not None, f"payment {payment_id!r} has no purchase"
    record_answer(turn, payment_id, payment, SUCCEEDED if declined is None else DECLINED)
    if declined is not None:
        turn.rows[key] = replace(purchase, status=DECLINED)
        turn.emit(
            PurchaseDeclined(
                id=turn.next_alert_id(),
                **turn.common,
                purchase_id=payment.reference,
                reason=declined,
            )
        )
        return
    turn.account, turn.rows[key] = credit_lot(turn.account, purchase, turn.instant_ms)
    turn.move(purchase.amount_micros, "purchase", payment.reference)
    count_top_up(turn, purchase.amount_micros)
    rearm(turn)


_TOO_MUCH = Refusal("schema_invalid", f"`amount_micros` would take the account's credits past {AMOUNT_LIMIT_MICROS}")


def grant_credits(turn: Turn, event: CreditsGranted) -> Effect | Refusal:
    """Add credits by hand, or take them back. Rule C17."""
    key = grant_key(turn.account_id, event.grant_id)
    if turn.get(key, SeenGrant) is not None:
        return Effect.REPEAT
    credited_micros = turn.account.credited_micros + max(0, event.amount_micros)
    if (
        credited_micros >= AMOUNT_LIMIT_MICROS
        or turn.account.balance_micros + event.amount_micros <= -AMOUNT_LIMIT_MICROS
    ):
        return _TOO_MUCH
    turn.rows[key] = SeenGrant(event.amount_micros)
    turn.account = replace(turn.account, credited_micros=credited_micros)
    turn.move(event.amount_micros, "grant", event.grant_id)
    return Effect.APPLIED


def request_refund(turn: Turn, event: CreditsRefundRequested) -> Effect | Refusal:
    """Refund the unused part of a purchase or refill to its card, within the refund window. Rule P13."""
    key = purchase_key(turn.account_id, event.purchase_id)
    if turn.get(key, Purchase) is None:
        key = refill_key(turn.account_id, event.purchase_id)
    purchase = turn.get(key, Purchase)
    if purchase is None:
        return Refusal("unknown_purchase", "`purchase_id` names no purchase or refill of the account")
    if purchase.status != SUCCEEDED:
        return Refusal("nothing_to_refund", f"the purchase is {purchase.status}: it has added no credits")
    rules = turn.view.catalogue.rules
    if turn.instant_ms - purchase.credited_at_ms > rules.refund_window_ms:
        return Refusal(
            "refund_window_passed", f"a purchase is refundable for {rules.refund_window_ms} ms after it was paid"
        )
    amount_micros = unused_micros(turn.account, purchase.lot_start_micros, purchase.amount_micros)
    if amount_micros == 0:
        return Refusal("nothing_to_refund", "nothing of the purchase is left: it was used or refunded")
    hole = Hole(purchase.lot_start_micros, amount_micros, purchase.credited_at_ms)
    # A refund may be requested until the window ends, and its decline is remembered one horizon longer.
    forget_before_ms = turn.now_ms - rules.refund_window_ms - rules.correction_horizon_ms
    account = cut_hole(turn.account, hole, forget_before_ms)
    if len(account.holes) > REFUNDS_MAX:
        return Refusal(
            "schema_invalid", f"the account has {REFUNDS_MAX} recent refunds: wait until one of them expires"
        )
    refunds = purchase.refunds + 1
    turn.rows[key] = replace(purchase, refunds=refunds)
    turn.account = account
    turn.move(-amount_micros, "refund", event.purchase_id)
    card = Card(purchase.payment_method_id, purchase.token, "", "", 0, 0)
    payment_id = f"{turn.account_id}/refund/{event.purchase_id}/{refunds}"
    request_payment(turn, payment_id, "refund", event.purchase_id, amount_micros, card, purchase.payment_id)
    return Effect.APPLIED


def apply_refund_answer(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """Return a declined refund to the wallet, into the lot that it came from. Rule P13."""
    record_answer(turn, payment_id, payment, SUCCEEDED if declined is None else DECLINED)
    if declined is None:
        return
    key = purchase_key(turn.account_id, payment.reference)
    purchase = turn.get(key, Purchase) or turn.get(refill_key(turn.account_id, payment.reference), Purchase)
    assert purchase is not None, f"refund {payment_id!r} has no purchase"
    turn.account = fill_hole(turn.account, purchase.lot_start_micros, payment.amount_micros)
    turn.move(payment.amount_micros, "refund", payment.reference)

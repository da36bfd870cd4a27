"""Credits bought and granted. Rules C12 and C17."""

from msgspec.structs import replace

from agents.wallet.alert import about_card, to_owner
from agents.wallet.funds.amounts import refuse_fraction, refuse_unpayable
from agents.wallet.funds.block import unblock_card
from agents.wallet.funds.credit import credit_payment, grant_lot
from agents.wallet.funds.payment import DECLINED, find_card, no_card, record_answer, request_payment
from agents.wallet.funds.refill import rearm
from agents.wallet.turn import Effect, Refusal, Turn
from schemas.alerts import WARNING, PurchaseDeclined
from schemas.inputs import CreditsGranted, CreditsPurchaseRequested
from schemas.money import AMOUNT_LIMIT_MICROS
from schemas.payment_rows import Payment, Purchase, SeenGrant
from schemas.rows import grant_key, purchase_key


def request_purchase(turn: Turn, event: CreditsPurchaseRequested) -> Effect | Refusal:
    """Request a card charge for credits. A `purchase_id` is charged once, whatever its outcome was. The owner may use
    a blocked card, which frees it. Rules C12, K4 and R7.
    """
    key = purchase_key(turn.account_id, event.purchase_id)
    if turn.get(key, Purchase) is not None:
        return Effect.REPEAT
    card = find_card(turn.account, event.payment_method_id)
    if card is None:
        return no_card(event.payment_method_id)
    refusal = refuse_unpayable(turn, event.amount_micros)
    if refusal is not None:
        return refusal
    if turn.account.credited_micros + event.amount_micros >= AMOUNT_LIMIT_MICROS:
        return _TOO_MUCH
    card = unblock_card(turn, card)
    payment_id = f"{turn.account_id}/purchase/{event.purchase_id}"
    turn.rows[key] = Purchase(event.amount_micros, payment_id, card.payment_method_id, card.token)
    request_payment(turn, payment_id, "purchase", event.purchase_id, event.amount_micros, card)
    return Effect.APPLIED


def apply_purchase_answer(turn: Turn, payment_id: str, payment: Payment, declined: str | None) -> None:
    """Credit a paid purchase immediately and re-arm auto-refill, or emit why it was declined. Rules C12 and C14."""
    if declined is None:
        credit_payment(turn, payment_id, payment)
        rearm(turn)
        return
    record_answer(turn, payment_id, payment, DECLINED)
    key = purchase_key(turn.account_id, payment.reference)
    purchase = turn.get(key, Purchase)
    assert purchase is not None, f"payment {payment_id!r} has no purchase"
    turn.rows[key] = replace(purchase, status=DECLINED)
    turn.emit(
        PurchaseDeclined(
            **to_owner(turn, WARNING),
            **about_card(turn, payment.amount_micros, payment),
            purchase_id=payment.reference,
            reason=declined,
        )
    )


_TOO_MUCH = Refusal("schema_invalid", f"`amount_micros` would take the account's credits past {AMOUNT_LIMIT_MICROS}")


def grant_credits(turn: Turn, event: CreditsGranted) -> Effect | Refusal:
    """Add credits by hand, or take them back. Rules C17 and K4."""
    key = grant_key(turn.account_id, event.grant_id)
    if turn.get(key, SeenGrant) is not None:
        return Effect.REPEAT
    refusal = refuse_fraction(turn, "amount_micros", event.amount_micros)
    if refusal is not None:
        return refusal
    credited_micros = turn.account.credited_micros + max(0, event.amount_micros)
    if (
        credited_micros >= AMOUNT_LIMIT_MICROS
        or turn.account.balance_micros + event.amount_micros <= -AMOUNT_LIMIT_MICROS
    ):
        return _TOO_MUCH
    turn.rows[key] = SeenGrant(event.amount_micros)
    turn.account = grant_lot(turn.account, max(0, event.amount_micros))
    turn.move(event.amount_micros, "grant", event.grant_id)
    return Effect.APPLIED

"""Payments: card charges and refunds that are requested from the payment adapter. Rules C12 and P7."""

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from agents.wallet.turn import Refusal, Turn
from schemas.account import Account, Card
from schemas.facts import PaymentRequested
from schemas.invoices import ReceiptIssued
from schemas.rows import Payment, payment_key

SUCCEEDED = "succeeded"
DECLINED = "declined"
REQUESTED = "requested"


def request_payment(
    turn: Turn,
    payment_id: str,
    purpose: str,
    reference: str,
    amount_micros: int,
    card: Card,
    refund_of: str | UnsetType = UNSET,
) -> None:
    """Request a card charge or a refund. Each `payment_id` is requested once; it is the provider's idempotency key."""
    turn.rows[payment_key(turn.account_id, payment_id)] = Payment(
        purpose,
        reference,
        amount_micros,
        payment_method_id=card.payment_method_id,
        requested_at_ms=turn.instant_ms,
    )
    turn.emit(
        PaymentRequested(
            id=f"{payment_id}/payment",
            **turn.common,
            payment_id=payment_id,
            purpose=purpose,
            amount_micros=amount_micros,
            currency=turn.account.currency,
            payment_method_id=card.payment_method_id,
            token=card.token,
            refund_of=refund_of,
        )
    )


def record_answer(turn: Turn, payment_id: str, payment: Payment, status: str) -> None:
    """Record the provider's answer. It is remembered as long as an input id, so that a second answer is a repeat (rule
    P7).
    """
    horizon_ms = turn.view.catalogue.rules.correction_horizon_ms
    due_ms = turn.now_ms + horizon_ms + 1
    turn.rows[payment_key(turn.account_id, payment_id)] = replace(payment, status=status, due_ms=due_ms)


def emit_receipt(turn: Turn, payment_id: str, payment: Payment, provider_reference: str | None) -> None:
    """Emit the receipt of a successful card charge, for the billing e-mail. Rule M11."""
    account = turn.account
    card = find_card(account, payment.payment_method_id)
    turn.emit(
        ReceiptIssued(
            id=f"{payment_id}/receipt",
            **turn.common,
            receipt_id=f"{payment_id}/receipt",
            payment_id=payment_id,
            purpose=payment.purpose,
            amount_micros=payment.amount_micros,
            currency=account.currency,
            billing_email=account.billing_email,
            time_zone=account.time_zone,
            brand=UNSET if card is None else card.brand,
            last4=UNSET if card is None else card.last4,
            provider_reference=UNSET if provider_reference is None else provider_reference,
        )
    )


def find_card(account: Account, payment_method_id: str | None) -> Card | None:
    """The card with this id, the default card for None; None when there is no such card."""
    wanted = account.default_card if payment_method_id is None else payment_method_id
    return next((card for card in account.cards if card.payment_method_id == wanted), None)


def no_card(payment_method_id: str | None) -> Refusal:
    if payment_method_id is None:
        return Refusal(
            "unknown_payment_method", "the account has no payment method: add one with `payment-method-added`"
        )
    return Refusal("unknown_payment_method", "`payment_method_id` names no payment method of the account")

"""Payments: what is asked of the card, and what its answer does. Rules C12 and P7."""

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from agents.wallet.turn import Turn
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
    """Ask for a card charge, or for a refund. `payment_id` is asked once and is the provider's idempotency key."""
    turn.rows[payment_key(turn.account_id, payment_id)] = Payment(
        purpose, reference, amount_micros, payment_method_id=card.payment_method_id
    )
    turn.say(
        PaymentRequested(
            id=f"{payment_id}/payment",
            account_id=turn.account_id,
            occurred_at=turn.at,
            caused_by=turn.cause,
            payment_id=payment_id,
            purpose=purpose,
            amount_micros=amount_micros,
            currency=turn.account.currency,
            payment_method_id=card.payment_method_id,
            token=card.token,
            refund_of=refund_of,
        )
    )


def close_payment(turn: Turn, payment_id: str, payment: Payment, status: str) -> None:
    """Remember the answer for as long as any input is remembered: a second one is a repeat (rule P7)."""
    horizon_ms = turn.view.catalogue.rules.correction_horizon_ms
    due_ms = turn.now_ms + horizon_ms + 1
    turn.rows[payment_key(turn.account_id, payment_id)] = replace(payment, status=status, due_ms=due_ms)


def say_receipt(turn: Turn, payment_id: str, payment: Payment, provider_reference: str | None) -> None:
    """The receipt of a card charge that went through, for the billing e-mail. Rule M11."""
    account = turn.account
    card = find_card(account, payment.payment_method_id)
    turn.say(
        ReceiptIssued(
            id=f"{payment_id}/receipt",
            account_id=turn.account_id,
            occurred_at=turn.at,
            caused_by=turn.cause,
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
    """The card of that id, the default one for None."""
    wanted = account.default_card if payment_method_id is None else payment_method_id
    return next((card for card in account.cards if card.payment_method_id == wanted), None)

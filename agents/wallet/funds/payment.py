"""Payments: card charges and refunds that are requested from the payment adapter. Rules C12 and P7."""

from msgspec import UNSET
from msgspec.structs import replace

from agents.wallet.turn import Refusal, Turn
from schemas.account import Account, Card
from schemas.facts import PaymentRequested
from schemas.instant import DAY_MS
from schemas.invoices import ReceiptIssued
from schemas.payment_rows import Payment
from schemas.rows import payment_key

SUCCEEDED = "succeeded"
DECLINED = "declined"
REQUESTED = "requested"

# The purposes of payments that add credits.
CREDITING = ("purchase", "refill")
# The purposes of payments whose receipts name what was paid.
_REFERRED_TO = ("purchase", "refill", "invoice")

# Disputes come months after the charge.
SUCCESS_REMEMBERED_MS = 600 * DAY_MS


def request_payment(
    turn: Turn,
    payment_id: str,
    purpose: str,
    reference: str,
    amount_micros: int,
    card: Card,
    refund_of: str = "",
    invoice: int = 0,
) -> None:
    """Request a card charge or a refund. Each `payment_id` is requested once; it is the provider's idempotency key.

    A refund names the payment that it gives back; the wallet was debited. `invoice` is what it counts for (rule P14).
    """
    turn.rows[payment_key(turn.account_id, payment_id)] = Payment(
        purpose,
        reference,
        amount_micros,
        payment_method_id=card.payment_method_id,
        requested_at_ms=turn.instant_ms,
        brand=card.brand,
        last4=card.last4,
        token=card.token,
        refund_of=refund_of,
        refunded_micros=amount_micros if refund_of else 0,
        invoice=invoice,
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
            refund_of=refund_of or UNSET,
        )
    )


def record_answer(turn: Turn, payment_id: str, payment: Payment, status: str) -> None:
    """Record the provider's answer. Payments of purchases and refills are remembered for ever, others that succeeded
    for 600 days, because their money may still come back; declined ones as long as an input id. Rule P7.
    """
    if payment.purpose in CREDITING:
        due_ms = 0
    elif status == SUCCEEDED:
        due_ms = turn.now_ms + SUCCESS_REMEMBERED_MS + 1
    else:
        due_ms = turn.now_ms + turn.view.catalogue.rules.correction_horizon_ms + 1
    turn.rows[payment_key(turn.account_id, payment_id)] = replace(payment, status=status, due_ms=due_ms)


def emit_receipt(turn: Turn, payment_id: str, payment: Payment, provider_reference: str | None) -> None:
    """Emit the receipt of a successful card charge, for the billing e-mail. Rule M11."""
    account = turn.account
    brand, last4 = card_paid(account, payment)
    turn.emit(
        ReceiptIssued(
            id=f"{payment_id}/receipt",
            **turn.common,
            receipt_id=f"{payment_id}/receipt",
            payment_id=payment_id,
            purpose=payment.purpose,
            amount_micros=payment.amount_micros,
            currency=account.currency,
            billing_email=account.billing_email or UNSET,
            time_zone=account.time_zone,
            brand=brand,
            last4=last4,
            provider_reference=UNSET if provider_reference is None else provider_reference,
            reference=reference_of(turn.account_id, payment) if payment.purpose in _REFERRED_TO else UNSET,
        )
    )


def reference_of(account_id: str, payment: Payment) -> str:
    """What a payment is for: the id of a purchase, a refill or an invoice, the name of a fee or of overage."""
    return f"{account_id}/{payment.reference}" if payment.purpose == "invoice" else payment.reference


def card_paid(account: Account, payment: Payment) -> tuple[str, str]:
    """Brand and last digits of the card that a payment was requested from. The account may have another card under its
    id since; only a payment of an earlier version of its row takes them from there.
    """
    card = None if payment.last4 else find_card(account, payment.payment_method_id)
    return (payment.brand, payment.last4) if card is None else (card.brand, card.last4)


def find_card(account: Account, payment_method_id: str | None) -> Card | None:
    """The card with this id, the default card for None; None when there is no such card."""
    wanted = account.default_card if payment_method_id is None else payment_method_id
    return next((card for card in account.cards if card.payment_method_id == wanted), None)


def usable_card(account: Account, payment_method_id: str | None = None) -> Card | None:
    """The card for a charge that the engine requests by itself: the chosen card, or else the default card; never one
    that a dispute blocks. Rule R7.
    """
    for wanted in (payment_method_id, account.default_card):
        card = None if wanted is None else find_card(account, wanted)
        if card is not None and not card.disputes:
            return card
    return None


def why_no_card(account: Account) -> str:
    """Why there is no usable card: the reason in the owner's alert. Rules P11 and R7."""
    return "no_payment_method" if account.default_card is None else "dispute"


def no_card(payment_method_id: str | None) -> Refusal:
    if payment_method_id is None:
        return Refusal(
            "unknown_payment_method", "the account has no payment method: add one with `payment-method-added`"
        )
    return Refusal("unknown_payment_method", "`payment_method_id` names no payment method of the account")

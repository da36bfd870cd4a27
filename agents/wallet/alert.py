"""The fields that alerts have in common: how severe they are, whom they are for, and the card they are about.

Call sites unpack them: `PurchaseDeclined(**to_owner(turn, WARNING), **about_card(turn, amount, payment), …)`. Rules A1
and A2.
"""

from typing import Any

from msgspec import UNSET

from agents.wallet.funds.payment import card_paid
from agents.wallet.turn import Turn
from schemas.alerts import CRITICAL, OPERATOR, OWNER, WARNING, SubscriptionPaymentDeclined
from schemas.instant import format_instant
from schemas.payment_rows import Payment
from schemas.rows import payment_key


def to_owner(turn: Turn, severity: str, alert_id: str | None = None) -> dict[str, Any]:
    """An alert for the account's owner, with where to send it. Without an id of its own it gets the next number."""
    fields = _common(turn, severity, OWNER, alert_id)
    account = turn.account
    return fields | {"billing_email": account.billing_email or UNSET, "time_zone": account.time_zone}


def to_operator(turn: Turn, severity: str, alert_id: str | None = None) -> dict[str, Any]:
    """An alert for whoever runs the engine."""
    return _common(turn, severity, OPERATOR, alert_id)


def _common(turn: Turn, severity: str, audience: str, alert_id: str | None) -> dict[str, Any]:
    return turn.common | {"id": alert_id or turn.next_alert_id(), "severity": severity, "audience": audience}


def about_card(turn: Turn, amount_micros: int, payment: Payment | str | None = None) -> dict[str, Any]:
    """The fields of an alert about a card: the amount, and the brand and last digits of the card that the payment (or
    the payment of this id) was requested from. Without a requested card only the amount. Rule A2.
    """
    if isinstance(payment, str):
        payment = turn.get(payment_key(turn.account_id, payment), Payment)
    brand, last4 = ("", "") if payment is None else card_paid(turn.account, payment)
    return {
        "amount_micros": amount_micros,
        "currency": turn.account.currency,
        "brand": brand or UNSET,
        "last4": last4 or UNSET,
    }


def emit_payment_declined(
    turn: Turn,
    purpose: str,
    amount_micros: int,
    reason: str,
    *,
    payment_id: str | None = None,
    invoice_id: str | None = None,
    retry_at_ms: int = 0,
) -> None:
    """Emit that a fee, a proration, overage or an invoice is not paid. Without `payment_id` nothing was requested from
    a card; with `retry_at_ms` 0 no retry is scheduled. Rules M6 and A1.
    """
    turn.emit(
        SubscriptionPaymentDeclined(
            **to_owner(turn, WARNING if retry_at_ms else CRITICAL),
            **about_card(turn, amount_micros, payment_id),
            purpose=purpose,
            reason=reason,
            payment_id=payment_id or UNSET,
            invoice_id=invoice_id or UNSET,
            retry_at=format_instant(retry_at_ms) if retry_at_ms else UNSET,
        )
    )

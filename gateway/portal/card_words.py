"""Cards, and why a bank declines one, in the owner's words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from payments.providers.declines import AUTHENTICATION_REQUIRED

BRANDS: Final = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "american_express": "American Express",
    "discover": "Discover",
}
_BANK_AWAY = "the bank could not be reached"
_NO_REASON = "the bank gave no reason"
_NOT_ACCEPTED = "the bank does not accept this card any more"
_WRONG_DATA = "a detail of the card is wrong"
# Of a stolen card the owner is told no more than of a closed one: who is looking may not be its holder.
_REASONS: Final = {
    "insufficient_funds": "insufficient funds",
    AUTHENTICATION_REQUIRED: "the bank wants a confirmation",
    **dict.fromkeys(("expired_card", "card_expired", "expired_payment_method"), "the card has expired"),
    **dict.fromkeys(("card_declined", "generic_decline", "do_not_honor", "call_issuer", "fraudulent"), _NO_REASON),
    **dict.fromkeys(("no_action_taken", "do_not_try_again", "highest_risk_level"), _NO_REASON),
    **dict.fromkeys(("stolen_card", "lost_card", "pickup_card", "card_stolen", "invalid_account"), _NOT_ACCEPTED),
    **dict.fromkeys(("account_closed", "restricted_card", "new_account_information_available"), _NOT_ACCEPTED),
    **dict.fromkeys(("issuer_not_available", "issuer_unavailable", "processing_error", "try_again_later"), _BANK_AWAY),
    **dict.fromkeys(("incorrect_number", "invalid_number", "incorrect_cvc", "invalid_cvc"), _WRONG_DATA),
    **dict.fromkeys(("invalid_expiry_month", "invalid_expiry_year", "incorrect_zip"), _WRONG_DATA),
    "card_velocity_exceeded": "a limit of the card is reached",
    "withdrawal_count_limit_exceeded": "a limit of the card is reached",
    "currency_not_supported": "the card does not take this currency",
    "no_payment_method": "there is no card",
    "dispute": "a payment with the card is disputed",
}


def card_name(card: Mapping[str, Any]) -> str:
    """`Visa •••• 4242`, of anything that has a brand and its last digits; "Your card" of anything else."""
    if not card.get("last4"):
        return "Your card"
    brand = BRANDS.get(str(card.get("brand")), "Card")
    return f"{brand} •••• {card['last4']}"


def reason_words(reason: str) -> str:
    """Why a card was declined, as the end of a sentence."""
    return _REASONS.get(reason, reason.replace("_", " "))


def card_of(snapshot: Mapping[str, Any], payment_method_id: str | None) -> dict[str, Any] | None:
    """The account's card with this id; for None the default card."""
    cards: Iterable[dict[str, Any]] = snapshot["payment_methods"]
    return next(
        (
            card
            for card in cards
            if (card["default"] if payment_method_id is None else card["payment_method_id"] == payment_method_id)
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class Declined:
    """A card that was declined: what was not paid, why, and what the button that mends it says."""

    card: str
    amount_micros: int
    at: str
    why: str
    must_confirm: bool

    @property
    def remedy(self) -> str:
        return "Confirm the card" if self.must_confirm else "Use another card"


def declined_of(event: Mapping[str, Any]) -> Declined:
    """What an alert about a declined card means."""
    reason = str(event["reason"])
    return Declined(
        card_name(event),
        event["amount_micros"],
        event["occurred_at"],
        reason_words(reason),
        reason == AUTHENTICATION_REQUIRED,
    )

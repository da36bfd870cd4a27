"""Cards for trials: each always has the same outcome at the fake provider, whatever its luck."""

from typing import Literal, NamedTuple

from payments.providers.declines import AUTHENTICATION_REQUIRED


class TrialCard(NamedTuple):
    """`reason` is None if payments with the card succeed. `meaning` is what a person who chooses a card reads."""

    token: str
    brand: Literal["visa", "mastercard", "american_express", "discover"]
    last4: str
    meaning: str
    reason: str | None = None
    retryable: bool = False


# The last digits are those of Stripe's cards for the same outcomes.
TRIAL_CARDS = (
    TrialCard("fake-card-paid", "visa", "4242", "Every payment succeeds."),
    TrialCard(
        *("fake-card-insufficient-funds", "mastercard", "9995", "Declined: insufficient funds."),
        *("insufficient_funds", True),
    ),
    TrialCard("fake-card-expired", "discover", "0069", "Declined: the card has expired.", "expired_card"),
    TrialCard(
        *("fake-card-confirmation", "american_express", "3184", "Declined: the bank wants a confirmation."),
        AUTHENTICATION_REQUIRED,
    ),
)


def trial_card(token: str) -> TrialCard | None:
    """The card with this token, None for any other token."""
    return next((card for card in TRIAL_CARDS if card.token == token), None)

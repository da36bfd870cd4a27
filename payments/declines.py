"""Which of Stripe's declines may go through later and which never will. Rule C14."""

# What may be different in an hour or a day. Everything else, and every code not known here, is hard: a card network
# fines who repeats what cannot succeed, while a customer whose refill pauses is told so and can act.
RETRYABLE = frozenset(
    {
        "api_error",  # the provider's own trouble, not the card's
        "approve_with_id",  # "should be attempted again"
        "card_velocity_exceeded",  # a limit of the card for a day or a week
        "duplicate_transaction",  # the same amount moments before
        "insufficient_funds",
        "issuer_not_available",
        "processing_error",
        "reenter_transaction",
        "try_again_later",
        "withdrawal_count_limit_exceeded",
    }
)
# Beside the decline a card network may say itself what to do; it knows better than a table.
_ADVICE = {"do_not_try_again": False, "confirm_card_data": False, "try_again_later": True}

AUTHENTICATION_REQUIRED = "authentication_required"
_CUSTOMER_MUST_ACT = f"{AUTHENTICATION_REQUIRED}: the customer must confirm this card before it can be charged again"


def judge_decline(kind: str, code: str | None, decline_code: str | None, advice_code: str | None) -> tuple[str, bool]:
    """Reason and whether trying the same card again later may succeed.

    `kind` is the error's type (`card_error`), `code` its code (`card_declined`, `expired_card`), `decline_code` the
    issuer's: each more exact than the one before, when there is one.
    """
    said = decline_code or code or kind
    if AUTHENTICATION_REQUIRED in {code, decline_code}:
        # Off session nobody is there to confirm it, however often it is tried.
        return _CUSTOMER_MUST_ACT, False
    return said, _ADVICE.get(advice_code or "", said in RETRYABLE)

"""Which of Stripe's declines may succeed later and which never will. Rule C14."""

# Declines that may succeed in an hour or a day. Every other code, known or not, is final: card networks fine repeated
# attempts that cannot succeed, while the owner of a paused refill is notified and can act.
RETRYABLE = frozenset(
    {
        "api_error",  # the provider's own failure, not the card's
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
# A card network may send advice with a decline. It overrides the table above.
_ADVICE = {"do_not_try_again": False, "confirm_card_data": False, "try_again_later": True}

AUTHENTICATION_REQUIRED = "authentication_required"
_CUSTOMER_MUST_ACT = f"{AUTHENTICATION_REQUIRED}: the customer must confirm this card before it can be charged again"


def classify_decline(
    kind: str, code: str | None, decline_code: str | None, advice_code: str | None
) -> tuple[str, bool]:
    """The reason, and whether the same card may succeed later.

    `kind` is the error's type (`card_error`), `code` its code (`card_declined`, `expired_card`), `decline_code` the
    issuer's code. The reason is the most specific one present.
    """
    reason = decline_code or code or kind
    if AUTHENTICATION_REQUIRED in {code, decline_code}:
        # An off-session payment can never be confirmed, however often it is retried.
        return _CUSTOMER_MUST_ACT, False
    return reason, _ADVICE.get(advice_code or "", reason in RETRYABLE)

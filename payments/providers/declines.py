"""Which of Stripe's refusals decline a card, and which of those may succeed later. Rule C14, decision 0052.

Only the codes below decline: each is about this card or this payment. Every other refusal, also one with a code that
is not known yet, is a problem of ours or of Stripe's. The request is retried, and operators are paged.

Sources: docs.stripe.com/declines/codes for what issuers and Stripe's own checks give as a reason, and
docs.stripe.com/error-codes for the codes of an error whose type is `card_error`.
"""

# What Stripe advises for each is to try again: soon, after a day or two, or once the customer has paid in.
RETRYABLE = frozenset(
    {
        "approve_with_id",  # could not be authorized; the issuer wants the attempt repeated
        "card_decline_rate_limit_exceeded",  # declined too often today; Stripe lets the card be tried again tomorrow
        "card_velocity_exceeded",  # a limit of the card for a day or a week
        "duplicate_transaction",  # the same amount moments before
        "insufficient_funds",
        "issuer_not_available",  # the issuer could not be reached
        "payment_method_provider_timeout",
        "processing_error",  # a fault while the card was processed
        "reenter_transaction",  # the issuer could not process it for an unknown reason, and wants it again
        "try_again_later",
        "withdrawal_count_limit_exceeded",  # a limit of the card
    }
)
# These never succeed with the same card, or only after its holder has acted. Card networks fine repeated attempts,
# while the owner of a paused refill is notified and can act.
HARD = frozenset(
    {
        # The issuer declines and gives no reason, or none that may be passed on.
        "call_issuer",
        "card_declined",  # the code of every issuer's decline; a decline code that is not known below it is a hard one
        "do_not_honor",
        "do_not_try_again",
        "generic_decline",
        "no_action_taken",
        "payment_intent_payment_attempt_failed",
        "payment_method_provider_decline",
        # The card is closed, lost, blocked, or no longer valid.
        "expired_card",
        "expired_payment_method",
        "invalid_account",
        "lost_card",
        "new_account_information_available",
        "pickup_card",
        "restricted_card",
        "security_violation",
        "stolen_card",
        # Its data are wrong.
        "incorrect_address",
        "incorrect_cvc",
        "incorrect_number",
        "incorrect_postal_code",
        "incorrect_zip",
        "invalid_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        # It does not allow this purchase, amount or currency. That our account cannot take a currency is another code.
        "card_not_supported",
        "currency_not_supported",
        "invalid_amount",
        "invalid_card_type",
        "not_permitted",
        "service_not_allowed",
        "transaction_not_allowed",
        # It wants a PIN, which only a terminal can take.
        "incorrect_pin",
        "invalid_pin",
        "offline_pin_required",
        "online_or_offline_pin_required",
        "pin_try_exceeded",
        # Its holder has withdrawn the permission.
        "india_recurring_payment_mandate_canceled",
        "payment_intent_mandate_invalid",
        "payment_method_customer_decline",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stop_payment_order",
        # Stripe's checks of this payment: suspected fraud, a match on our own block list, declined before for good.
        "fraudulent",
        "highest_risk_level",
        "merchant_blacklist",
        "previously_declined_do_not_retry",
        # A number from Stripe's documentation, where real cards are charged.
        "live_mode_test_card",
        "testmode_decline",
    }
)
# Its holder would have to confirm the payment, which an off-session payment never allows, however often it is retried.
AUTHENTICATION_REQUIRED = "authentication_required"
CONFIRMATION = frozenset(
    {
        AUTHENTICATION_REQUIRED,
        "authentication_not_handled",
        "mobile_device_authentication_required",
        "payment_intent_action_required",
        "payment_intent_authentication_failure",
    }
)
# Card errors that are about our key: a real card charged with a key for tests. They come below `card_declined`.
OURS = frozenset({"test_mode_live_card"})
# A card network may send advice with a decline. It overrides the tables above.
_ADVICE = {"do_not_try_again": False, "confirm_card_data": False, "try_again_later": True}

# Refusals of a refund that are about the payment to give back: nothing of it is left, or its bank has taken it back.
REFUND_DECLINES = frozenset(
    {"charge_already_refunded", "charge_disputed", "charge_not_refundable", "refund_disputed_payment"}
)


def classify_decline(
    kind: str, code: str | None, decline_code: str | None, advice_code: str | None
) -> tuple[str, bool] | None:
    """The reason, and whether the same card may succeed later; None if the error is not known to be about the card.

    `kind` is the error's type (`card_error`), `code` its code (`card_declined`, `expired_card`), `decline_code` the
    issuer's code. The reason is the most specific one present.
    """
    if kind != "card_error" or decline_code in OURS or code in OURS:
        return None
    if CONFIRMATION & {code, decline_code}:
        return AUTHENTICATION_REQUIRED, False
    known = next((one for one in (decline_code, code) if one in RETRYABLE or one in HARD), None)
    if known is None:
        return None
    return decline_code or known, _ADVICE.get(advice_code or "", known in RETRYABLE)

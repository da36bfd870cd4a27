"""What a card's holder reads about a decline. The codes are those that the payment adapter passes on.

A code that hints at fraud, theft or loss has the sentence of a decline without a reason: the bank tells its own
customer, nobody else should.
"""

AUTHENTICATION_REQUIRED = "authentication_required"
NO_PAYMENT_METHOD = "no_payment_method"
DISPUTE = "dispute"

UNNAMED = "Your bank declined the card and gave no reason."

_SENTENCES = {
    "There was not enough money on the card.": ("insufficient_funds",),
    "The card has expired.": ("expired_card", "expired_payment_method"),
    "Your bank wants you to confirm the payment.": (AUTHENTICATION_REQUIRED,),
    "The card has reached a limit that your bank has set.": (
        *("card_decline_rate_limit_exceeded", "card_velocity_exceeded", "withdrawal_count_limit_exceeded"),
    ),
    "Your bank could not process the payment at that time.": (
        *("approve_with_id", "issuer_not_available", "payment_method_provider_timeout", "processing_error"),
        *("reenter_transaction", "try_again_later"),
    ),
    "The bank treated it as a duplicate of another payment.": ("duplicate_transaction",),
    "Some details of the card are wrong.": (
        *("incorrect_address", "incorrect_cvc", "incorrect_number", "incorrect_postal_code", "incorrect_zip"),
        *("invalid_cvc", "invalid_expiry_month", "invalid_expiry_year", "invalid_number"),
    ),
    "The account behind the card is closed or has changed.": (
        *("invalid_account", "new_account_information_available"),
    ),
    "The card cannot be used for this payment.": (
        *("card_not_supported", "currency_not_supported", "invalid_amount", "invalid_card_type", "not_permitted"),
        *("service_not_allowed", "transaction_not_allowed", "live_mode_test_card", "testmode_decline"),
    ),
    "The card asks for a PIN, which cannot be entered here.": (
        *("incorrect_pin", "invalid_pin", "offline_pin_required", "online_or_offline_pin_required"),
        "pin_try_exceeded",
    ),
    "The permission to charge this card was withdrawn.": (
        *("india_recurring_payment_mandate_canceled", "payment_intent_mandate_invalid"),
        *("payment_method_customer_decline", "revocation_of_all_authorizations", "revocation_of_authorization"),
        "stop_payment_order",
    ),
    "Your account has no card that can be charged.": (NO_PAYMENT_METHOD,),
    "A payment with this card is disputed.": (DISPUTE,),
}
_SENTENCE_OF = {code: sentence for sentence, codes in _SENTENCES.items() for code in codes}


def sentence_of(code: str) -> str:
    """Why a card was declined, as one sentence for its holder. A code without one of its own gives no reason."""
    return _SENTENCE_OF.get(code, UNNAMED)

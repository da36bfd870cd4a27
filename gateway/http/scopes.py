"""What a key's scopes let it do."""

from typing import Final

CALLS: Final = "calls"
READ: Final = "accounts:read"
WRITE: Final = "accounts:write"
MONEY: Final = "money"
ADMIN: Final = "admin"  # Holds every other one.
ALL: Final = frozenset({CALLS, READ, WRITE, MONEY, ADMIN})

_OF_SCOPE = {
    CALLS: ("call-started", "call-ended"),
    WRITE: (
        *("account-opened", "feature-set", "redirect-set", "auto-refill-set", "alert-thresholds-set"),
        *("credits-purchase-requested", "payment-method-added", "payment-method-removed", "payment-method-defaulted"),
        *("plan-change-requested", "subscription-cancel-requested", "subscription-resume-requested"),
        *("billing-email-set", "billing-details-set"),
    ),
    MONEY: (
        *("credits-granted", "credits-refund-requested", "call-reclassified"),
        *("payment-succeeded", "payment-declined", "payment-reversed"),
    ),
    ADMIN: ("tax-rate-set", "phone-number-added", "phone-number-removed"),
}
# The scope that each type of input needs. Nobody may write `clock-ticked` through the gateway.
SCOPES: Final = {kind: scope for scope, kinds in _OF_SCOPE.items() for kind in kinds}

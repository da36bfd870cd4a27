"""Which inputs the contract lets in, written down field by field from its list."""

import re
from collections.abc import Callable
from typing import Any
from unicodedata import category

from tests.model.naive_time import instant

Wire = dict[str, Any]
Check = Callable[[Any], bool]

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:+@-]{1,128}")
_DIGITS = re.compile(r"\d(?:[ -]?\d)*")
LIMIT = 9 * 10**15


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_identifier(value: Any) -> bool:
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def is_call_id(value: Any) -> bool:
    """What SIP allows: printable ASCII without space."""
    return isinstance(value, str) and 1 <= len(value) <= 128 and all("!" <= letter <= "~" for letter in value)


def is_bought(value: Any) -> bool:
    """A purchase, or a refill, whose id has parts between slashes."""
    return isinstance(value, str) and is_identifier(value.replace("/", "-")[:128]) and len(value) <= 512


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_amount(value: Any) -> bool:
    return is_integer(value) and 0 < value < LIMIT


def is_signed_amount(value: Any) -> bool:
    return is_integer(value) and value != 0 and abs(value) < LIMIT


def is_fee_or_limit(value: Any) -> bool:
    return is_integer(value) and 0 <= value < LIMIT


def is_threshold(value: Any) -> bool:
    return is_integer(value) and abs(value) < LIMIT


def is_thresholds(value: Any) -> bool:
    return isinstance(value, list) and all(is_threshold(level) for level in value)


def is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and instant(value) is not None
    except ValueError:
        return False


def is_time_or_null(value: Any) -> bool:
    return value is None or is_time(value)


def one_of(*allowed: str) -> Check:
    return lambda value: isinstance(value, str) and value in allowed


def is_features(value: Any) -> bool:
    return isinstance(value, list) and all(one_of("live_agent", "appointment_booking")(item) for item in value)


def is_rate(value: Any) -> bool:
    return is_integer(value) and 0 <= value <= 1_000_000


def is_billing_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 500 and not any(category(c) == "Cc" for c in value)


def is_address(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > 500:
        return False
    lines = value.split("\n")
    return len(lines) <= 6 and all(is_billing_text(line) for line in lines)


def is_country(value: Any) -> bool:
    return value == "" or (isinstance(value, str) and re.fullmatch("[A-Z][A-Z]", value) is not None)


_DIRECTION = one_of("inbound", "outbound", "web")
_OUTCOME = one_of("completed", "no_answer", "busy", "failed", "canceled", "redirected")
_SWITCH = one_of("extra_calls", "live_agent", "appointment_booking")
_BRAND = one_of("visa", "mastercard", "american_express", "discover")

# Required fields of each input, then the optional ones: null counts as left out there.
FIELDS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "call-started": (
        {"call_id": is_call_id, "direction": _DIRECTION},
        {"from": is_text, "to": is_text, "leg_id": is_call_id},
    ),
    "call-ended": (
        {
            "call_id": is_call_id,
            "direction": _DIRECTION,
            "started_at": is_time,
            "answered_at": is_time_or_null,
            "outcome": _OUTCOME,
        },
        {"features": is_features, "real": is_flag, "leg_id": is_call_id},
    ),
    "call-reclassified": ({"call_id": is_call_id, "real": is_flag}, {"reason": is_text, "actor": is_text}),
    "account-opened": (
        {"plan": is_text},
        {"currency": is_text, "time_zone": is_text, "billing_email": is_text, "billing_from": is_time},
    ),
    "feature-set": ({"feature": _SWITCH, "enabled": is_flag}, {}),
    "redirect-set": ({"redirect_to": is_text}, {}),
    "auto-refill-set": (
        {"enabled": is_flag},
        {
            "amount_micros": is_amount,
            "threshold_micros": is_threshold,
            "payment_method_id": is_identifier,
            "monthly_limit_micros": is_fee_or_limit,
        },
    ),
    "alert-thresholds-set": ({"thresholds_micros": is_thresholds}, {}),
    "credits-purchase-requested": (
        {"purchase_id": is_identifier, "amount_micros": is_amount},
        {"payment_method_id": is_identifier},
    ),
    "credits-granted": (
        {"grant_id": is_identifier, "amount_micros": is_signed_amount, "reason": is_text, "actor": is_text},
        {},
    ),
    "credits-refund-requested": ({"purchase_id": is_bought}, {}),
    "payment-method-added": (
        {
            "payment_method_id": is_identifier,
            "token": is_text,
            "brand": _BRAND,
            "last4": is_text,
            "exp_month": is_integer,
            "exp_year": is_integer,
        },
        {},
    ),
    "payment-method-removed": ({"payment_method_id": is_identifier}, {}),
    "payment-method-defaulted": ({"payment_method_id": is_identifier}, {}),
    "payment-succeeded": ({"payment_id": is_text}, {"provider_reference": is_text}),
    "payment-declined": ({"payment_id": is_text, "reason": is_text, "retryable": is_flag}, {}),
    "payment-reversed": (
        {
            "payment_id": is_text,
            "amount_micros": is_amount,
            "kind": one_of("dispute", "dispute_won", "refund", "refund_failed"),
        },
        {"provider_reference": is_text},
    ),
    "subscription-cancel-requested": ({}, {"reason": is_text}),
    "subscription-resume-requested": ({}, {}),
    "plan-change-requested": ({"plan": is_text}, {}),
    "phone-number-added": ({"number": is_text, "monthly_fee_micros": is_fee_or_limit}, {}),
    "phone-number-removed": ({"number": is_text}, {}),
    "tax-rate-set": ({"rate_ppm": is_rate}, {}),
    "billing-email-set": ({"billing_email": is_text}, {}),
    "billing-details-set": (
        {},
        {"name": is_billing_text, "address": is_address, "country": is_country, "tax_id": is_billing_text},
    ),
    "clock-ticked": ({}, {}),
}


def arrived_ms(wire: Wire) -> int | None:
    """When the broker took it. It stands beside the input and is no field of it. Rule G2."""
    return None if wire.get("arrived_at") is None else instant(wire["arrived_at"])


def passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_issued(digits: str) -> bool:
    """Rule P16: the issuers' prefixes, each with the lengths of its numbers."""
    two, three, four, size = int(digits[:2]), int(digits[:3]), int(digits[:4]), len(digits)
    return (
        (digits[0] == "4" and size in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and size == 16)
        or (two in (34, 37) and size == 15)
        or ((four == 6011 or 644 <= three <= 649 or two in (65, 62) or 3528 <= four <= 3589) and 16 <= size <= 19)
        or ((300 <= three <= 305 or two in (36, 38, 39)) and 14 <= size <= 19)
        or ((two == 50 or 56 <= two <= 58 or 60 <= two <= 69) and 13 <= size <= 19)
    )


def holds_card_number(value: Any) -> bool:
    """Rule P16, for a run of 13 to 19 digits with single spaces or dashes between."""
    for run in _DIGITS.findall(str(value)):
        digits = re.sub("[ -]", "", run)
        if 13 <= len(digits) <= 19 and passes_luhn(digits) and is_issued(digits):
            return True
    return False


def answer_of(wire: Wire) -> Wire | None:
    """What a refused start is answered with, as far as the wire can be read; None for what is not answered. Rule X2."""
    if wire.get("type") != "call-started":
        return None
    if not is_identifier(wire.get("account_id")) or not is_call_id(wire.get("call_id")):
        return None
    checks: dict[str, Check] = {"direction": _DIRECTION, "from": is_text, "to": is_text}
    fields = {name: wire.get(name) if check(wire.get(name)) else None for name, check in checks.items()}
    caused_by = wire.get("id") if is_identifier(wire.get("id")) else None
    return {
        "type": "call-redirected",
        "reason": "refused",
        "caused_by": caused_by,
        "call_id": wire["call_id"],
        **fields,
    }


def refusal_of(wire: Wire) -> str | None:
    """The dead-letter code of an input that the contract does not let in, None for one that it does."""
    kind = wire.get("type")
    if not isinstance(kind, str) or kind not in FIELDS:
        return "unknown_type"
    if kind.startswith("payment-method-"):
        common = ("id", "account_id", "occurred_at")
        if any(holds_card_number(value) for name, value in wire.items() if name not in common):
            return "card_number_refused"
    required, optional = FIELDS[kind]
    account_is: Check = (lambda value: value == "*") if kind == "clock-ticked" else is_identifier
    required = {"id": is_identifier, "account_id": account_is, "occurred_at": is_time} | required
    if not all(name in wire and check(wire[name]) for name, check in required.items()):
        return "schema_invalid"
    if not all(check(wire[name]) for name, check in optional.items() if wire.get(name) is not None):
        return "schema_invalid"
    if kind == "call-ended":
        answered_at = wire["answered_at"] or wire["occurred_at"]
        in_order = instant(wire["started_at"]) <= instant(answered_at) <= instant(wire["occurred_at"])
        return None if in_order else "schema_invalid"
    return None

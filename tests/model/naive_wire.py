"""Which inputs the contract lets in, written down field by field from its list."""

import re
from collections.abc import Callable
from typing import Any

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


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_amount(value: Any) -> bool:
    return is_integer(value) and 0 < value < LIMIT


def is_signed_amount(value: Any) -> bool:
    return is_integer(value) and value != 0 and abs(value) < LIMIT


def is_level(value: Any) -> bool:
    return is_integer(value) and 0 <= value < LIMIT


def is_levels(value: Any) -> bool:
    return isinstance(value, list) and all(is_level(level) for level in value)


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


_DIRECTION = one_of("inbound", "outbound", "web")
_OUTCOME = one_of("completed", "no_answer", "busy", "failed", "canceled", "redirected")
_SWITCH = one_of("extra_calls", "live_agent", "appointment_booking")
_BRAND = one_of("visa", "mastercard", "american_express", "discover")

# Required fields of each input, then the optional ones: null counts as left out there.
FIELDS: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "call-started": ({"call_id": is_identifier, "direction": _DIRECTION}, {"from": is_text, "to": is_text}),
    "call-ended": (
        {
            "call_id": is_identifier,
            "direction": _DIRECTION,
            "started_at": is_time,
            "answered_at": is_time_or_null,
            "outcome": _OUTCOME,
        },
        {"features": is_features, "real": is_flag},
    ),
    "call-reclassified": ({"call_id": is_identifier, "real": is_flag}, {"reason": is_text, "actor": is_text}),
    "account-opened": ({"plan": is_text}, {"currency": is_text, "time_zone": is_text, "billing_email": is_text}),
    "feature-set": ({"feature": _SWITCH, "enabled": is_flag}, {}),
    "redirect-set": ({"redirect_to": is_text}, {}),
    "auto-refill-set": (
        {"enabled": is_flag},
        {
            "amount_micros": is_amount,
            "threshold_micros": is_level,
            "payment_method_id": is_text,
            "monthly_limit_micros": is_amount,
        },
    ),
    "alert-thresholds-set": ({"thresholds_micros": is_levels}, {}),
    "credits-purchase-requested": (
        {"purchase_id": is_text, "amount_micros": is_amount},
        {"payment_method_id": is_text},
    ),
    "credits-granted": (
        {"grant_id": is_text, "amount_micros": is_signed_amount, "reason": is_text, "actor": is_text},
        {},
    ),
    "credits-refund-requested": ({"purchase_id": is_text}, {}),
    "payment-method-added": (
        {
            "payment_method_id": is_text,
            "token": is_text,
            "brand": _BRAND,
            "last4": is_text,
            "exp_month": is_integer,
            "exp_year": is_integer,
        },
        {},
    ),
    "payment-method-removed": ({"payment_method_id": is_text}, {}),
    "payment-method-defaulted": ({"payment_method_id": is_text}, {}),
    "payment-succeeded": ({"payment_id": is_text}, {"provider_reference": is_text}),
    "payment-declined": ({"payment_id": is_text, "reason": is_text, "retryable": is_flag}, {}),
    "subscription-cancel-requested": ({}, {"reason": is_text}),
    "subscription-resume-requested": ({}, {}),
    "plan-change-requested": ({"plan": is_text}, {}),
    "phone-number-added": ({"number": is_text, "monthly_fee_micros": is_amount}, {}),
    "phone-number-removed": ({"number": is_text}, {}),
    "tax-rate-set": ({"rate_ppm": is_rate}, {}),
    "billing-email-set": ({"billing_email": is_text}, {}),
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


def holds_card_number(value: Any) -> bool:
    """Rule P16, for a run of 13 to 19 digits with single spaces or dashes between."""
    for run in _DIGITS.findall(str(value)):
        digits = re.sub("[ -]", "", run)
        if 13 <= len(digits) <= 19 and passes_luhn(digits):
            return True
    return False


def refusal_of(wire: Wire) -> str | None:
    """The dead-letter code of an input that the contract does not let in, None for one that it does."""
    kind = wire.get("type")
    if isinstance(kind, str) and kind.startswith("payment-method-"):
        common = ("id", "account_id", "occurred_at")
        if any(holds_card_number(value) for name, value in wire.items() if name not in common):
            return "card_number_refused"
    if not isinstance(kind, str):
        return "schema_invalid"
    if kind not in FIELDS:
        return "unknown_type"
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

"""Finding card numbers where only tokens belong. Rules M9 and P16."""

import re

_DIGITS_MIN, _DIGITS_MAX = 13, 19
_RUN = re.compile(r"[0-9]+(?:[ -][0-9]+)*")
_RUN_BYTES = re.compile(rb"[0-9]+(?:[ -][0-9]+)*")

# These are identities and a time, checked by their own patterns: rule P16 leaves them out.
_EXEMPT = frozenset({"id", "account_id", "occurred_at"})


def holds_card_number(event: object) -> bool:
    """Whether any value of a decoded payment-method input, known field or not, holds a card number."""
    if isinstance(event, dict):
        return any(_holds(name) or (name not in _EXEMPT and _holds(value)) for name, value in event.items())
    return _holds(event)


def bytes_hold_card_number(value: bytes) -> bool:
    """The same for bytes that may not be JSON at all."""
    return any(_is_card_number(run.decode()) for run in _RUN_BYTES.findall(value))


def _holds(value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, str):
        return any(_is_card_number(run) for run in _RUN.findall(value))
    if isinstance(value, int | float):
        return _holds(format(value, "d") if isinstance(value, int) else format(value, ".0f"))
    if isinstance(value, dict):
        return any(_holds(name) or _holds(inner) for name, inner in value.items())
    return isinstance(value, list) and any(_holds(inner) for inner in value)


def _is_card_number(run: str) -> bool:
    """Whether whole groups of a run of digits make a card number: the groups beside it may be a date or a code."""
    groups = re.split("[ -]", run)
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) > _DIGITS_MAX:
                break
            if len(digits) >= _DIGITS_MIN and _passes_luhn(digits):
                return True
    return False


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2:
            value = value * 2 - 9 * (value > 4)
        total += value
    return total % 10 == 0

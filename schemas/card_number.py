"""Finding card numbers where only tokens belong. Rules M9 and P16."""

import json
import re

from schemas.batch import Headers

_DIGITS_MIN, _DIGITS_MAX = 13, 19
_RUN = re.compile(r"[0-9]+(?:[ -][0-9]+)*")
_RUN_BYTES = re.compile(rb"[0-9]+(?:[ -][0-9]+)*")

# These are identities and a time, checked by their own patterns: rule P16 leaves them out.
_EXEMPT = frozenset({"id", "account_id", "occurred_at"})
# What stands for them in a CloudEvent; its data is looked at by itself.
_ATTRIBUTES_EXEMPT = frozenset({"id", "subject", "time", "data", "specversion"})


class _Pairs(list[tuple[str, object]]):
    """A JSON object with all its keys: of two equal ones a decoder keeps only the last."""


def holds_card_number(value: bytes) -> bool:
    """Whether any field of a payment-method input, known or not, at any depth, or any name holds a card number.

    `value` is JSON, flat or a CloudEvent in structured mode. Raises RecursionError when it is nested too deeply.
    """
    event = json.loads(value, object_pairs_hook=_Pairs)
    waiting: list[object] = [_without(event, _EXEMPT if _is_flat(event) else _ATTRIBUTES_EXEMPT)]
    waiting += [_without(data, _EXEMPT) for name, data in event if name == "data"]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _Pairs):
            for name, inner in part:
                waiting += (name, inner)
        elif isinstance(part, list):
            waiting += part
        elif _scalar_holds(part):
            return True
    return False


def _is_flat(event: _Pairs) -> bool:
    return all(name != "specversion" for name, _ in event)


def _without(part: object, exempt: frozenset[str]) -> object:
    return _Pairs(pair for pair in part if pair[0] not in exempt) if isinstance(part, _Pairs) else part


def record_may_hold_card_number(value: bytes | None, headers: Headers) -> bool:
    """Whether a record that was refused looks like a payment method with a card number somewhere in its bytes.

    The bytes may not be JSON at all, or hold a number where the decoder does not see it, such as behind a second
    equal key. Ids are looked at as well: a dead letter that is masked for nothing is better than a number that is
    kept.
    """
    parts = [value or b"", *(text for _, text in headers if text)]
    return any(b"payment-method-" in part for part in parts) and any(
        _is_card_number(run.decode()) for part in parts for run in _RUN_BYTES.findall(part)
    )


def _scalar_holds(value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, int | float):
        value = format(value, "d") if isinstance(value, int) else format(value, ".0f")
    return isinstance(value, str) and any(_is_card_number(run) for run in _RUN.findall(value))


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

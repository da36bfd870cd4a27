"""Finds card numbers where only tokens are allowed. Rules M9 and P16."""

import json
import re
from itertools import accumulate

from schemas.batch import Headers

_DIGITS_MIN, _DIGITS_MAX = 13, 19
_SEARCHED_BYTES_MAX = 1 << 16
_RUN = re.compile(r"[0-9]+(?:[ -][0-9]+)*")
_RUN_BYTES = re.compile(rb"[0-9]+(?:[ -][0-9]+)*")

# Identifiers and a time, which have patterns of their own: rule P16 exempts them.
_EXEMPT = frozenset({"id", "account_id", "occurred_at"})
# The same attributes of a CloudEvent; its data is searched separately.
_ATTRIBUTES_EXEMPT = frozenset({"id", "subject", "time", "data", "specversion"})


class _Pairs(list[tuple[str, object]]):
    """A JSON object with all its keys. A decoder would keep only the last of two equal keys."""


def holds_card_number(value: bytes) -> bool:
    """Whether any field of a payment-method input, known or not, at any depth, or any name holds a card number.

    `value` is JSON, flat or a CloudEvent in structured mode. Raises RecursionError when it is nested too deeply.
    """
    event = json.loads(value, object_pairs_hook=_Pairs, parse_int=str)  # An integer may have thousands of digits.
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


def record_may_hold_card_number(value: bytes | None, headers: Headers, *, of_no_type: bool = False) -> bool:
    """Whether a refused record looks like a payment method with a card number anywhere in its bytes. A record
    `of_no_type`, one whose type is unknown, may be anything: its value is always searched, up to the size of an input.

    The bytes may not be JSON, or they may hold a number where the decoder does not see it, such as behind a second
    equal key. Ids are searched as well, and parts that are too large to search count as holding a number: masking a
    dead letter needlessly is better than keeping a card number.
    """
    parts = [value or b"", *(text for _, text in headers if text)]
    if not any(b"payment-method-" in part for part in parts):
        return of_no_type and len(parts[0]) <= _SEARCHED_BYTES_MAX and _bytes_hold(parts[0])
    return any(len(part) > _SEARCHED_BYTES_MAX or _bytes_hold(part) for part in parts)


def _bytes_hold(part: bytes) -> bool:
    return any(_is_card_number(run.decode()) for run in _RUN_BYTES.findall(part))


def _scalar_holds(value: object) -> bool:
    if isinstance(value, float):
        value = format(value, ".0f")
    return isinstance(value, str) and text_holds_card_number(value)


def text_holds_card_number(text: str) -> bool:
    """Whether there is a card number anywhere in the text."""
    return any(_is_card_number(run) for run in _RUN.findall(text))


def _is_card_number(run: str) -> bool:
    """Whether consecutive whole groups of a run of digits form a card number: 13 to 19 digits that pass Luhn, with an
    issuer's prefix and length. Other groups of the run may be a date or a code. Takes time linear in the length of the
    run, because a large value may be one run of single digits.
    """
    groups = re.split("[ -]", run)
    ends = list(accumulate(map(len, groups), initial=0))
    if ends[-1] < _DIGITS_MIN:
        return False
    digits = "".join(groups)
    sums = [[so_far[end] for end in ends] for so_far in _luhn_sums(digits)]
    # A number of 13 to 19 digits that ends here begins at one of the groups from `low` to before `high`.
    low = high = 0
    for last, end in enumerate(ends):
        while end - ends[low] > _DIGITS_MAX:
            low += 1
        while end - ends[high] >= _DIGITS_MIN:
            high += 1
        so_far = sums[end % 2]
        for first in range(low, high):
            if so_far[first] == so_far[last] and _ISSUED.fullmatch(digits, ends[first], end):
                return True
    return False


# Prefixes and lengths of the issuers. Without them one number of ten would pass, stamps and ids among them.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d|62\d\d|352[89]|35[3-8]\d)\d{12,15}"
    r"|(?:30[0-5]|36\d|38\d|39\d)\d{11,16}"
    r"|(?:50|5[6-8]|6\d)\d{11,17}"
)


def _luhn_sums(digits: str) -> tuple[list[int], list[int]]:
    """Luhn's sums, modulo 10, of the first n digits for each n: for numbers that end at an even position, and at an odd
    one. A stretch of digits passes when the sums at its begin and at its end are equal.
    """
    values = digits.encode()
    doubled = values.translate(_DOUBLED)
    ends_even, ends_odd = bytearray(values), bytearray(values)
    ends_even[0::2] = doubled[0::2]
    ends_odd[1::2] = doubled[1::2]
    return _running(ends_even), _running(ends_odd)


def _running(values: bytearray) -> list[int]:
    return [total % 10 for total in accumulate((value - _ZERO for value in values), initial=0)]


_ZERO = ord("0")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")

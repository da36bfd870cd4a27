"""Finding card numbers among digits: as the rule says it, and in time that grows with the length alone. Rule P16."""

import random
import re

import pytest

from schemas.card_number import record_may_hold_card_number

CARD = "4242424242424242"


def passes_luhn(digits: str) -> bool:
    """As everybody writes it."""
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(number - 9 if number > 9 else number for number in doubled)) % 10 == 0


# Prefixes from - to, and the lengths of the numbers that begin so: rule P16 word for word.
ISSUERS = [
    ("4", "4", (13, 16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("6011", "6011", range(16, 20)),
    ("644", "649", range(16, 20)),
    ("65", "65", range(16, 20)),
    ("62", "62", range(16, 20)),
    ("3528", "3589", range(16, 20)),
    ("300", "305", range(14, 20)),
    ("36", "36", range(14, 20)),
    ("38", "38", range(14, 20)),
    ("39", "39", range(14, 20)),
    ("50", "50", range(13, 20)),
    ("56", "58", range(13, 20)),
    ("60", "69", range(13, 20)),
]


def is_issued(digits: str) -> bool:
    return any(first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in ISSUERS)


def with_check_digit(digits: str) -> str:
    return next(digits + str(check) for check in range(10) if passes_luhn(digits + str(check)))


def holds_card(run: str) -> bool:
    """Every stretch of whole groups, tried."""
    groups = re.split("[ -]", run)
    stretches = ("".join(groups[i:j]) for i in range(len(groups)) for j in range(i + 1, len(groups) + 1))
    return any(13 <= len(digits) <= 19 and passes_luhn(digits) and is_issued(digits) for digits in stretches)


def found(run: str) -> bool:
    return record_may_hold_card_number(f"payment-method-added {run}".encode(), ())


@pytest.mark.parametrize("seed", range(8))
def test_p16_a_number_is_found_in_whole_groups_and_nowhere_else(seed: int) -> None:
    drawn, hits = random.Random(seed), 0
    for _ in range(1_500):
        lengths = [drawn.choice([1, 2, 4, 5, 8, 13, 15, 16, 19, 25]) for _ in range(drawn.randrange(1, 6))]
        run = drawn.choice(" -").join(str(drawn.randrange(10**length)).zfill(length) for length in lengths)
        assert found(run) == holds_card(run), run
        hits += holds_card(run)
    assert 20 < hits < 1_000


# At the ends of each range of prefixes, and on either side, and in every hundred.
EDGES = {int(end.ljust(4, pad)) + step for row in ISSUERS for end in row[:2] for pad in "09" for step in (-1, 0, 1)}
PREFIXES = sorted({f"{number:04d}" for number in [*EDGES, *range(0, 10_000, 100)] if 0 <= number < 10_000})


# Each of these prefixes with each length: found exactly where it is an issuer's.
@pytest.mark.parametrize("length", range(12, 21))
def test_p16_a_number_has_an_issuers_prefix_and_length(length: int) -> None:
    wrong = [
        prefix
        for prefix in PREFIXES
        if found(digits := with_check_digit(prefix.ljust(length - 1, "7")))
        is not (13 <= length <= 19 and is_issued(digits))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424241",  # fails Luhn
        "1767225600000",  # a millisecond stamp that passes Luhn by chance, and others
        "1767225600026",
        "+15550100000000",
        "7992739871300001",
        "424242424242424242424242",  # 24 digits: a token
        "4242  4242  4242  4242",  # two blanks
        "4242.4242.4242.4242",
    ],
)
def test_p16_what_is_no_card_number(text: str) -> None:
    assert not found(text)


# Tried stretch by stretch this takes minutes, for one of the two thousand inputs of a batch: the watchdog ends the
# worker, at every start.
def test_p16_a_run_of_single_digits_does_not_hold_up_the_worker() -> None:
    value = b"payment-method-added " + b"7 " * 32_000
    for _ in range(100):
        assert not record_may_hold_card_number(value, ())
    assert record_may_hold_card_number(value + b"4 2 " * 8, ())


def test_p16_what_is_too_large_to_be_an_input_is_masked_unread() -> None:
    padding = b"x" * 70_000
    assert record_may_hold_card_number(b"payment-method-added" + padding, ())
    assert record_may_hold_card_number(b"payment-method-added", (("pad", padding),))
    assert not record_may_hold_card_number(CARD.encode() + padding, ())

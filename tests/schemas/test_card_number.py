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


def holds_card(run: str) -> bool:
    """Every stretch of whole groups, tried."""
    groups = re.split("[ -]", run)
    stretches = ("".join(groups[i:j]) for i in range(len(groups)) for j in range(i + 1, len(groups) + 1))
    return any(13 <= len(digits) <= 19 and passes_luhn(digits) for digits in stretches)


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
    assert 100 < hits < 1_000


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

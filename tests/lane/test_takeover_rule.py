"""Where a new owner starts, by the offsets of the partition's own row and of the group."""

import pytest

from schemas.rows import Checkpoint
from stream.lane.takeover import Answer, Found, How, Refusal, Start, decide, missing_state

ROW = Found(row=50, empty=False, inputs_begin=10)
NO_ROW = Found(row=None, empty=False, inputs_begin=10)
EMPTY = Found(row=None, empty=True, inputs_begin=10)
AGAIN = None


# The partition's own row has 50. (seconds, offset) of each answer of the group -> the decision after the last one.
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(0, 50)], Start(How.AGREED, 50)),
        ([(0, None)], AGAIN),
        ([(0, 20)], AGAIN),
        ([(0, 60)], AGAIN),
        ([(0, None), (0.2, 20), (0.4, 49), (0.6, 50)], Start(How.AGREED, 50)),
        ([(0, None), (4.9, None)], AGAIN),
        ([(0, None), (5.0, None)], Start(How.NO_GROUP, 50)),
        ([(0, None), (5.0, 20)], Start(How.GROUP_BEHIND, 50)),
        ([(0, 60), (4.9, 60)], AGAIN),
        ([(0, 60), (5.0, 60)], "ahead of the checkpoint"),
    ],
)
def test_the_row_decides_and_the_group_confirms(answers: list[tuple[float, int | None]], expected: object) -> None:
    check(ROW, answers, expected)


# State of an earlier version: rows, and none of the partition's own.
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(0, 50)], AGAIN),
        ([(0, 50), (0.9, 50)], AGAIN),
        ([(0, 50), (1.0, 50)], Start(How.NO_ROW, 50)),
        ([(0, 20), (0.6, 50), (1.0, 50)], AGAIN),
        ([(0, 20), (0.6, 50), (1.0, 50), (1.6, 50)], Start(How.NO_ROW, 50)),
        ([(0, 50), (0.5, None), (1.0, 50)], AGAIN),
        ([(0, None), (4.9, None)], AGAIN),
        ([(0, None), (5.0, None)], "neither a checkpoint nor the group"),
        ([(0, 20), (29.9, 30), (30.0, 20)], "do not agree"),
    ],
)
def test_without_a_row_the_group_must_agree_with_itself(
    answers: list[tuple[float, int | None]], expected: object
) -> None:
    check(NO_ROW, answers, expected)


# No state at all; inputs are kept from 10 on.
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(0, None)], Start(How.NEW, 10)),
        ([(0, 10)], Start(How.NEW, 10)),
        ([(0, 0)], Start(How.NEW, 10)),
        ([(0, 11)], AGAIN),
        ([(0, 11), (5.0, 11)], "the changelog is empty"),
        ([(0, 11), (0.2, None)], AGAIN),
        ([(0, 11), (5.0, None)], "the changelog is empty"),
    ],
)
def test_a_new_partition_begins_at_the_beginning(answers: list[tuple[float, int | None]], expected: object) -> None:
    check(EMPTY, answers, expected)


def check(found: Found, answers: list[tuple[float, int | None]], expected: object) -> None:
    decided = decide(found, [Answer(*answer) for answer in answers])
    if isinstance(expected, str):
        assert isinstance(decided, Refusal)
        assert expected in decided.reason
    else:
        assert decided == expected


@pytest.mark.parametrize(
    ("rows", "balances", "missing"),
    [
        (3, {"USD": 7}, None),
        (2, {"USD": 7}, "has 2 rows, its checkpoint counts 3"),
        (4, {"USD": 7}, "has 4 rows, its checkpoint counts 3"),
        (3, {"USD": 6}, "the balances sum to"),
        (3, {}, "the balances sum to"),
        (3, {"USD": 7, "EUR": 1}, "the balances sum to"),
    ],
)
def test_a_table_is_compared_with_its_own_row(rows: int, balances: dict[str, int], missing: str | None) -> None:
    found = missing_state(Checkpoint(50, 3, {"USD": 7}), rows, balances)
    assert (found is None) == (missing is None)
    assert (missing or "") in (found or "")

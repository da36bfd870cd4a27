"""What the generated histories draw from: times, amounts and outcomes near where the rules change their mind."""

from collections.abc import Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.model.history import DOLLAR
from tests.model.naive_time import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

Item = TypeVar("Item")

# Signups that try the calendar: a month's end, a leap day, zones away from UTC, a midnight that does not exist.
SIGNUPS = [
    ("2026-01-31T10:00:00.000Z", "UTC"),
    ("2026-03-15T23:59:59.999Z", "America/New_York"),
    ("2018-10-04T15:00:00.000Z", "America/Sao_Paulo"),
    ("2024-02-29T00:00:00.000Z", "Asia/Kolkata"),
]
# How time is known: by the ticks alone, by when each input arrived, or not at all.
TIMES = st.sampled_from(["ticks", "arrives", "unknown", "ticks", "arrives", "arrives, the clock stands still"])
ACCOUNTS = st.sampled_from(["a", "a", "a", "a", "b"])
PICKS = st.integers(0, 11)
GAPS = st.sampled_from([SECOND_MS, 0, 1, MINUTE_MS, HOUR_MS])
LENGTHS = st.sampled_from([MINUTE_MS, 0, 1_500, 20 * MINUTE_MS, 4 * HOUR_MS - 6 * SECOND_MS, 5 * HOUR_MS])
JUMPS = st.sampled_from([SECOND_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 6 * HOUR_MS, DAY_MS])
LONG_JUMPS = st.sampled_from([10 * DAY_MS, 20 * DAY_MS, 31 * DAY_MS, 36 * DAY_MS])
USED = st.sampled_from([[], ["live_agent"], ["appointment_booking"], ["live_agent", "appointment_booking"]])
SHIFTS = st.sampled_from([0, -1, 1, -2 * SECOND_MS, 3 * SECOND_MS, -HOUR_MS, HOUR_MS, -3 * DAY_MS, -20 * DAY_MS])
OUTCOMES = st.sampled_from(["completed"] * 6 + ["redirected", "failed", "no_answer"])
DOLLARS = st.sampled_from([6, 3, 10, 20, 5, 9, 15, 1])
ODD_AMOUNTS = st.sampled_from([10_000, 1, 10_010_000, 5_990_000, 40 * DOLLAR])
MAYBE = st.sampled_from([True, True, True, False])
# What is wrong with a start; `ahead` is an hour after everything else.
FAULTS: list[dict[str, Any]] = [
    {"direction": "sideways"},
    {"from": 7},
    {"id": None},
    {"occurred_at": "soon"},
    {"occurred_at": "ahead", "from": "+1556"},
    {"id": "a b", "occurred_at": None},
]
LEGS = st.sampled_from(["a", "b", "c", None])
# The fields of `History.end`. What an unanswered call reports may contradict itself; the rules say what counts.
ENDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"lasted_ms": LENGTHS, "answered": MAYBE, "outcome": OUTCOMES, "features": USED},
    optional={"real": st.sampled_from([False, True, None])},
)


def pick(items: Sequence[Item], number: int) -> Item | None:
    """The newest for 0, so that a short history stays short when it shrinks."""
    return items[-1 - number % len(items)] if items else None


def plain_end(used: list[str]) -> dict[str, Any]:
    return {"lasted_ms": 2 * SECOND_MS, "outcome": "completed", "features": used}


def leg_of(leg: str | None) -> dict[str, Any]:
    """The field that names a leg, left out for none."""
    return {} if leg is None else {"leg_id": leg}

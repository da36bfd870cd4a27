"""The arrival times of calls over the month, and their durations."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from random import Random

from schemas.instant import DAY_MS, HOUR_MS, SECOND_MS

# A month and three days: long enough for the renewal of every account and most retries of its declined payments.
DAYS = 34

# Relative number of calls in each hour of the day: small businesses, a peak before and one after lunch, a quiet night.
HOURLY_WEIGHTS = (2, 1, 1, 1, 1, 2, 5, 14, 38, 72, 88, 84, 62, 70, 86, 80, 68, 46, 28, 18, 12, 8, 5, 3)
# Relative number of calls on each day of the week, Monday first: most after the weekend, few on it.
DAILY_WEIGHTS = (108, 104, 102, 100, 90, 38, 16)
_EPOCH_WEEKDAY = 3  # 1 January 1970 was a Thursday.

TALK_SIGMA = 0.9  # Talk times have a long tail: one call in a hundred takes eight times as long as the median.


@lru_cache(maxsize=len(DAILY_WEIGHTS))
def _cumulative(weekday: int) -> tuple[int, ...]:
    """Relative number of calls before each hour of a month whose first day is that day of the week."""
    days = (DAILY_WEIGHTS[(weekday + day) % len(DAILY_WEIGHTS)] for day in range(DAYS))
    return (0, *accumulate(day * hour for day in days for hour in HOURLY_WEIGHTS))


def moment(share: float, midnight_ms: int) -> int:
    """The moment (epoch ms) at which `share` (0 to 1) of the calls of the month from `midnight_ms` have arrived."""
    cumulative = _cumulative((midnight_ms // DAY_MS + _EPOCH_WEEKDAY) % len(DAILY_WEIGHTS))
    weight = share * cumulative[-1]
    hour = min(bisect_right(cumulative, weight), len(cumulative) - 1) - 1
    within = (weight - cumulative[hour]) / (cumulative[hour + 1] - cumulative[hour])
    return midnight_ms + int((hour + within) * HOUR_MS)


def arrivals(count: int, midnight_ms: int, rng: Random) -> Iterator[int]:
    """Exactly `count` ordered moments (epoch ms) that follow the weights, drawn one by one to save memory."""
    share = 0.0
    for left in range(count, 0, -1):
        # The smallest of `left` uniform draws above `share`, drawn directly (order statistics).
        share += (1 - share) * (1 - float((1 - rng.random()) ** (1 / left)))
        yield moment(share, midnight_ms)


def talk_ms(median_s: int, rng: Random) -> int:
    """Talk time of an answered call (ms)."""
    return int(median_s * SECOND_MS * rng.lognormvariate(0, TALK_SIGMA))

"""When calls come in over a day, and how long they last."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from random import Random

from schemas.instant import HOUR_MS, SECOND_MS

# Relative number of calls in each hour of the day: small businesses, a peak before and one after lunch, a quiet night.
HOURLY_WEIGHTS = (2, 1, 1, 1, 1, 2, 5, 14, 38, 72, 88, 84, 62, 70, 86, 80, 68, 46, 28, 18, 12, 8, 5, 3)
_CUMULATIVE = (0, *accumulate(HOURLY_WEIGHTS))
_TOTAL = _CUMULATIVE[-1]

# Talking times have a long tail: the median is a minute and a half, one call in a hundred takes over 12 minutes.
TALK_MEDIAN_S = 90
TALK_SIGMA = 0.9


def moment_of_day(share: float) -> int:
    """Milliseconds after midnight by which `share` (0 to 1) of the day's calls have come in."""
    weight = share * _TOTAL
    hour = min(bisect_right(_CUMULATIVE, weight), len(HOURLY_WEIGHTS)) - 1
    return int((hour + (weight - _CUMULATIVE[hour]) / HOURLY_WEIGHTS[hour]) * HOUR_MS)


def arrivals(count: int, midnight_ms: int, rng: Random) -> Iterator[int]:
    """Exactly `count` ordered moments (epoch ms) that follow the hourly curve, without holding them all in memory."""
    share = 0.0
    for left in range(count, 0, -1):
        # The smallest of `left` uniform draws above `share`, drawn directly: order statistics one after the other.
        share += (1 - share) * (1 - float((1 - rng.random()) ** (1 / left)))
        yield midnight_ms + moment_of_day(share)


def talk_ms(rng: Random) -> int:
    """How long an answered call lasts."""
    return int(TALK_MEDIAN_S * SECOND_MS * rng.lognormvariate(0, TALK_SIGMA))

"""Limits on how often a caller may ask: token buckets, in each process."""

import math
from collections.abc import Callable, Hashable

from gateway.http.problem import Problem

# Beyond this many, buckets that are full again are forgotten.
BUCKETS_MAX = 10_000


class Buckets:
    """Token buckets by name, full at first. Each fills with its rate per second, up to as much as one second gives."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._left: dict[Hashable, tuple[float, float, int]] = {}  # Tokens, at which time, and the rate.

    def take(self, name: Hashable, rate: int, tokens: int = 1) -> float:
        """Take `tokens` from a bucket. Returns 0, or the seconds until they are there: then none were taken."""
        now_s = self._now_s()
        left, since_s, _ = self._left.get(name, (float(rate), now_s, rate))
        left = min(float(rate), left + (now_s - since_s) * rate)
        if left < tokens:
            self._left[name] = (left, now_s, rate)
            return (tokens - left) / rate
        if len(self._left) >= BUCKETS_MAX and name not in self._left:
            self._forget(now_s)
        self._left[name] = (left - tokens, now_s, rate)
        return 0.0

    def _forget(self, now_s: float) -> None:
        full = [name for name, (left, at_s, rate) in self._left.items() if left + (now_s - at_s) * rate >= rate]
        for name in full or list(self._left)[: BUCKETS_MAX // 10]:
            del self._left[name]


def rate_limited(wait_s: float, detail: str) -> Problem:
    return Problem("rate_limited", detail, headers=[("Retry-After", str(max(1, math.ceil(wait_s))))])

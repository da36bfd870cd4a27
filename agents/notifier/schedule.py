"""When a failed attempt is made again."""

import random

from schemas.instant import SECOND_MS

# A target that asks for more is tried again after this long.
RETRY_AFTER_S_MAX = 86_400
JITTER = 0.1


def next_due_ms(delays_ms: tuple[int, ...], failed: int, after_s: int | None, ended_ms: int) -> int | None:
    """When the attempt after `failed` ones is due, counted from the end of the last; None when there is none left.

    A delay is lengthened by up to a tenth, so that not all that failed at once comes at once. What the target asks for
    replaces a shorter delay.
    """
    if failed > len(delays_ms):
        return None
    wanted_ms = min(after_s or 0, RETRY_AFTER_S_MAX) * SECOND_MS
    delay_ms = max(delays_ms[failed - 1], wanted_ms)
    return ended_ms + delay_ms + int(delay_ms * JITTER * random.random())  # noqa: S311 no secret

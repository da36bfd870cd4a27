"""The plans of a run: the shipped ones with a longer wait for refills, which a compressed month would always exceed."""

import re

from schemas.instant import MINUTE_MS, SECOND_MS

# The real time from a payment request to its answer in the log is short, but it is hours of virtual time.
UNRESOLVED_AFTER_S = 4
UNRESOLVED_MIN_MS = 15 * MINUTE_MS
_UNRESOLVED = re.compile(r"^refill_unresolved_ms *= *[0-9_]+", re.MULTILINE)


def unresolved_ms(speed_up: float) -> int:
    """Virtual ms after which a refill without an answer is unresolved: the longer of 15 minutes and four real
    seconds.
    """
    return max(UNRESOLVED_MIN_MS, round(UNRESOLVED_AFTER_S * speed_up) * SECOND_MS)


def with_longer_wait(catalogue: str, speed_up: float) -> str:
    """The text of a plan catalogue with that wait for the answer to a refill."""
    text, found = _UNRESOLVED.subn(f"refill_unresolved_ms = {unresolved_ms(speed_up)}", catalogue)
    assert found == 1, "the catalogue sets refill_unresolved_ms once"
    return text

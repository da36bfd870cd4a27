"""The plans of a run: those shipped, but for one limit that a compressed month would pass all the time."""

import re

from schemas.instant import MINUTE_MS, SECOND_MS

# From a request over the provider to the answer in the log it is a moment for people and hours of virtual time.
UNRESOLVED_AFTER_S = 4
UNRESOLVED_MIN_MS = 15 * MINUTE_MS
_UNRESOLVED = re.compile(r"^refill_unresolved_ms *= *[0-9_]+", re.MULTILINE)


def unresolved_ms(speed_up: float) -> int:
    """After how many virtual ms a refill without an answer is unresolved: 15 minutes, or four seconds of ours."""
    return max(UNRESOLVED_MIN_MS, round(UNRESOLVED_AFTER_S * speed_up) * SECOND_MS)


def patient(catalogue: str, speed_up: float) -> str:
    """The text of a plan catalogue, waiting so long for the answer to a refill."""
    text, found = _UNRESOLVED.subn(f"refill_unresolved_ms = {unresolved_ms(speed_up)}", catalogue)
    assert found == 1, "the catalogue says once when a refill is unresolved"
    return text

"""Where the reading of a partition begins: decided from what Redis remembers and what the log holds."""

from dataclasses import dataclass
from enum import StrEnum

# Another Redis may lack the last writes of the one before. It is read again from this long before.
BACK_MS = 60_000


class Why(StrEnum):
    """Why reading begins where it does; a label of a metric."""

    RESUMED = "resumed"
    MISSING = "missing"
    OUTSIDE = "outside_the_log"
    OTHER_REDIS = "other_redis"


@dataclass(frozen=True, slots=True)
class Start:
    """The first offset to read."""

    offset: int
    why: Why


def start_of(stored: bytes | None, begin: int, end: int, back: int | None) -> Start:
    """The start of a partition of a topic, whose log holds offsets from `begin` to before `end`.

    `stored` is the next offset as Redis has it. `back`, the offset of a minute before, is given when Redis is not the
    one that the partition was written to.
    """
    if stored is None or not stored.isdigit():
        return Start(begin, Why.MISSING)
    offset = int(stored)
    if not begin <= offset <= end:
        return Start(begin, Why.OUTSIDE)
    if back is not None:
        return Start(max(begin, min(offset, back)), Why.OTHER_REDIS)
    return Start(offset, Why.RESUMED)

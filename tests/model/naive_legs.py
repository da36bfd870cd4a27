"""Legs in the naive model: the ends of a call sorted into legs, and what they come to together. Rules L1 to L3, G7."""

from dataclasses import dataclass

from tests.model.naive_time import instant
from tests.model.naive_wire import Wire

LEGS_MAX = 32


@dataclass(frozen=True)
class Whole:
    """A call as all its legs report it. `talked_ms` is from the first answer to the last end, 0 where no leg counts."""

    started_ms: int
    direction: str
    counts: bool
    is_real: bool
    talked_ms: int
    ended_ms: int
    features: frozenset[str]


def whole_of(ends: list[Wire]) -> Whole:
    """`ends` in order of arrival."""
    standing = {end.get("leg_id"): end for end in ends}
    first = min(standing.values(), key=lambda end: (instant(end["started_at"]), end.get("leg_id") or ""))
    answered = [end for end in standing.values() if end["answered_at"] is not None]
    counting = [end for end in answered if end["outcome"] != "redirected"]
    talked_ms = 0
    if counting:
        last_ms = max(instant(end["occurred_at"]) for end in counting)
        talked_ms = last_ms - min(instant(end["answered_at"]) for end in counting)
    return Whole(
        started_ms=instant(first["started_at"]),
        direction=first["direction"],
        counts=bool(counting),
        is_real=all(end.get("real") is not False for end in counting),
        talked_ms=talked_ms,
        ended_ms=max(instant(end["occurred_at"]) for end in counting or answered or standing.values()),
        features=frozenset(feature for end in counting for feature in end.get("features") or []),
    )


def has_too_many_legs(starts: list[Wire], ends: list[Wire], wire: Wire) -> bool:
    """Whether the input would be about one leg more than a call may have. A start without an id names no leg."""
    legs = {start["leg_id"] for start in starts if start.get("leg_id")} | {end.get("leg_id") for end in ends}
    names_one = wire["type"] == "call-ended" or wire.get("leg_id") is not None
    return names_one and wire.get("leg_id") not in legs and len(legs) >= LEGS_MAX

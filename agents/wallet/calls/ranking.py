"""The order of a period's counted calls, and which calls cross the end of the included ones when it changes. Rules C18
and P2.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from agents.wallet.turn import Turn
from schemas.call import Call, is_counted, rank_of

Rank = tuple[int, str]


def rerank(turn: Turn, call_id: str, before: Call, after: Call) -> tuple[int, list[tuple[str, int]]]:
    """Count a call where it now belongs. Returns its place in its period, 0 if it does not count, and the other calls
    that cross the end of the included calls: by rank, each with its new place.
    """
    out = rank_of(call_id, before.end) if before.end is not None and is_counted(before) else None
    into = rank_of(call_id, after.end) if after.end is not None and is_counted(after) else None
    if out is not None and into is not None and before.period_start_ms == after.period_start_ms:
        return _move_within(turn, after, out, into)
    left = [] if out is None else _leave(turn, before, out)
    ordinal, entered = (0, []) if into is None else _enter(turn, after, into)
    return ordinal, [(call_id, place) for (_, call_id), place in sorted(left + entered)]


def _move_within(turn: Turn, call: Call, out: Rank, into: Rank) -> tuple[int, list[tuple[str, int]]]:
    ranked, forgotten = _ranked(turn, call)
    removed = position(ranked, out)
    added = position(ranked, into) - (out < into)
    moved = [] if out == into else crossings(ranked, removed, added, _boundaries(turn, forgotten))
    return added + forgotten, [(call_id, place + forgotten) for (_, call_id), place in moved]


def _leave(turn: Turn, call: Call, out: Rank) -> list[tuple[Rank, int]]:
    ranked, forgotten = _ranked(turn, call)
    period = turn.period(call.started_at_ms)
    turn.put_period(replace(period, counted_calls=max(0, period.counted_calls - 1)))
    crossed = crossings(ranked, position(ranked, out), None, _boundaries(turn, forgotten))
    return [(rank, place + forgotten) for rank, place in crossed]


def _enter(turn: Turn, call: Call, into: Rank) -> tuple[int, list[tuple[Rank, int]]]:
    period = turn.period(call.started_at_ms)
    ranked = turn.view.ranked(turn.account_id, call.period_start_ms)
    forgotten = max(0, period.counted_calls - len(ranked))
    turn.put_period(replace(period, counted_calls=period.counted_calls + 1))
    place = position(ranked, into)
    if place > len(ranked):
        return place + forgotten, []
    crossed = crossings(ranked, None, place, _boundaries(turn, forgotten))
    return place + forgotten, [(rank, other + forgotten) for rank, other in crossed]


def _ranked(turn: Turn, call: Call) -> tuple[Sequence[Rank], int]:
    """The ranked calls of the call's period, and the number of counted calls past the correction horizon, which come
    before all of them.
    """
    ranked = turn.view.ranked(turn.account_id, call.period_start_ms)
    return ranked, max(0, turn.period(call.started_at_ms).counted_calls - len(ranked))


def _boundaries(turn: Turn, forgotten: int) -> list[int]:
    """Where the included calls end, for all terms in force. A call is charged by the terms of its start (rule G9)."""
    return [allowance - forgotten for allowance in turn.view.allowances() if allowance >= forgotten]


def position(ranked: Sequence[Rank], rank: Rank) -> int:
    """The place of `rank` among `ranked`, from 1, whether `ranked` contains it or not."""
    if not ranked or rank > ranked[-1]:
        return len(ranked) + 1
    return bisect_left(ranked, rank) + 1


def crossings(
    ranked: Sequence[Rank], removed: int | None, added: int | None, boundaries: Iterable[int]
) -> list[tuple[Rank, int]]:
    """The calls that cross a boundary when one call leaves or enters, or both: in order, each with its new place.

    `removed` is the place of the call that leaves, `added` the place of the call that enters after the other has left.
    A boundary lies between the place of that number and the next.
    """
    never = len(ranked) + 2
    out = never if removed is None else removed
    into = never if added is None else added
    crossed = []
    for boundary in boundaries:
        if out <= boundary < into and len(ranked) > boundary:
            crossed.append((ranked[boundary], boundary))
        elif into <= boundary < out and len(ranked) >= boundary > 0:
            crossed.append((ranked[boundary - 1], boundary + 1))
    return sorted(crossed)

"""A call that is reported by legs: which legs have started and ended, and what their ends come to together.

Rules L1 to L5. A call without `leg_id` has none of this: its end is the whole call.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from agents.wallet.turn import Effect, Refusal, Turn
from schemas.call import REDIRECTED, Call, Details, End, Leg
from schemas.inputs import CallEnded

# A call has at most this many legs, by starts and ends together. Rule L3.
LEGS_MAX = 32

_TOO_MANY = Refusal("schema_invalid", f"the call has {LEGS_MAX} legs already: `leg_id` would be one more")
_NO_DETAILS = Details()


class Report(NamedTuple):
    """What an end event does to its call.

    `end` is the end of the whole call as it now stands. `stays_open` is whether another leg has started and not ended.
    `correction` is the reason of an adjustment, None for the call's first end.
    """

    end: End
    details: Details | None
    stays_open: bool
    correction: str | None


def report_end(call: Call, event: CallEnded, end: End) -> Report | Effect | Refusal:
    """Add an end to its call. Of two ends of one leg the later arrival stands. Rules L1, L3 and P5."""
    details = call.details
    if event.leg_id is not None or (details is not None and details.legs):
        return _report_leg(call, event, end)
    if call.end is None:
        return Report(end, details, stays_open=False, correction=None)
    if call.end == end:
        return Effect.REPEAT
    return Report(
        end, replace(details or _NO_DETAILS, end_id=event.id), stays_open=False, correction="contradicting_end"
    )


def _report_leg(call: Call, event: CallEnded, end: End) -> Report | Effect | Refusal:
    leg_id, legs = event.leg_id or "", legs_of(call)
    before = legs.get(leg_id)
    if before is None and len(legs) >= LEGS_MAX:
        return _TOO_MANY
    if before is not None and before.end == end:
        return Effect.REPEAT
    legs[leg_id] = Leg(leg_id, before is not None and before.started, end, event.id)
    correction = "leg" if before is None or before.end is None else "contradicting_end"
    return Report(
        end=_whole_call([leg.end for leg in in_order(legs.values()) if leg.end is not None]),
        details=replace(call.details or _NO_DETAILS, legs=tuple(legs.values())),
        # An end without `leg_id` ends every leg that has started (rule L1).
        stays_open=call.open and bool(leg_id) and any(leg.started and leg.end is None for leg in legs.values()),
        correction=None if call.end is None else correction,
    )


def start_leg(turn: Turn, call_id: str, call: Call, leg_id: str) -> Effect | Refusal:
    """Remember that another leg of a known call has started. There is no second decision and no second hold. Rule
    L5.
    """
    legs = legs_of(call)
    leg = legs.get(leg_id)
    if leg is None and len(legs) >= LEGS_MAX:
        return _TOO_MANY
    if leg is None or not leg.started:
        legs[leg_id] = Leg(leg_id, started=True) if leg is None else replace(leg, started=True)
        turn.put_call(call_id, replace(call, details=replace(call.details or _NO_DETAILS, legs=tuple(legs.values()))))
    return Effect.REPEAT


def first_leg(leg_id: str) -> Details:
    """The details of a call whose first start names a leg."""
    return Details(legs=(Leg(leg_id, started=True),))


def in_order(legs: Iterable[Leg]) -> list[Leg]:
    """The legs that have ended, in order of (`started_at`, `leg_id`); at the same time the one without id first. Rule
    L2.
    """
    ended = [(leg.end.started_at_ms, leg.leg_id, leg) for leg in legs if leg.end is not None]
    return [leg for _, _, leg in sorted(ended, key=lambda entry: entry[:2])]


def legs_of(call: Call) -> dict[str, Leg]:
    """The legs of a call so far, by id. An end that came without `leg_id` is a leg of its own. Rule L1."""
    details = call.details or _NO_DETAILS
    if details.legs or call.end is None:
        return {leg.leg_id: leg for leg in details.legs}
    return {"": Leg("", end=call.end, end_id=details.end_id or call.input_ids[-1])}


def _whole_call(ends: Sequence[End]) -> End:
    """The end of the whole call, from the ends of its legs in order. Rules L1 and L2.

    The first leg gives direction and start. The legs that count give the rest: from the first answer to the last end,
    features united, real unless one of them is not. Where none counts, the legs that were answered, and thus
    redirected, give the rest, or else all.
    """
    answered = [end for end in ends if end.answered_at_ms is not None]
    shown = [end for end in answered if end.outcome != REDIRECTED] or answered or ends
    last = max(shown, key=_ended_at_ms)
    return End(
        started_at_ms=ends[0].started_at_ms,
        answered_at_ms=min((end.answered_at_ms for end in shown if end.answered_at_ms is not None), default=None),
        ended_at_ms=last.ended_at_ms,
        direction=ends[0].direction,
        outcome=last.outcome,
        features=tuple(sorted({feature for end in shown for feature in end.features})),
        real=all(end.real for end in shown),
    )


def _ended_at_ms(end: End) -> int:
    return end.ended_at_ms

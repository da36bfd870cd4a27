"""The call row of the wallet agent, kept from the call's first input to the end of the correction horizon (rule G4)."""

from schemas.account import Row

ADMITTED = "admitted"
REDIRECTED = "redirected"
UNGATED = "none"


class End(Row, frozen=True, array_like=True):
    """The call's end, as in the `call-ended` in force. `features` are the ones reported as used, sorted, each once."""

    started_at_ms: int
    answered_at_ms: int | None
    ended_at_ms: int
    direction: str
    outcome: str
    features: tuple[str, ...]
    real: bool


class Reclassification(Row, frozen=True, array_like=True):
    """The reclassification in force: the one with the greatest (`occurred_at_ms`, `input_id`). Rule P5."""

    occurred_at_ms: int
    input_id: str
    real: bool


class Rated(Row, frozen=True, array_like=True):
    """How a call was rated on a minutes plan. Before the call the period had used `before_ms`; the call itself uses
    `used_ms`; `card_micros` is the card's part of its cost (rules M5 and P3).
    """

    before_ms: int
    used_ms: int = 0
    card_micros: int = 0


class Leg(Row, frozen=True, array_like=True):
    """A leg of a call (rule L1). `leg_id` is empty for the leg of the ends without one.

    `started` is whether a start has named the leg. `end` is its end in force and `end_id` the id of that input.
    """

    leg_id: str
    started: bool = False
    end: End | None = None
    end_id: str = ""


class Details(Row, frozen=True, array_like=True):
    """What only few calls have.

    `legs` are the legs of a call that was reported by legs, in order of arrival. `end_id` is the id of the end in
    force where that is not the first end. `overlong_alerted` is whether `call-overlong` has been raised (rule G7).
    `after_subscription` is whether the call started after its subscription had ended: then it has no included minutes
    (rule M8).
    """

    legs: tuple[Leg, ...] = ()
    end_id: str = ""
    overlong_alerted: bool = False
    after_subscription: bool = False


class Call(Row, frozen=True, array_like=True):
    """One call. `input_ids` are the ids of its start and of its first end. `end` is the end of the whole call: with
    legs, what they come to together (rules L1 and L2).

    `gate` is the gate's decision, `none` for a call that did not pass the gate. `features` are the switches active on
    the call (rules C11 and G9), `plan` and `plan_version` the terms in force when it started. `ordinal` is the call's
    place in its period when it was last charged, 0 when it does not count. `charged_micros` is what it costs now, all
    adjustments included. `rated` is set once a minutes plan has rated the call. An `open` call was admitted, and a leg
    of it has started and not ended; it may have a hold (rule L5). `due_ms` is when its hold expires, or when it is
    forgotten.
    """

    input_ids: tuple[str, ...] = ()
    gate: str = UNGATED
    started_at_ms: int = 0
    period_start_ms: int = 0
    plan: str = ""
    plan_version: int = 0
    features: tuple[str, ...] = ()
    hold_micros: int = 0
    open: bool = False
    due_ms: int = 0
    end: End | None = None
    reclassification: Reclassification | None = None
    ordinal: int = 0
    charged_micros: int = 0
    adjustments: int = 0
    held_extra: bool = False
    rated: Rated | None = None
    details: Details | None = None


def is_real(call: Call) -> bool:
    """Whether the call is real. A reclassification overrides the end event, even if it came first. Rule P5."""
    if call.reclassification is not None:
        return call.reclassification.real
    return call.end is not None and call.end.real


def reported_ms(end: End) -> int:
    """Milliseconds from answer to end, 0 for a call that was not answered or was redirected. Rule G7."""
    if end.answered_at_ms is None or end.outcome == REDIRECTED:
        return 0
    return end.ended_at_ms - end.answered_at_ms


def billable_ms(end: End, longest_call_ms: int) -> int:
    """The reported time, at most the longest call of the call's own plan. Rule G7."""
    return min(reported_ms(end), longest_call_ms)


def is_counted(call: Call) -> bool:
    """Whether the call counts: answered, real, and redirected neither by the gate nor at its end. Rules P4 and P5."""
    end = call.end
    if end is None or end.answered_at_ms is None or end.outcome == REDIRECTED or call.gate == REDIRECTED:
        return False
    return is_real(call)


def is_ranked(call: Call) -> bool:
    """Whether the call is ranked among the calls of its period. Calls of minutes plans are rated in order of arrival
    instead (rule P3).
    """
    return call.rated is None and is_counted(call)


def rank_of(call_id: str, end: End) -> tuple[int, str]:
    """The sort key of a counted call among the calls of its period. Rule P2."""
    return end.started_at_ms, call_id

"""A call as the wallet agent keeps it, from its first input to the end of the correction horizon (rule G4)."""

from schemas.account import Row

ADMITTED = "admitted"
REDIRECTED = "redirected"
UNGATED = "none"


class End(Row, frozen=True, array_like=True):
    """What the standing end event says. `features` are those reported as used, sorted, each once."""

    started_at_ms: int
    answered_at_ms: int | None
    ended_at_ms: int
    direction: str
    outcome: str
    features: tuple[str, ...]
    real: bool


class Reclassification(Row, frozen=True, array_like=True):
    """The standing word on whether the call was real: the one with the greatest (`occurred_at_ms`, `input_id`). Rule
    P5.
    """

    occurred_at_ms: int
    input_id: str
    real: bool


class Rated(Row, frozen=True, array_like=True):
    """How a call stands on a minutes plan. The period had used `before_ms` when it was rated, of which it uses
    `used_ms` itself now; `card_micros` of what it costs went to the card (rules M5 and P3).
    """

    before_ms: int
    used_ms: int = 0
    card_micros: int = 0


class Call(Row, frozen=True, array_like=True):
    """One call. `input_ids` are the ids of its start and of its first end: first field, so that a restore can read
    them alone.

    `gate` is what the gate decided, `none` for a call that it never saw. `features` are the switches active on this
    call (rules C11 and G9); `plan` and `plan_version` those in force when it started. `ordinal` is the call's place
    in its period when it was last charged, 0 when it does not count; `charged_micros` is what it costs now, all
    adjustments included; `rated` is there once a minutes plan has rated it. `due_ms` is when its hold expires, or when
    it is forgotten.
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


def is_real(call: Call) -> bool:
    """A reclassification beats the end's own word, even when it came first. Rule P5."""
    if call.reclassification is not None:
        return call.reclassification.real
    return call.end is not None and call.end.real


def is_counted(call: Call) -> bool:
    """Answered, real, redirected neither by the gate nor in the end. Rules P4 and P5."""
    end = call.end
    if end is None or end.answered_at_ms is None or end.outcome == REDIRECTED or call.gate == REDIRECTED:
        return False
    return is_real(call)


def is_ranked(call: Call) -> bool:
    """Whether the call has a place among those of its period: minutes are rated in order of arrival instead (rule
    P3).
    """
    return call.rated is None and is_counted(call)


def rank_of(call_id: str, end: End) -> tuple[int, str]:
    """Where a counted call stands among those of its period. Rule P2."""
    return end.started_at_ms, call_id

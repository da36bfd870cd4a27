"""The calls of the account's day: what became of each, and what they cost."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.portal.visit import Visit
from gateway.reads import calls
from gateway.reads.calls import Call
from gateway.reads.cursor import Asked
from gateway.reads.log_order import STEP_ROWS

# More calls of one day are not read for one page: the numbers are then those of the newest ones.
CALLS_MAX = 1_000
ANSWERED, REDIRECTED, MISSED, OPEN = "answered", "redirected", "missed", "open"
# The outcomes in the order of the page, with the kind of their status.
OUTCOMES: Final = (
    (ANSWERED, "fine", "answered"),
    (REDIRECTED, "attention", "redirected"),
    (MISSED, "waiting", "not answered"),
    (OPEN, "waiting", "in progress"),
)


@dataclass(frozen=True, slots=True)
class Today:
    """`outcomes` counts calls by outcome, `reasons` the redirected ones by why; `more`: there were more than these."""

    outcomes: Counter[str]
    reasons: Counter[str]
    cost_micros: int
    more: bool

    @property
    def calls(self) -> int:
        return self.outcomes.total()


async def calls_today(visit: Visit) -> Today:
    asked, after = Asked(from_ms=visit.words.today_began_ms()), None
    found: list[Call] = []
    while True:
        places = await calls.places(visit.source, after, asked, STEP_ROWS)
        found += await calls.joined(visit.source, places)
        if len(places) < STEP_ROWS or len(found) >= CALLS_MAX:
            return _counted(found[:CALLS_MAX], more=len(places) == STEP_ROWS)
        after = places[-1]


def _counted(found: Iterable[Call], *, more: bool) -> Today:
    outcomes, reasons, cost_micros = Counter[str](), Counter[str](), 0
    for call in found:
        decision = None if call.decision is None else orjson.loads(call.decision)
        outcome = outcome_of(decision, None if call.charge is None else orjson.loads(call.charge))
        outcomes[outcome] += 1
        if outcome == REDIRECTED and decision is not None:
            reasons[decision["reason"]] += 1
        cost_micros += (call.charged_micros() or 0) + call.adjusted_micros()
    return Today(outcomes, reasons, cost_micros, more)


def outcome_of(decision: dict[str, Any] | None, charge: dict[str, Any] | None) -> str:
    """What became of a call, as far as it is known."""
    if decision is not None and decision["type"] == "call-redirected":
        return REDIRECTED
    if charge is None:
        return OPEN
    if charge["receipt"]["outcome"] == "redirected":
        return REDIRECTED
    return MISSED if charge["receipt"]["answered_at"] is None else ANSWERED

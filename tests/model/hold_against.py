"""One history through both, the naive model and the real rules: no difference, or an assertion that shows them all."""

import json
import re
from collections.abc import Sequence

import msgspec

from schemas.plan import Catalogue, CreditsPlan, MinutesPlan, load_catalogue
from tests.model.against import RealRun, differences, run_real
from tests.model.history import History
from tests.model.invariants import broken_invariants
from tests.model.naive_model import NaiveModel
from tests.model.naive_plans import AnyPlan, NaivePlan
from tests.model.naive_wire import Wire
from tests.model.naive_world import Fact
from tests.model.snapshots import snapshot_differences

SHIPPED = load_catalogue()
SHORTENING_RUNS_MAX = 1_000  # Some 20 seconds.


def catalogue_of(*plans: AnyPlan) -> Catalogue:
    return msgspec.structs.replace(SHIPPED, plans={**SHIPPED.plans, **{plan.name: real_plan(plan) for plan in plans}})


def real_plan(plan: AnyPlan) -> CreditsPlan | MinutesPlan:
    if isinstance(plan, NaivePlan):
        return CreditsPlan(
            charge_quantum_micros=plan.quantum_micros,
            longest_call_ms=plan.longest_call_ms,
            included_calls=plan.included_calls,
            extra_call_micros=plan.extra_call_micros,
            live_agent_micros=plan.live_agent_micros,
            appointment_booking_micros=plan.appointment_booking_micros,
            cap_micros=plan.cap_micros,
            admission=plan.admission,
        )
    return MinutesPlan(
        monthly_price_micros=plan.monthly_price_micros,
        interval=plan.interval,
        charge_quantum_micros=plan.quantum_micros,
        longest_call_ms=plan.longest_call_ms,
        included_minutes=plan.included_minutes,
        inbound_micros=plan.inbound_micros,
        outbound_micros=plan.outbound_micros,
        web_micros=plan.web_micros,
        increment_first_s=plan.first_s,
        increment_next_s=plan.next_s,
        card_overage_threshold_micros=plan.card_threshold_micros,
    )


def shown(wires: Sequence[Wire], problems: list[str]) -> str:
    return "\n".join([*problems[:12], "", *(json.dumps(wire) for wire in wires)])


def problems_of(wires: Sequence[Wire], model: NaiveModel, expected: list[list[Fact]]) -> tuple[RealRun, list[str]]:
    catalogue = catalogue_of(*model.world.plans.values())
    real = run_real(wires, catalogue, model.world.time)
    problems = differences(wires, expected, real)
    problems += snapshot_differences(model, real.lines, catalogue)
    return real, problems + broken_invariants(wires, real)


def hold_against_model(history: History, *plans: AnyPlan) -> RealRun:
    """Both run the history; raises with every difference and the history when they do not agree."""
    model = NaiveModel(*plans, time=history.time)
    real, problems = problems_of(history.wires, model, [model.step(wire) for wire in history.wires])
    assert not problems, shown(history.wires, problems)
    return real


def hold_against(history: History, model: NaiveModel, expected: list[list[Fact]]) -> None:
    """The same for a long history that the model has run; raises with a short history that shows the difference."""
    _, problems = problems_of(history.wires, model, expected)
    if problems:
        plans = list(model.world.plans.values())
        shorter = shorten(history, plans, kind_of(problems[0]))
        hold_against_model(shorter, *plans)
        raise AssertionError(shown(history.wires, problems))


def kind_of(problem: str) -> str:
    """What a difference is about, without the ids and amounts that change as a history gets shorter."""
    return re.sub(r"\d+", "", re.sub(r"\b(c\d\d-\d+|i\d+)\b", "", problem))[:60]


def shorten(history: History, plans: Sequence[AnyPlan], kind: str) -> History:
    """Inputs left out, half of them at a time and then fewer, for as long as the difference stays of its kind.

    Hypothesis would shrink the rules that wrote the history, which takes minutes: one rule writes many inputs.
    """
    wires = history.wires
    size, runs = max(1, len(wires) // 2), 0
    while size and runs < SHORTENING_RUNS_MAX:
        start, found = 0, False
        while start < len(wires) and runs < SHORTENING_RUNS_MAX:
            runs += 1
            fewer = wires[:start] + wires[start + size :]
            model = NaiveModel(*plans, time=history.time)
            _, problems = problems_of(fewer, model, [model.step(wire) for wire in fewer])
            if any(kind_of(problem) == kind for problem in problems):
                wires, found = fewer, True
            else:
                start += size
        size = size if size == 1 and found else size // 2
    shorter = History(time=history.time)
    shorter.wires = wires
    return shorter

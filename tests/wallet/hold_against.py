"""One history through both, the naive model and the real rules: no difference, or an assertion that shows them all."""

import json
import re
from collections.abc import Sequence

import msgspec

from schemas.plan import Catalogue, CreditsPlan, load_catalogue
from tests.wallet.against import RealRun, broken_invariants, differences, run_real, snapshot_differences
from tests.wallet.history import History
from tests.wallet.naive_model import NaiveModel
from tests.wallet.naive_money import NaivePlan
from tests.wallet.naive_wire import Wire
from tests.wallet.naive_world import Fact

SHIPPED = load_catalogue()
SHORTENING_RUNS_MAX = 1_000  # Some 20 seconds.


def catalogue_of(plan: NaivePlan) -> Catalogue:
    free = SHIPPED.plans["free"]
    assert isinstance(free, CreditsPlan)
    changed = msgspec.structs.replace(free, included_calls=plan.included_calls, admission=plan.admission)
    return msgspec.structs.replace(SHIPPED, plans={**SHIPPED.plans, "free": changed})


def shown(wires: Sequence[Wire], problems: list[str]) -> str:
    return "\n".join([*problems[:12], "", *(json.dumps(wire) for wire in wires)])


def problems_of(wires: Sequence[Wire], model: NaiveModel, expected: list[list[Fact]]) -> tuple[RealRun, list[str]]:
    catalogue = catalogue_of(model.world.plan)
    real = run_real(wires, catalogue)
    problems = differences(wires, expected, real)
    problems += snapshot_differences(model, real.lines, catalogue)
    return real, problems + broken_invariants(wires, real)


def hold_against_model(history: History, plan: NaivePlan) -> RealRun:
    """Both run the history; raises with every difference and the history when they do not agree."""
    model = NaiveModel(plan)
    real, problems = problems_of(history.wires, model, [model.step(wire) for wire in history.wires])
    assert not problems, shown(history.wires, problems)
    return real


def hold_against(history: History, model: NaiveModel, expected: list[list[Fact]]) -> None:
    """The same for a long history that the model has run; raises with a short history that shows the difference."""
    _, problems = problems_of(history.wires, model, expected)
    if problems:
        shorter = shorten(history.wires, model.world.plan, kind_of(problems[0]))
        hold_against_model(shorter, model.world.plan)
        raise AssertionError(shown(history.wires, problems))


def kind_of(problem: str) -> str:
    """What a difference is about, without the ids and amounts that change as a history gets shorter."""
    return re.sub(r"\d+", "", re.sub(r"\b(c\d\d-\d+|i\d+)\b", "", problem))[:60]


def shorten(wires: list[Wire], plan: NaivePlan, kind: str) -> History:
    """Inputs left out, half of them at a time and then fewer, for as long as the difference stays of its kind.

    Hypothesis would shrink the rules that wrote the history, which takes minutes: one rule writes many inputs.
    """
    size, runs = max(1, len(wires) // 2), 0
    while size and runs < SHORTENING_RUNS_MAX:
        start, found = 0, False
        while start < len(wires) and runs < SHORTENING_RUNS_MAX:
            runs += 1
            fewer = wires[:start] + wires[start + size :]
            model = NaiveModel(plan)
            _, problems = problems_of(fewer, model, [model.step(wire) for wire in fewer])
            if any(kind_of(problem) == kind for problem in problems):
                wires, found = fewer, True
            else:
                start += size
        size = size if size == 1 and found else size // 2
    shorter = History()
    shorter.wires = wires
    return shorter

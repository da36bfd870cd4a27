"""One history through both, the naive model and the real rules: no difference, or an assertion that shows them all."""

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

from schemas.plan import Catalogue, load_catalogue
from tests.model.against import RealRun, differences, run_real
from tests.model.history import History
from tests.model.invariants import broken_invariants
from tests.model.naive_model import NaiveModel
from tests.model.naive_plans import AnyPlan, NaivePlan
from tests.model.naive_wire import Wire
from tests.model.naive_world import Fact
from tests.model.snapshots import snapshot_differences

SHORTENING_RUNS_MAX = 1_000  # Some 20 seconds.
# What a plan's fields are called in a catalogue, where that is not their name here.
KEYS = {
    "quantum_micros": "charge_quantum_micros",
    "first_s": "increment_first_s",
    "next_s": "increment_next_s",
    "card_threshold_micros": "card_overage_threshold_micros",
    "alert_thresholds": "alert_thresholds_micros",
    "refill_threshold": "refill_threshold_micros",
}


def catalogue_of(*plans: AnyPlan) -> Catalogue:
    return _catalogue(plans)


@lru_cache(maxsize=1_000)
def _catalogue(plans: tuple[AnyPlan, ...]) -> Catalogue:
    """Read from a file, as an operator gives it. Shipped plans that no plan replaces are on offer too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plans.toml"
        names = {"professional", "dental", "real_estate"} - {plan.name for plan in plans}
        shipped = "".join(f"[plans.{name}]\n" for name in sorted(names))
        path.write_text(shipped + "\n".join(map(plan_table, plans)), encoding="utf-8")
        return load_catalogue(path)


def plan_table(plan: AnyPlan) -> str:
    """The tables of a catalogue file that describe a plan."""
    said = {field.name: getattr(plan, field.name) for field in fields(plan)}
    name, others = said.pop("name"), said.pop("others")
    said = {KEYS.get(key, key): value for key, value in said.items() if key != "version" and value is not None}
    said["family"] = "credits" if isinstance(plan, NaivePlan) else "minutes"
    if plan.currency == "USD":
        del said["currency"]
    lines = [f"[plans.{name}]", *(f"{key} = {_toml(value)}" for key, value in said.items())]
    for code, prices in others.items():
        lines.append(f"[plans.{name}.currencies.{code}]")
        lines += [f"{KEYS.get(key, key)} = {value}" for key, value in prices.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return json.dumps(value)


def shown(wires: Sequence[Wire], problems: list[str]) -> str:
    return "\n".join([*problems[:12], "", *(json.dumps(wire) for wire in wires)])


def problems_of(wires: Sequence[Wire], model: NaiveModel, expected: list[list[Fact]]) -> tuple[RealRun, list[str]]:
    catalogue = catalogue_of(*model.world.plans.values())
    real = run_real(wires, catalogue, model.world.time)
    problems = differences(wires, expected, real)
    problems += snapshot_differences(model, real.lines, catalogue, real.names)
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

"""G2: timed work gives the same bytes whenever it is done: at its tick, as `replay` does it, or in slices later."""

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from tests.model.against import run_real
from tests.model.billing_histories import BillingHistories
from tests.model.history import DOLLAR, History
from tests.model.hold_against import catalogue_of, hold_against_model, shown
from tests.model.naive_plans import NaiveMinutes, NaivePlan
from tests.model.naive_time import DAY_MS, HOUR_MS, SECOND_MS
from tests.model.sliced import SLICES, SlicedRun, replayed


class Slices(BillingHistories):
    """The same history with slices of one piece of work, of seven and of all, each with batches and restarts of its
    own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.random = Random(0)  # A history may end before its seed is drawn.

    @initialize(seed=st.integers(0, 1_000_000))
    def draw_seed(self, seed: int) -> None:
        self.random = Random(seed)

    def check(self) -> None:
        catalogue, time = catalogue_of(*self.plans), self.history.time
        real = run_real(self.history.wires, catalogue, time)
        facts, letters = replayed(real.lines, catalogue, time)
        snapshots: dict[str, bytes] = {}
        for name, units in SLICES.items():
            run = SlicedRun(catalogue, time, units)
            run.play(real.lines, self.random)
            problems = [
                f"slices of {name}: facts of {account_id}: {difference(wanted, run.facts[account_id])}"
                for account_id, wanted in facts.items()
                if list(run.facts[account_id].items()) != list(wanted.items())
            ]
            problems += [f"slices of {name}: more facts"] if run.facts.keys() != facts.keys() else []
            problems += [f"slices of {name}: {run.letters}, {letters}"] if run.letters != letters else []
            problems += [
                f"slices of {name}: {snapshot_id}: {value!r}, otherwise {snapshots[snapshot_id]!r}"
                for snapshot_id, value in run.snapshots.items()
                if snapshots.setdefault(snapshot_id, value) != value
            ]
            assert not problems, shown(self.history.wires, problems)


def difference(wanted: dict[str, bytes], found: dict[str, bytes]) -> str:
    pairs = zip([*wanted.items(), None], [*found.items(), None], strict=False)
    return next((f"expected {one}, found {other}" for one, other in pairs if one != other), "fewer")


TestSlices = Slices.TestCase
# Seven runs of each history: fewer histories.
TestSlices.settings = settings(TestSlices.settings, max_examples=TestSlices.settings.max_examples * 2 // 5)


# Many accounts of one anniversary and one that is in the middle of things, against the model and in slices. The clock
# goes on for minutes before the work is done; each account's comes with the tick that first reached it.
@pytest.mark.parametrize("units", SLICES.values(), ids=SLICES.keys())
def test_g02_a_period_end_of_many_accounts(units: int) -> None:
    plans: list[Any] = [NaivePlan(), NaiveMinutes("small", 10 * DOLLAR, included_minutes=2)]
    history = History(arrives=True)
    history.tick()
    accounts = [f"a{n}" for n in range(12)]
    for account_id in accounts:
        history.open(account_id, "small")
        history.card(account_id=account_id)
    history.now_ms += 27 * DAY_MS + 13 * HOUR_MS  # The last hour of 27 February: the period ends at its end.
    history.tick()
    for account_id in accounts[:6]:
        history.start(f"long-{account_id}", account_id)
    for hour in range(6):
        for second in range(3):
            history.now_ms += SECOND_MS
            history.tick()
            account_id = accounts[(hour * 3 + second) % len(accounts)]
            history.start(f"c{hour}-{second}", account_id)
            history.end(f"c{hour}-{second}", account_id, lasted_ms=SECOND_MS)
        history.now_ms += HOUR_MS
    real = hold_against_model(history, *plans)
    assert sum(fact["type"] == "invoice-issued" for fact in real.facts) == len(accounts)
    assert sum(fact["type"] == "call-stuck" for fact in real.facts) == 6
    catalogue = catalogue_of(*plans)
    facts, letters = replayed(real.lines, catalogue, "broker")
    for seed in range(5):
        run = SlicedRun(catalogue, "broker", units)
        run.play(real.lines, Random(seed))
        assert {key: list(some.items()) for key, some in run.facts.items()} == {
            key: list(some.items()) for key, some in facts.items()
        }
        assert run.letters == letters

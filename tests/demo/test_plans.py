"""The plans of a run are the shipped ones, except for the prices in euros and the wait for the answer to a refill."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from demo.plans import plan_of, plans_of_a_run, unresolved_ms
from schemas.instant import HOUR_MS, MINUTE_MS
from schemas.plan import load_catalogue


def test_only_the_wait_for_a_refills_answer_and_a_second_currency_differ_from_the_shipped_plans(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text(plans_of_a_run(36_000))
    shipped, found = load_catalogue(), load_catalogue(path)
    assert all(set(plan.currencies) == {"EUR"} for plan in found.plans.values())
    rules = replace(shipped.rules, refill_unresolved_ms=40 * HOUR_MS)
    in_dollars = {name: replace(plan, currencies={}) for name, plan in found.plans.items()}
    assert replace(found, plans=in_dollars) == replace(shipped, rules=rules)


def test_a_plan_of_the_run_has_its_own_prices_in_each_currency() -> None:
    assert plan_of("professional", "USD").monthly_price_micros == 49_000_000
    assert plan_of("professional", "EUR").monthly_price_micros == 45_000_000


# Virtual seconds per real second -> the wait.
@pytest.mark.parametrize(("speed_up", "wait_ms"), [(1, 15 * MINUTE_MS), (225, 15 * MINUTE_MS), (450, 30 * MINUTE_MS)])
def test_the_wait_is_never_shorter_than_the_shipped_one(speed_up: float, wait_ms: int) -> None:
    assert unresolved_ms(speed_up) == wait_ms

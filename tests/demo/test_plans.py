"""The plans of a run are the shipped ones, except for the wait for the answer to a refill."""

from pathlib import Path

import msgspec
import pytest

from demo.plans import unresolved_ms, with_longer_wait
from schemas.instant import HOUR_MS, MINUTE_MS
from schemas.plan import SHIPPED, load_catalogue


def test_only_the_wait_for_a_refills_answer_differs_from_the_shipped_plans(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text(with_longer_wait(SHIPPED.read_text(encoding="utf-8"), 36_000))
    shipped = load_catalogue()
    rules = msgspec.structs.replace(shipped.rules, refill_unresolved_ms=40 * HOUR_MS)
    assert load_catalogue(path) == msgspec.structs.replace(shipped, rules=rules)


# Virtual seconds per real second -> the wait.
@pytest.mark.parametrize(("speed_up", "wait_ms"), [(1, 15 * MINUTE_MS), (225, 15 * MINUTE_MS), (450, 30 * MINUTE_MS)])
def test_the_wait_is_never_shorter_than_the_shipped_one(speed_up: float, wait_ms: int) -> None:
    assert unresolved_ms(speed_up) == wait_ms

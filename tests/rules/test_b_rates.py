"""B8: the unit price of an overage line whose calls had several rates."""

from typing import Any

import pytest

from tests.rules.subscriber import FEBRUARY, MARCH, Subscriber, minutes_plans, paying

FREE_WEB = {"display_name": "Dental", "monthly_price_micros": 99_000_000, "included_minutes": 0, "web_micros": 0}
PLANS = minutes_plans(professional={"included_minutes": 0}, dental=FREE_WEB)


def web_line(story: Subscriber, end: str = FEBRUARY) -> tuple[Any, Any]:
    """Minutes and micros a minute of the line for web calls on the invoice that a tick at `end` issues."""
    lines = [line for line in story.ticks(end).invoices()[-1]["lines"] if line.get("direction") == "web"]
    return lines[0]["quantity"], lines[0].get("unit_amount_micros")


# The rate is left out where calls had several, one of them 0.
@pytest.mark.parametrize(("on_professional", "on_dental", "unit"), [(10, 0, 80_000), (10, 5, None)])
def test_b08_calls_at_a_rate_and_calls_that_cost_nothing(on_professional: int, on_dental: int, unit: int) -> None:
    story = paying(catalogue=PLANS).uses(on_professional, direction="web").changes_plan("dental")
    if on_dental:
        story.uses(on_dental, direction="web")
    assert web_line(story) == (on_professional + on_dental, unit)


def test_b08_calls_that_cost_nothing_come_first() -> None:
    free = {**FREE_WEB, "monthly_price_micros": 49_000_000}
    plans = minutes_plans(professional=free, dental={**FREE_WEB, "web_micros": 80_000})
    story = paying(catalogue=plans).uses(5, direction="web").changes_plan("dental").uses(10, direction="web")
    assert web_line(story) == (15, None)


# The calls of an invoice are those that it has: a correction that moves nothing does not bring its rate along.
@pytest.mark.parametrize(("real", "expected"), [(True, (10, 100_000)), (False, (4, None))])
def test_b08_a_late_correction_and_its_rate(real: bool, expected: tuple[int, int | None]) -> None:
    plans = minutes_plans(professional={"included_minutes": 0}, dental={"included_minutes": 0, "web_micros": 100_000})
    story = paying(catalogue=plans).waits("2026-01-20T00:00:00Z").uses(6, "c1", direction="web").ticks(FEBRUARY)
    story.changes_plan("dental").uses(10, direction="web").reclassifies("c1", real=real)
    assert web_line(story, MARCH) == expected

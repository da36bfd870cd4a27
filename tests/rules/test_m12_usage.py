"""M12, with P18 and P20: what the snapshot says of a minutes plan, at any moment. Minutes; April has 30 days."""

from typing import Any

import pytest

from tests.rules.story import SIGNUP, later, usd
from tests.rules.subscriber import APRIL, DAY_MS, FEBRUARY, MARCH, minutes_plans, paying, subscriber

TWENTIETH_MS = 30 * DAY_MS // 20


# M12: minutes used and remaining this period; used counts beyond the included ones (decision 0017).
@pytest.mark.parametrize(
    ("calls", "used", "remaining"), [([], 0, 100), ([40], 40, 60), ([40, 60], 100, 0), ([140], 140, 0)]
)
def test_m12_minutes_used_and_remaining(calls: list[int], used: int, remaining: int) -> None:
    story = subscriber()
    for minutes in calls:
        story.uses(minutes)
    usage = story.usage()
    assert (usage["minutes_used"], usage["minutes_included"], usage["minutes_remaining"]) == (used, 100, remaining)
    assert usage["calls_counted"] == len(calls)
    assert (usage["period_start"], usage["period_end"]) == (SIGNUP, FEBRUARY)


def test_m12_m04_used_is_what_counts_not_what_was_spoken() -> None:
    assert subscriber().talks("c1", 1).talks("c2", 60_001).usage()["minutes_used"] == 3
    sixths = minutes_plans(professional={"increment_first_s": 6, "increment_next_s": 6})
    usage = subscriber(catalogue=sixths).talks("c1", 87_000).usage()
    assert (usage["minutes_used"], usage["minutes_remaining"]) == (1.5, 98.5)


def test_m12_an_open_call_uses_nothing_yet() -> None:
    story = subscriber().starts("c1").waits(minutes=50).starts("c2")
    assert (story.usage()["minutes_used"], story.usage()["calls_counted"], story.snapshot()["open_calls"]) == (0, 0, 2)


# M12: projected minutes, linear in elapsed time, none before 5 % of the period. 12 minutes used; clock -> projected
@pytest.mark.parametrize(
    ("elapsed_ms", "projected"),
    [
        (TWENTIETH_MS - 1, None),
        (TWENTIETH_MS, 240),
        (3 * DAY_MS, 120),
        (15 * DAY_MS, 24),
        (20 * DAY_MS, 18),
        (30 * DAY_MS - 1, 12),
    ],
)
def test_m12_projected_minutes(elapsed_ms: int, projected: float | None) -> None:
    story = subscriber(signup=APRIL).uses(12).ticks(later(APRIL, milliseconds=elapsed_ms))
    said = story.usage()["projected_minutes"]
    assert (said is None) == (projected is None)
    if projected is not None:
        assert said == pytest.approx(projected, rel=1e-6)


def test_m12_nothing_used_projects_nothing() -> None:
    story = subscriber(signup=APRIL).ticks(later(APRIL, days=10))
    assert story.usage()["projected_minutes"] == 0
    # The new period has no five per cent yet.
    assert story.ticks("2026-05-01T00:00:00Z").usage()["projected_minutes"] is None


# P18: elapsed until the later of the clock and the newest accepted `occurred_at`.
def test_m12_p18_projected_by_the_newest_input() -> None:
    story = subscriber(signup=APRIL).uses(12).waits(later(APRIL, days=15)).switches("live_agent")
    assert story.usage()["projected_minutes"] == 24


# The first period began at midnight of the signup's day: elapsed from there, whenever the account was opened.
def test_m12_g03_elapsed_is_of_the_period_not_of_the_account() -> None:
    story = subscriber(signup="2026-04-01T20:00:00Z").uses(12).ticks(later(APRIL, days=3))
    assert story.usage()["projected_minutes"] == 120


# M12 and P18: cost by call type, net of adjustments; wallet and card together; the included minutes cost nothing.
def test_m12_p18_cost_by_call_type() -> None:
    story = paying("0.50").uses(100).uses(10, "i1").uses(10, "o1", direction="outbound").uses(10, "w1", direction="web")
    costs = {"inbound": usd("1.10"), "outbound": usd("1.10"), "web": usd("0.80")}
    assert story.usage()["cost_by_call_type_micros"] == costs
    # i1 was not real, o1 was a web call, w1 shorter.
    story.reclassifies("i1", real=False).ends_after("o1", 600_000, direction="web")
    story.ends_after("w1", 60_000, direction="web")
    assert story.usage()["cost_by_call_type_micros"] == {"inbound": 0, "outbound": 0, "web": usd("0.88")}
    assert story.usage()["minutes_used"] == 111


# P18: the period that holds the later of the clock and the newest accepted input.
@pytest.mark.parametrize(
    ("then", "period_start", "used"),
    [
        (lambda s: s, SIGNUP, 10),
        (lambda s: s.ticks(later(FEBRUARY, milliseconds=-1)), SIGNUP, 10),
        (lambda s: s.ticks(FEBRUARY), FEBRUARY, 0),
        (lambda s: s.waits(FEBRUARY).switches("live_agent"), FEBRUARY, 0),
        (lambda s: s.waits(FEBRUARY).uses(3), FEBRUARY, 3),
        (lambda s: s.ticks(FEBRUARY).ends("late", started="2026-01-20T00:00:00Z"), FEBRUARY, 0),
        (lambda s: s.ticks(MARCH), MARCH, 0),
    ],
    ids=["as it stands", "before the boundary", "the boundary", "an input", "a call", "a late end", "two boundaries"],
)
def test_m12_p18_usage_is_that_of_the_newest_period(then: Any, period_start: str, used: int) -> None:
    usage = then(subscriber().uses(10)).usage()
    assert (usage["period_start"], usage["minutes_used"], usage["minutes_remaining"]) == (
        period_start,
        used,
        100 - used,
    )


# M1 and P20: plan, version, status and renewal date are there at any moment.
def test_m12_m01_p20_what_the_snapshot_says_of_the_plan() -> None:
    snapshot = subscriber(5, plan="real_estate").starts("c1").snapshot()
    said = {
        "plan": "real_estate",
        "plan_version": 1,
        "currency": "USD",
        "balance_micros": usd(5),
        "held_micros": 0,
        "available_micros": usd(5),
        "card_due_micros": 0,
        "open_calls": 1,
    }
    assert {name: snapshot[name] for name in said} == said
    assert snapshot["subscription"]["status"] == "active"


def test_m12_a_credits_plan_has_no_minutes() -> None:
    usage = subscriber(plan="free").call("c1").usage()
    assert (usage["minutes_used"], usage["minutes_included"], usage["minutes_remaining"]) == (0, 0, 0)
    assert usage["projected_minutes"] is None or usage["projected_minutes"] == 0
    assert (usage["calls_counted"], usage["calls_included"]) == (1, 25)

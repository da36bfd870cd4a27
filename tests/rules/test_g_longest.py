"""G7: a call is billed for at most its plan's longest call, here the pinned 4 hours. Money in dollars."""

from typing import Any

import pytest

from tests.rules.story import ALL, BOTH, only, opened, plans, usd
from tests.rules.subscriber import DAY_MS, FEBRUARY, MINUTE_MS, minutes_plans, paying, subscriber

HOUR_MS = 60 * MINUTE_MS
NONE_INCLUDED = minutes_plans(professional={"included_minutes": 0})


# Milliseconds from answer to end -> billable, reported (None: the field is not there), cost.
@pytest.mark.parametrize(
    ("talked_ms", "billable_ms", "reported_ms", "cost_usd"),
    [
        (4 * HOUR_MS - 1, 4 * HOUR_MS - 1, None, "26.40"),
        (4 * HOUR_MS, 4 * HOUR_MS, None, "26.40"),
        (4 * HOUR_MS + 1, 4 * HOUR_MS, 4 * HOUR_MS + 1, "26.40"),
        (30 * DAY_MS, 4 * HOUR_MS, 30 * DAY_MS, "26.40"),
    ],
)
def test_g07_the_time_beyond_the_longest_call_is_not_charged(
    talked_ms: int, billable_ms: int, reported_ms: int | None, cost_usd: str
) -> None:
    story = subscriber(100, catalogue=NONE_INCLUDED).talks("c1", talked_ms)
    charge = only(story.answer("call-charged"))
    assert (charge["billable_ms"], charge.get("reported_ms")) == (billable_ms, reported_ms)
    assert charge["amount_micros"] == usd(cost_usd)
    alerts = [(alert["call_id"], alert["reported_ms"]) for alert in story.answer("call-overlong")]
    assert alerts == ([] if reported_ms is None else [("c1", reported_ms)])


def test_g07_the_longest_call_is_that_of_the_calls_own_plan() -> None:
    short = minutes_plans(professional={"included_minutes": 0, "longest_call_ms": 2 * MINUTE_MS})
    story = subscriber(100, catalogue=short).starts("c1").changes_plan("dental").ends("c1", seconds=300)
    assert only(story.answer("call-charged"))["billable_ms"] == 2 * MINUTE_MS


def test_g07_credits_plans_have_it_too() -> None:
    story = opened(*ALL, credit=20, catalogue=plans(longest_call_ms=60_000)).call("c1", seconds=61, used=BOTH)
    charge = story.facts("call-charged")[0]
    assert (charge["billable_ms"], charge["reported_ms"], charge["amount_micros"]) == (60_000, 61_000, usd(6))
    assert only(story.facts("call-overlong"))["reported_ms"] == 61_000


# G7: `billable_ms` is capped, real or not; `reported_ms` and the alert are for calls that count.
@pytest.mark.parametrize(
    ("end", "billable_ms"),
    [
        ({"real": False}, 4 * HOUR_MS),
        ({"outcome": "redirected"}, 0),
        ({"answered": False}, 0),
    ],
)
def test_g07_a_call_that_does_not_count_has_no_reported_time(end: dict[str, Any], billable_ms: int) -> None:
    story = opened(credit=20).starts("c1").ends("c1", seconds=5 * 3600, **end)
    charge = only(story.answer("call-charged"))
    assert (charge["billable_ms"], "reported_ms" in charge, charge["amount_micros"]) == (billable_ms, False, 0)
    assert story.answer("call-overlong") == []


def test_g07_one_alert_per_call_whatever_makes_it_overlong() -> None:
    story = subscriber(100).starts("c1").ends("c1", seconds=5 * 3600, real=False)
    assert story.answer("call-overlong") == []
    assert len(story.reclassifies("c1", real=True).answer("call-overlong")) == 1
    story.ends_after("c1", 6 * HOUR_MS).ends_after("c1", HOUR_MS).ends_after("c1", 7 * HOUR_MS)
    assert len(story.facts("call-overlong")) == 1


def test_g07_the_alert_comes_also_when_no_amount_moves() -> None:
    story = opened(credit=20).starts("c1").ends("c1", seconds=60).ends("c1", seconds=5 * 3600)
    assert story.answer_types() == ["call-overlong"]


# P21: after the re-ranked calls, as every alert.
def test_p21_the_alert_comes_after_the_charges() -> None:
    story = opened("extra_calls", credit=20, catalogue=plans(included_calls=1)).waits(hours=6).call("c1")
    story.ends("early", started="2026-01-01T00:00:00Z", at="2026-01-01T05:00:00Z")
    assert [fact["type"] for fact in story.answer() if "entry_id" not in fact] == [
        "call-charged",
        "charge-adjusted",
        "call-overlong",
    ]


# M8: included minutes end with the subscription, also for an end alone and without a tick.
@pytest.mark.parametrize("ticked", [False, True])
@pytest.mark.parametrize(("started", "cost_usd"), [("2026-01-31T23:59:59Z", "0"), (FEBRUARY, "0.11")])
def test_m08_a_call_after_the_end_of_the_subscription_has_no_included_minutes(
    started: str, cost_usd: str, *, ticked: bool
) -> None:
    story = paying().cancels()
    if ticked:
        story.ticks(FEBRUARY)
    story.waits("2026-02-02T00:00:00Z").ends("c1", started=started)
    charge = only(story.answer("call-charged"))
    assert charge["amount_micros"] == usd(cost_usd)
    assert charge["receipt"]["minutes"]["pool_ms"] == (0 if cost_usd != "0" else 100 * MINUTE_MS)


def test_m08_a_correction_keeps_the_allowance_of_the_call() -> None:
    story = paying().cancels().ticks(FEBRUARY).waits("2026-02-02T00:00:00Z").ends("c1", started=FEBRUARY)
    story.changes_plan("professional").reclassifies("c1", real=False).reclassifies("c1", real=True)
    assert story.costs() == {"c1": usd("0.11")}
    # A resumed subscription has not ended: the end of the call says when it started.
    other = paying().cancels().resumes().ends("c1", started=FEBRUARY)
    assert other.costs() == {"c1": 0}

"""Each billing period has its own allowance and its own fee. Rules G3, M2 and C2; money in dollars."""

import pytest

from schemas.instant import format_instant
from schemas.plan import MinutesPlan
from tests.backoffice.whatif.compared import by_period, compared, dollars, subscriber, talk, totals
from tests.rules.story import Story, opened, plans, usd


# 120 minutes in each of three months: nothing is carried over. The third is idle, the calls end with the fourth.
def test_m02_c02_several_periods() -> None:
    story = opened("extra_calls", credit=500)
    for month in (1, 2, 4):
        story.waits(f"2026-0{month}-10T00:00:00Z").calls(40, f"m{month}-", seconds=180)
    assert by_period(story, "professional") == [(40, "51.2"), (40, "51.2"), (0, "49"), (40, "51.2")]
    assert by_period(story, "free") == [(40, "45"), (40, "45"), (0, "0"), (40, "45")]
    assert totals(story) == {"free": "135", "professional": "202.6", "dental": "396", "real_estate": "396"}
    assert [format_instant(period.start_ms)[:10] for period in compared(story).periods] == [
        "2026-01-01",
        "2026-02-01",
        "2026-03-01",
        "2026-04-01",
    ]


# A log need not begin with the signup's first month, nor end with its last call.
def test_idle_periods_before_and_after_the_calls_are_left_out() -> None:
    story = (
        talk(opened().waits("2026-03-10T00:00:00Z"), 60)
        .ticks(days=3)
        .waits("2026-06-01T00:00:00Z")
        .switches("live_agent")
    )
    assert by_period(story, "professional") == [(1, "49")]


# The day of the anchor, clamped to the month's end: signed up on 31 January 2024.
def test_g03_periods_are_those_of_the_signup() -> None:
    story = Story(signup="2024-01-31T10:00:00Z").opens("professional")
    for at in ("2024-01-31T00:00:00Z", "2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"):
        talk(story.waits(at), 6000)
    assert by_period(story, "professional") == [(2, "60"), (1, "49"), (1, "49")]


# New York: 1 March begins at 05:00 UTC, 1 April at 04:00 UTC, since the clocks went forward on 8 March.
@pytest.mark.parametrize(
    ("last_call", "expected"),
    [
        ("2026-04-01T03:59:59Z", [(2, "60")]),
        ("2026-04-01T04:00:00Z", [(1, "49"), (1, "49")]),
        ("2026-04-01T04:30:00Z", [(1, "49"), (1, "49")]),
    ],
)
def test_g03_periods_are_local(last_call: str, expected: list[tuple[int, str]]) -> None:
    story = Story(signup="2026-03-01T05:00:00Z").opens("professional", time_zone="America/New_York")
    talk(talk(story, 6000).waits(last_call), 6000)
    assert by_period(story, "professional") == expected


# A call belongs to the period in which it started.
def test_g03_a_call_across_midnight_belongs_to_the_period_of_its_start() -> None:
    story = subscriber().waits("2026-01-31T23:59:59Z")
    assert by_period(talk(story, 6060), "professional") == [(1, "49.11")]


# A yearly plan is compared by its monthly price: 20 minutes beyond 100 in each of two months.
def test_m13_a_yearly_plan_costs_a_month_for_each_period() -> None:
    yearly = MinutesPlan(monthly_price_micros=usd(40), interval="year", included_minutes=100)
    story = opened(catalogue=plans(others={"yearly": yearly}))
    for month in (1, 2):
        talk(story.waits(f"2026-0{month}-10T00:00:00Z"), 7200)
    assert by_period(story, "yearly") == [(1, "42.2"), (1, "42.2")]
    assert dollars(compared(story).whole.costs["yearly"].subscription_micros) == "80"


# The plan at the end of the log is the one that others are compared with, also for calls before the change.
def test_m07_the_current_plan_is_that_of_the_end_of_the_log() -> None:
    story = talk(opened("extra_calls", credit=9), 7200).says("plan-change-requested", plan="dental")
    one = compared(talk(story, 60))
    assert (one.plan, dollars(one.whole.now_micros)) == ("dental", "99")

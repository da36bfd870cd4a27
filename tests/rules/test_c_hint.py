"""C16 and P18: extra calls charged in three periods in a row suggest another plan. Money in dollars.

One call a period is included here, and each costs $3 beyond it; months from January to June 2026.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from schemas.plan import Catalogue, CreditsPlan, MinutesPlan, Rules
from tests.rules.story import SHIPPED, Story, later, only, opened, plans, usd

ONE = plans(included_calls=1)


def months(calls_a_month: Iterable[int], catalogue: Catalogue = ONE) -> Story:
    """That many calls in January, in February and so on."""
    story = opened("extra_calls", credit=500, catalogue=catalogue)
    for month, calls in enumerate(calls_a_month, 1):
        story.waits(f"2026-{month:02d}-10T00:00:00Z").calls(calls, f"m{month}-")
    return story


# Calls in each month -> the months (1 = January) in which a hint was given.
@pytest.mark.parametrize(
    ("calls", "hinted"),
    [
        ([2, 2], []),
        ([2, 2, 1], []),
        ([2, 2, 2], [3]),
        # Once, however many extra calls there are.
        ([5, 4, 7], [3]),
        # Once per streak, however long it is.
        ([2, 2, 2, 2, 2, 2], [3]),
        # A gap ends a streak; the next one counts from its own first period.
        ([2, 1, 2, 2, 2], [5]),
        ([2, 2, 0, 2, 2], []),
        ([2, 2, 2, 1, 2, 2, 2], [3, 7]),
    ],
    ids=repr,
)
def test_c16_p18_three_periods_in_a_row(calls: list[int], hinted: list[int]) -> None:
    alerts = months(calls).facts("upgrade-suggested")
    assert [fact["period_start"] for fact in alerts] == [f"2026-{month:02d}-01T00:00:00Z" for month in hinted]
    # It comes with the first charged extra call of that period: its second call.
    assert [fact["calls"] for fact in alerts] == [2] * len(hinted)


# The number of periods is the catalogue's, and one hint comes whatever it is. The clock runs, so that periods end.
@pytest.mark.parametrize("periods", [1, 3, 7, 9, 12])
def test_c16_as_many_periods_in_a_row_as_the_catalogue_names(periods: int) -> None:
    catalogue = msgspec.structs.replace(ONE, rules=Rules(upgrade_hint_periods=periods))
    story = opened("extra_calls", credit=500, catalogue=catalogue)
    for month in range(14):
        year, number = divmod(month, 12)
        story.ticks(f"{2026 + year}-{number + 1:02d}-10T00:00:00Z").calls(2, f"m{month}-")
    alert = only(story.facts("upgrade-suggested"))
    assert alert["period_start"] == f"2026-{periods:02d}-01T00:00:00Z"


def test_c16_extra_calls_that_were_corrected_away_are_not_charged() -> None:
    story = months([2, 2]).reclassifies("m1-02", real=False).waits("2026-03-10T00:00:00Z").calls(2, "m3-")
    assert story.facts("upgrade-suggested") == []


def test_c16_a_call_added_late_may_complete_the_streak() -> None:
    story = months([2, 1, 2])
    assert story.ends("late", started="2026-02-20T00:00:00Z").answer_types() == [
        "call-charged",
        "ledger-entry-posted",
        "upgrade-suggested",
    ]


# A correction that empties a period and fills it again does not repeat the hint (once per streak).
def test_p18_the_hint_is_given_once_per_streak_also_after_a_correction() -> None:
    story = months([2, 2, 2]).reclassifies("m3-01", real=False).reclassifies("m3-01", real=True)
    assert len(story.facts("upgrade-suggested")) == 1


# A period that lost its only charged extra call has none; it completes the streak when it gets its first again.
def test_p18_a_period_in_the_middle_may_get_its_first_extra_call_again() -> None:
    story = months([2, 2]).reclassifies("m2-01", real=False).waits("2026-03-10T00:00:00Z").calls(2, "m3-")
    assert story.facts("upgrade-suggested") == []
    story.reclassifies("m2-01", real=True)
    assert [fact["period_start"] for fact in story.facts("upgrade-suggested")] == ["2026-02-01T00:00:00Z"]


# March had the hint and loses its extra call: April to June are a streak without one. Another end of June's extra call
# is no first extra call; after it is taken away and comes back, it is one.
def test_p18_a_correction_of_an_extra_call_is_not_the_first_of_its_period() -> None:
    story = months([2, 2, 2, 2, 2, 2]).reclassifies("m3-01", real=False).ends("m6-02", seconds=600)
    assert len(story.facts("upgrade-suggested")) == 1
    story.reclassifies("m6-02", real=False).reclassifies("m6-02", real=True)
    assert [fact["period_start"] for fact in story.facts("upgrade-suggested")] == [
        "2026-03-01T00:00:00Z",
        "2026-06-01T00:00:00Z",
    ]


def test_p21_the_hint_comes_after_the_reranked_calls() -> None:
    story = months([2, 2, 1, 2])
    # The first call of April really was in March: March gets its first extra call, April loses its only one.
    moved = later("2026-03-20T00:00:00Z", seconds=1)
    story.ends("m4-01", started=moved, at=later(moved, seconds=60))
    assert [(fact["type"], fact.get("call_id")) for fact in story.answer() if "entry_id" not in fact] == [
        ("charge-adjusted", "m4-01"),
        ("charge-adjusted", "m4-02"),
        ("upgrade-suggested", None),
    ]


def hint_of(story: Story) -> dict[str, Any]:
    return only(story.facts("upgrade-suggested"))


# C16: what the period's calls cost here, and would have cost on each other plan: M2 to M4 and the monthly price.
# The worked example among them: 99 minutes, then 150 s inbound: 3 minutes, 1 included, 2 x 0.11 = 0.22 over the $49.
@pytest.mark.parametrize(
    ("first", "second", "increments", "professional_usd"),
    [
        ({"seconds": 99 * 60}, {"seconds": 150}, (60, 60), "49.22"),
        ({"seconds": 99 * 60}, {"seconds": 150}, (1, 1), "49.17"),  # 1.5 x 0.11 = 0.165
        ({"seconds": 99 * 60}, {"seconds": 60}, (60, 60), "49"),
        ({"seconds": 99 * 60}, {"seconds": 61}, (60, 60), "49.11"),
        ({"seconds": 100 * 60}, {"seconds": 61}, (60, 1), "49.11"),  # 61 s x 0.11 / 60 = 0.1118
        ({"seconds": 100 * 60}, {"seconds": 90}, (60, 1), "49.17"),
        ({"seconds": 100 * 60}, {"seconds": 10}, (60, 1), "49.11"),
        ({"seconds": 100 * 60}, {"seconds": 10}, (6, 6), "49.02"),  # 12 s: 0.022
        ({"seconds": 100 * 60}, {"seconds": 0}, (60, 60), "49"),
        ({"seconds": 100 * 60}, {"seconds": 150, "direction": "web"}, (60, 60), "49.24"),
        ({"seconds": 100 * 60}, {"seconds": 150, "direction": "outbound"}, (60, 60), "49.33"),
    ],
)
def test_c16_m03_m04_what_the_same_calls_would_have_cost(
    first: dict[str, Any], second: dict[str, Any], increments: tuple[int, int], professional_usd: str
) -> None:
    minutes_plan = SHIPPED.plans["professional"]
    assert isinstance(minutes_plan, MinutesPlan)
    rated = msgspec.structs.replace(minutes_plan, increment_first_s=increments[0], increment_next_s=increments[1])
    story = months([2, 2], plans(included_calls=1, others={"professional": rated}))
    hint = hint_of(story.waits("2026-03-10T00:00:00Z").call("c1", **first).waits(days=1).call("c2", **second))
    assert (hint["cost_micros"], hint["calls"]) == (usd(3), 2)
    costs = {plan["plan"]: plan["cost_micros"] for plan in hint["other_plans"]}
    assert costs == {"dental": usd(99), "professional": usd(professional_usd), "real_estate": usd(99)}


# "On each other plan": a second credits plan of the catalogue is one of them. Two calls at $5 beyond none included.
def test_c16_the_other_plans_are_all_others_credits_plans_too() -> None:
    other = CreditsPlan(included_calls=0, extra_call_micros=usd(5))
    hint = hint_of(months([2, 2, 2], plans(included_calls=1, others={"plus": other})))
    assert {p["plan"]: p["cost_micros"] for p in hint["other_plans"]}.get("plus") == usd(10)


def test_c16_how_many_periods_it_takes_is_data() -> None:
    two = msgspec.structs.replace(ONE, rules=msgspec.structs.replace(ONE.rules, upgrade_hint_periods=2))
    assert hint_of(months([2, 2], two))["period_start"] == "2026-02-01T00:00:00Z"


# P18: calls in order of (`started_at`, `call_id`): of two that start together, `a` uses the included minutes.
def test_p18_calls_that_start_together_are_compared_in_order_of_their_ids() -> None:
    story = months([2, 2]).waits("2026-03-10T00:00:00Z").starts("b").starts("a", direction="web")
    hint = hint_of(story.ends("b", seconds=6000).ends("a", seconds=6000, direction="web"))
    # 100 web minutes are included, then 100 inbound ones at $0.11; the other way round it would be $8.
    assert {"plan": "professional", "cost_micros": usd(60)} in hint["other_plans"]


# P18: on another credits plan only the switches that were active on each call count.
def test_p18_another_credits_plan_is_compared_by_the_switches_active_on_each_call() -> None:
    other = CreditsPlan(included_calls=0, extra_call_micros=usd(1), live_agent_micros=usd(2))
    story = months([2, 2], plans(included_calls=1, others={"plus": other})).waits("2026-03-10T00:00:00Z")
    story.call("off", used=["live_agent"]).switches("live_agent").call("on", used=["live_agent"])
    assert {"plan": "plus", "cost_micros": usd(4)} in hint_of(story)["other_plans"]


# G7: a comparison cuts off what is longer than the longest call of the plan compared.
def test_c16_g07_the_longest_call_of_the_plan_compared() -> None:
    story = months([2, 2]).waits("2026-03-10T00:00:00Z").call("c1").waits(days=1).call("c2", seconds=10 * 3600)
    # 1 minute and 240 of 600: 141 beyond the included ones.
    assert {"plan": "professional", "cost_micros": usd("64.51")} in hint_of(story)["other_plans"]

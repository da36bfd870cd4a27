"""The cost of the same calls in one billing period of each plan, computed by hand. Rules C2 to C6, M2 to M4; money in
dollars.

Shipped: free has 25 calls, then $3 each, live agent and booking $3 each, at most $6 a call; professional is $49 with
100 minutes, then 0.11 a minute, web 0.08; dental and real_estate are $99 with 300.
"""

from typing import Any

import msgspec
import pytest

from agents.wallet.rating.compare import CostOnPlan, cost_period, with_switches_on
from schemas.call import End
from schemas.plan import CreditsPlan, MinutesPlan
from tests.backoffice.whatif.compared import by_period, compared, for_calls, subscriber, talk, totals
from tests.rules.story import BOTH, SHIPPED, Story, opened, plans, usd

FREE, PROFESSIONAL = SHIPPED.plans["free"], SHIPPED.plans["professional"]
assert isinstance(FREE, CreditsPlan)
assert isinstance(PROFESSIONAL, MinutesPlan)


def end(seconds: int, direction: str = "inbound", features: tuple[str, ...] = (), *, real: bool = True) -> End:
    return End(0, 0, seconds * 1000, direction, "completed", features, real)


# 40 calls of 3 minutes: 49 + (120 - 100) x 0.11, and (40 - 25) x 3.
def test_c03_m03_forty_calls_of_three_minutes() -> None:
    story = opened("extra_calls", credit=100).calls(40, seconds=180)
    assert totals(story) == {"free": "45", "professional": "51.2", "dental": "99", "real_estate": "99"}
    costs = compared(story).whole.costs
    assert costs["free"] == CostOnPlan(periods=1, calls=40, included_calls=25, calls_micros=usd(45))
    assert costs["professional"] == CostOnPlan(
        periods=1,
        calls=40,
        rated_ms=120 * 60_000,
        included_ms=100 * 60_000,
        subscription_micros=usd(49),
        calls_micros=usd("2.20"),
    )


# A call that crosses the end of the pool is split. Seconds of the calls, increments -> what they cost beyond $49.
@pytest.mark.parametrize(
    ("seconds", "direction", "increments", "cost_usd"),
    [
        ((99 * 60, 150), "inbound", (60, 60), "0.22"),  # 3 minutes, 1 of them included
        ((99 * 60, 150), "inbound", (1, 1), "0.17"),  # 1.5 x 0.11 = 0.165, half up
        ((99 * 60, 60), "inbound", (60, 60), "0"),
        ((100 * 60, 61), "outbound", (60, 60), "0.22"),
        ((100 * 60, 61), "web", (60, 60), "0.16"),
        ((100 * 60, 61), "web", (60, 1), "0.08"),  # 61 s x 0.08 / 60 = 0.0813
        ((100 * 60, 10, 10, 10), "inbound", (6, 6), "0.06"),  # 12 s x 0.11 / 60 = 0.022, rounded three times
        ((0, 0), "inbound", (60, 60), "0"),
        ((6000, 1, 1), "inbound", (60, 60), "0.22"),  # each started minute
    ],
)
def test_m04_calls_of_a_minutes_plan(
    seconds: tuple[int, ...], direction: str, increments: tuple[int, int], cost_usd: str
) -> None:
    first_s, next_s = increments
    plan = msgspec.structs.replace(PROFESSIONAL, increment_first_s=first_s, increment_next_s=next_s)
    cost = cost_period(plan, [with_switches_on(end(length, direction)) for length in seconds])
    assert (cost.calls_micros, cost.subscription_micros) == (usd(cost_usd), usd(49))


# One pool for all call types: 60 inbound, 60 outbound and 30 web minutes, in this order.
def test_m02_one_pool_for_all_call_types() -> None:
    story = talk(talk(talk(opened(), 3600), 3600, direction="outbound"), 1800, direction="web")
    assert for_calls(story, "professional") == "4.6"  # 20 x 0.11 + 30 x 0.08


# Every switch was off and there was never a credit: $0 was charged, which is no measure of the plan.
@pytest.mark.parametrize(
    ("calls_before", "used", "cost_usd"),
    [
        (9, BOTH, "6"),
        (9, ["live_agent"], "3"),
        (9, ["appointment_booking"], "3"),
        (9, [], "0"),
        (26, BOTH, "9"),  # call 26 costs $3; call 27 9, capped at 6
        (26, ["live_agent"], "9"),
        (26, [], "6"),
    ],
)
def test_c03_to_c06_features_that_were_used_count_as_switched_on(
    calls_before: int, used: list[str], cost_usd: str
) -> None:
    story = Story().opens("professional").calls(calls_before).call("last", used=used)
    assert for_calls(story, "free") == cost_usd
    assert compared(story).whole.charged_micros == 0


def test_c11_switches_that_were_off_do_not_make_the_current_plan_free() -> None:
    story = opened().call("c1", used=BOTH)
    assert (for_calls(story, "free"), compared(story).whole.charged_micros) == ("6", 0)


def test_m03_features_cost_nothing_on_minutes_plans() -> None:
    assert totals(opened().call("c1", used=BOTH))["professional"] == "49"


# P4, P5 and G7: only answered, real calls that were not redirected count, on any plan.
@pytest.mark.parametrize(
    "end_fields",
    [{"answered": False}, {"real": False}, {"outcome": "redirected"}],
    ids=["not answered", "not real", "redirected"],
)
def test_p05_calls_that_do_not_count_cost_nothing(end_fields: dict[str, Any]) -> None:
    story = talk(subscriber(), 6000).call("other", used=BOTH, seconds=6000, **end_fields)
    assert (for_calls(story, "free"), for_calls(story, "professional")) == ("0", "0")
    assert compared(story).whole.calls == 1


# Extra calls are off: of 30 calls the gate redirects those beyond 25.
def test_c08_redirected_calls_are_counted_apart_and_in_no_cost() -> None:
    whole = compared(opened().calls(30)).whole
    assert (whole.calls, whole.redirected_calls, whole.costs["free"].total_micros) == (25, 5, 0)


def test_p04_a_call_of_zero_seconds_counts_on_credits_plans_and_costs_nothing_on_minutes_plans() -> None:
    story = talk(subscriber(), *[0] * 26)
    assert (for_calls(story, "free"), for_calls(story, "professional")) == ("3", "0")


def test_no_call_costs_a_month_of_each_subscription() -> None:
    story = opened()
    assert totals(story) == {"free": "0", "professional": "49", "dental": "99", "real_estate": "99"}
    assert by_period(story, "professional") == [(0, "49")]


# A credits plan may have a price of its own, and a catalogue any number of plans: 10 + (40 - 30) x 1.
def test_plans_are_data() -> None:
    plus = CreditsPlan(monthly_price_micros=usd(10), included_calls=30, extra_call_micros=usd(1))
    assert totals(subscriber(catalogue=plans(others={"plus": plus})).calls(40))["plus"] == "20"


# Without corrections, and with every used feature on and paid for, the current plan's cost is the amount charged.
@pytest.mark.parametrize(
    "story",
    [
        opened("extra_calls", *BOTH, credit=500).calls(28, used=BOTH),
        talk(subscriber(), 99 * 60, 150, 61, 1),
        talk(subscriber("dental"), 200 * 60, 99 * 60, 150),
    ],
    ids=["free", "professional", "dental"],
)
def test_the_current_plan_costs_what_was_charged(story: Story) -> None:
    one = compared(story)
    cost = one.whole.costs[one.plan]
    assert cost.calls_micros == one.whole.charged_micros > 0
    assert one.whole.now_micros == cost.total_micros


# 20 calls of a minute, $49 on professional.
@pytest.mark.parametrize(
    ("free", "cheapest"),
    [
        ({}, {"free"}),
        ({"monthly_price_micros": usd(49)}, {"free", "professional"}),
        ({"monthly_price_micros": usd(50)}, {"professional"}),
        ({"included_calls": 3}, {"professional"}),  # 17 x 3 = 51
        ({"included_calls": 4}, {"free"}),
    ],
)
def test_the_cheapest_is_the_plan_with_the_least_total_or_all_that_share_it(
    free: dict[str, Any], cheapest: set[str]
) -> None:
    assert compared(subscriber(catalogue=plans(**free)).calls(20)).whole.cheapest == cheapest

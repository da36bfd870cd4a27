"""`upgrade-suggested` carries the same costs as the comparison of the same calls. Rule C16; money in dollars."""

from collections.abc import Iterable

import msgspec
import pytest

from schemas.plan import Catalogue, CreditsPlan
from tests.backoffice.whatif.compared import Dollars, compared, dollars, hint_costs
from tests.rules.story import ALL, BOTH, SHIPPED, Event, Story, only, opened, plans, usd

PLUS = CreditsPlan(monthly_price_micros=usd(5), included_calls=2, extra_call_micros=usd(1), cap_micros=usd(4))
CATALOGUE = plans(included_calls=3, others={"plus": PLUS})
# A hint at the first extra call of any period.
AT_ONCE = msgspec.structs.replace(CATALOGUE, rules=msgspec.structs.replace(SHIPPED.rules, upgrade_hint_periods=1))

# Calls of one period: (seconds, direction, features). The fourth is the first extra call, and the last in the hint.
Calls = list[tuple[int, str, tuple[str, ...]]]
HISTORIES: list[Calls] = [
    [(60, "inbound", ())] * 4,
    [(5940, "inbound", BOTH), (150, "web", ()), (0, "outbound", ("live_agent",)), (17_000, "outbound", BOTH)],
    [(18_000, "web", BOTH), (61, "inbound", BOTH), (61, "web", BOTH), (1, "outbound", BOTH)],
    [(3000, "inbound", ()), (3001, "outbound", ()), (59, "web", ("appointment_booking",)), (600, "web", ())],
]


def account_with(calls: Iterable[tuple[int, str, tuple[str, ...]]], catalogue: Catalogue) -> Story:
    story = opened(*ALL, credit=500, catalogue=catalogue)
    for number, (seconds, direction, used) in enumerate(calls):
        story.call(f"c{number}", seconds=seconds, direction=direction, used=list(used))
    return story


def other_plans(story: Story, period: int) -> Dollars:
    costs = compared(story).periods[period].costs
    return {name: dollars(cost.total_micros) for name, cost in costs.items() if name != "free"}


@pytest.mark.parametrize("calls", HISTORIES)
def test_c16_the_hint_and_the_comparison_are_equal(calls: Calls) -> None:
    story = account_with(calls, AT_ONCE)
    hint: Event = only(story.facts("upgrade-suggested"))
    one = compared(story)
    assert hint_costs(hint) == other_plans(story, 0)
    assert hint["cost_micros"] == one.whole.now_micros
    assert hint["calls"] == one.whole.calls == 4


# The third period in a row. A call marked as not real before the hint is neither in it nor in the comparison.
def test_c16_they_are_equal_for_the_period_that_completes_the_streak() -> None:
    story = opened(*ALL, credit=500, catalogue=CATALOGUE)
    for month in (1, 2):
        story.waits(f"2026-0{month}-10T00:00:00Z").calls(4, f"m{month}-", seconds=3000)
    story.waits("2026-03-10T00:00:00Z").calls(3, "m3-", seconds=3000).reclassifies("m3-02", real=False)
    story.call("m3-04", seconds=90, used=BOTH).call("m3-05", seconds=90, direction="web")
    hint = only(story.facts("upgrade-suggested"))
    assert (hint["period_start"], hint["calls"]) == ("2026-03-01T00:00:00Z", 4)
    assert hint_costs(hint) == other_plans(story, 2)
    # The pool is used by two calls of 50 minutes; then 2 inbound and 2 web minutes: 2 x 0.11 + 2 x 0.08.
    assert other_plans(story, 2)["professional"] == "49.38"

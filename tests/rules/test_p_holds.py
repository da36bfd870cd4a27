"""P0: holds, and what ended calls may still cost, follow the plan that a call started under. Money in dollars."""

import pytest

from tests.rules.story import BOTH, Story, only, plans, usd
from tests.rules.subscriber import Subscriber

# Another credits plan, of which far more calls are included, and where they cost less.
OTHERS = {"plus": plans(included_calls=60, extra_call_micros=1_000_000).plans["free"]}
SHIPPED = plans(others=OTHERS)


def with_reserve(calls: int, credit: str) -> Subscriber:
    """25 long calls are open; `calls` others were admitted on credits, have ended, and rank as included for now."""
    story = Subscriber(catalogue=SHIPPED)
    story.opens().switches("extra_calls").is_granted(credit)
    for n in range(25):
        story.starts(f"long-{n:02d}")
    story.waits(seconds=1).calls(calls, "short-")
    return story


def ends_long_calls(story: Story) -> None:
    for n in range(25):
        story.ends(f"long-{n:02d}", seconds=3600)


# The example: the account goes to a minutes plan, and its overage takes what the calls may still cost.
@pytest.mark.parametrize("plan", ["professional", "plus"])
def test_p00_a_change_of_plan_does_not_forget_what_ended_calls_may_still_cost(plan: str) -> None:
    story = with_reserve(25, "75.01")
    assert story.snapshot()["held_micros"] == usd(75)
    story.changes_plan(plan)
    snapshot = story.snapshot()
    assert (snapshot["held_micros"], snapshot["available_micros"]) == (usd(75), usd("0.01"))
    ends_long_calls(story)
    assert story.balance() == usd("0.01")
    assert story.snapshot()["held_micros"] == 0


# C6: what an ended call may still cost is never more than the cap leaves of it. One long call is open ($6 held).
@pytest.mark.parametrize(("used", "held_usd"), [((), 6 + 3), (("live_agent",), 6 + 3), (BOTH, 6)])
def test_p00_c06_an_ended_call_that_has_reached_the_cap_may_cost_no_more(used: tuple[str, ...], held_usd: int) -> None:
    story = Story().opens().switches("extra_calls", *BOTH).is_granted(100).calls(24)
    story.starts("long").waits(seconds=1).call("short", used=used)
    assert story.snapshot()["held_micros"] == usd(held_usd)
    story.ends("long", seconds=3600)
    assert story.costs()["short"] == min(usd(6), usd(3 + 3 * len(used)))
    assert story.snapshot()["held_micros"] == 0


def test_p00_overage_uses_only_the_balance_that_is_not_held() -> None:
    story = with_reserve(25, "75.01").changes_plan("professional")
    charge = only(story.uses(240).answer("call-charged"))
    # 140 minutes beyond the 100 included ones.
    assert (charge["wallet_micros"], charge["card_micros"]) == (usd("0.01"), usd("15.39"))
    ends_long_calls(story)
    assert story.balance() == 0


def test_p00_open_calls_of_the_former_plan_keep_their_holds() -> None:
    story = Subscriber(catalogue=plans(included_calls=0))
    story.opens().switches("extra_calls", *BOTH).is_granted(20).starts("open").changes_plan("professional")
    assert story.snapshot()["held_micros"] == usd(6)
    charge = only(story.uses(240).answer("call-charged"))
    assert (charge["wallet_micros"], charge["card_micros"]) == (usd(14), usd("1.40"))
    story.ends("open", used=BOTH)
    assert (story.balance(), story.snapshot()["held_micros"]) == (0, 0)


def test_p00_each_call_by_its_own_plan() -> None:
    """Both plans have calls that may become extra calls in the same period: $3 each on one, $1 on the other."""
    both = {"plus": plans(included_calls=2, extra_call_micros=1_000_000).plans["free"]}
    story = Subscriber(catalogue=plans(included_calls=2, others=both))
    story.opens().switches("extra_calls").is_granted(20).starts("long-1").starts("long-2").waits(seconds=1)
    story.call("free-call").changes_plan("plus").call("plus-call")
    assert story.snapshot()["held_micros"] == usd(4)
    story.ends("long-1", seconds=60).ends("long-2", seconds=60)
    assert story.costs() == {"free-call": usd(3), "plus-call": usd(1), "long-1": 0, "long-2": 0}
    assert story.snapshot()["held_micros"] == 0

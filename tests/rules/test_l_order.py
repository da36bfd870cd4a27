"""L2 and L4: the order of the legs decides direction, start and rank; the order of their arrival decides nothing.

Legs are rows of (leg, started, answered, ended). Money in dollars.
"""

import itertools
from typing import Any

import pytest

from tests.rules.legs import CALL, at, ends_leg, net, newest, starts_leg
from tests.rules.story import ALL, BOTH, charges, only, opened, plans, usd
from tests.rules.subscriber import minutes_plans, subscriber

ONE = plans(included_calls=1)


# L2: direction and start are those of the leg with the least (`started_at`, `leg_id`), answered or not.
@pytest.mark.parametrize(
    ("legs", "direction"),
    [
        ([("a", "00:01", "00:10", "01:00", "web"), ("b", "00:00", "00:10", "01:00", "outbound")], "outbound"),
        ([("a", "00:00", "00:10", "01:00", "web"), ("b", "00:00", "00:10", "01:00", "outbound")], "web"),
        # Upper case comes before lower case; a leg without an id before all, at the same start.
        ([("a", "00:00", "00:10", "01:00", "web"), ("B", "00:00", "00:10", "01:00", "outbound")], "outbound"),
        ([("a", "00:00", "00:10", "01:00", "web"), (None, "00:00", "00:10", "01:00", "outbound")], "outbound"),
        ([("a", "00:00", "00:10", "01:00", "web"), (None, "00:01", "00:10", "01:00", "outbound")], "web"),
        # Not answered: it gives direction and start all the same.
        ([("a", "00:01", "00:10", "01:00", "web"), ("b", "00:00", None, "00:10", "outbound")], "outbound"),
    ],
)
def test_l02_the_first_leg_gives_direction_and_start(legs: list[Any], direction: str) -> None:
    plan = minutes_plans(professional={"included_minutes": 0})
    for order in (legs, legs[::-1]):
        story = subscriber(20, catalogue=plan)
        for *leg, way in order:
            ends_leg(story, *leg, direction=way)
        # One minute: $0.08 on the web, $0.11 otherwise. Where only the direction moved, no fact says so (P4).
        assert net(story) == usd("0.08" if direction == "web" else "0.11")
        assert story.usage()["cost_by_call_type_micros"][direction] == net(story)


def test_l02_an_earlier_leg_moves_the_call_to_another_rank() -> None:
    story = opened("extra_calls", credit=20, catalogue=ONE).starts(CALL, at=at("00:30")).starts("other", at=at("00:20"))
    ends_leg(story, "b", "00:30", "00:30", "01:00")
    story.ends("other")
    assert story.costs() == {CALL: usd(3), "other": 0}
    ends_leg(story, "a", "00:10", None, "00:20")
    assert list(charges(story.answer())) == [
        ("charge-adjusted", CALL, usd(-3)),
        ("charge-adjusted", "other", usd(3)),
    ]
    assert [fact["reason"] for fact in story.answer("charge-adjusted")] == ["leg", "reranked"]


def test_l02_an_earlier_leg_moves_the_call_to_another_period() -> None:
    story = subscriber(plan="professional", signup="2025-12-01T00:00:00Z")
    ends_leg(story, "b", "00:00", "00:00", "02:00")
    assert newest(story)["period_start"] == "2026-01-01T00:00:00Z"
    story.ends(CALL, leg_id="a", answered=False, started="2025-12-31T23:59:59Z")
    moved = only(story.answer("charge-adjusted"))
    # No money and no more minutes, but they move to December: a fact (P4).
    assert (moved["amount_micros"], moved["period_start"], moved["minutes_after"]) == (0, "2025-12-01T00:00:00Z", 2)
    assert story.usage()["minutes_used"] == 0


LEGS = [("a", "00:01", "00:10", "01:00"), ("b", "00:00", None, "00:10"), ("c", "02:00", "02:05", "09:00")]
SAID: dict[str, dict[str, Any]] = {"a": {"used": BOTH[:1]}, "b": {"direction": "web"}, "c": {"used": BOTH[1:]}}


# L4: the net does not depend on the order of the legs.
@pytest.mark.parametrize("gated", [False, True])
def test_l04_credits_the_net_does_not_depend_on_the_order(*, gated: bool) -> None:
    results = set()
    for order in itertools.permutations(LEGS):
        story = opened(*ALL, credit=50, catalogue=ONE)
        if gated:
            starts_leg(story, "a", "00:01")
        story.starts("other", at=at("00:00"))
        for place, leg in enumerate(order):
            ends_leg(story, *leg, **SAID[leg[0]])
            if place == 1:
                story.ends("other")
        results.add((tuple(sorted(story.costs().items())), story.balance(), story.snapshot()["held_micros"]))
    # `call` and `other` start at the same time: `call` is the included one, by its id.
    assert results == {((("call", usd(6)), ("other", usd(3))), usd(41), 0)}


def test_l04_minutes_the_net_does_not_depend_on_the_order_without_other_inputs() -> None:
    results = set()
    for order in itertools.permutations(LEGS):
        story = subscriber("0.30", catalogue=minutes_plans(professional={"included_minutes": 2}))
        for leg in order:
            ends_leg(story, *leg, **SAID[leg[0]])
        usage = story.usage()
        results.add((net(story), story.balance(), story.card_due(), usage["minutes_used"]))
    # 9 minutes at the web rate of the first leg, 2 of them included: 7 x 0.08.
    assert results == {(usd("0.56"), 0, usd("0.26"), 9)}


def test_l04_p03_a_call_is_rated_again_at_its_own_minutes_before() -> None:
    story = subscriber(20, catalogue=minutes_plans(professional={"included_minutes": 4}))
    ends_leg(story, "a", "00:00", "00:00", "02:00")
    ends_leg(story, "x", "00:00", "00:00", "02:00", call="other")
    ends_leg(story, "b", "02:00", "02:00", "06:00")
    assert (newest(story)["minutes_before"], newest(story)["minutes_after"]) == (0, 6)
    # 6 minutes from 0: 4 included. The other call had the third and fourth as well.
    assert story.costs() == {CALL: usd("0.22"), "other": 0}

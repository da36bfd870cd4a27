"""L5: the hold of a call that is reported by legs, and how often such a call counts. Money in dollars."""

from typing import Any

import pytest

from tests.rules.legs import CALL, at, ends_leg, net, starts_leg
from tests.rules.story import ALL, BOTH, Story, only, opened, plans, usd


def held(story: Story) -> tuple[int, int]:
    snapshot = story.snapshot()
    return snapshot["held_micros"], snapshot["open_calls"]


# L5: a second leg's start is a repeat: no second decision, no second hold.
def test_l05_a_second_legs_start_is_a_repeat() -> None:
    story = starts_leg(opened(*ALL, credit=20), "a")
    before = story.snapshot()
    assert held(story) == (usd(6), 1)
    starts_leg(story, "b", "00:10")
    assert (story.answer(), story.snapshot()) == ([], before)


# L5 and L1: what ends the hold. (starts, ends) -> the hold after them, of $6; each answered end uses a live agent.
@pytest.mark.parametrize(
    ("starts", "ends", "hold_usd"),
    [
        (["a"], ["a"], 0),
        (["a", "b"], ["a"], 3),
        (["a", "b"], ["a", "b"], 0),
        (["a", "b"], ["b", "a"], 0),
        # Only the first end reduces the hold.
        (["a", "b", "c"], ["a", "b"], 3),
        # A leg that never started ends nothing; what has started still runs.
        (["a"], ["x"], 3),
        # A start without an id is ended by the first end of any leg.
        ([None], ["x"], 0),
        ([None, "b"], ["x"], 3),
        ([None, "b"], ["b"], 0),
        # An end without an id ends every leg that has started.
        (["a", "b"], [None], 0),
        # A leg whose end came before its start has ended.
        (["a", "b"], ["a", "c"], 3),
    ],
)
def test_l05_a_hold_is_released_when_every_leg_with_a_start_has_ended(
    starts: list[Any], ends: list[Any], hold_usd: int
) -> None:
    story = opened(*ALL, credit=20)
    for leg in starts:
        starts_leg(story, leg)
    for leg in ends:
        ends_leg(story, leg, "00:00", "00:10", "01:00", used=BOTH[:1])
    assert held(story) == (usd(hold_usd), int(hold_usd > 0))
    assert story.balance() == usd(17)


def test_l05_a_leg_that_starts_after_all_have_ended_holds_nothing() -> None:
    story = starts_leg(opened(*ALL, credit=20), "a")
    ends_leg(story, "a", "00:00", "00:10", "01:00")
    assert held(starts_leg(story, "b", "01:00")) == (0, 0)


def test_l05_a_leg_whose_end_came_before_its_start_has_ended() -> None:
    story = starts_leg(opened(*ALL, credit=20), "a")
    ends_leg(story, "b", "00:00", "00:10", "01:00")
    starts_leg(story, "b")
    ends_leg(story, "a", "00:00", "00:10", "01:00")
    assert held(story) == (0, 0)


def test_l05_g05_the_rest_of_a_hold_is_released_when_it_expires() -> None:
    story = starts_leg(starts_leg(opened(*ALL, credit=20), "a"), "b", "01:00")
    ends_leg(story, "a", "00:00", "00:10", "01:00", used=BOTH[:1])
    assert story.ticks(at("03:59:59")).answer() == []
    stuck = only(story.ticks(at("04:00:00")).answer("call-stuck"))
    assert (stuck["call_id"], stuck["hold_micros"], held(story)) == (CALL, usd(3), (0, 0))
    ends_leg(story, "b", "01:00", "01:00", "05:00:00", used=BOTH[1:])
    assert (net(story), held(story)) == (usd(6), (0, 0))


# L5 and P1: a call counts once, however many legs it has, and one that counts is not open as well.
@pytest.mark.parametrize("answered", ["00:10", None])
def test_l05_p01_a_call_counts_once(answered: str | None) -> None:
    story = starts_leg(starts_leg(opened(credit=20, catalogue=plans(included_calls=2)), "a"), "b")
    ends_leg(story, "a", "00:00", answered, "01:00")
    # The second call is the second of two included ones; the third is redirected.
    assert story.starts("second").answer_types() == ["call-admitted"]
    assert story.starts("third").answer_types() == ["call-redirected"]
    assert story.reclassifies(CALL, real=False).starts("fourth").answer_types() == ["call-redirected"]
    ends_leg(story, "b", "00:00", None, "01:00")
    assert story.starts("fifth").answer_types() == ["call-admitted"]


def test_l05_the_second_legs_start_of_a_redirected_call_is_a_repeat() -> None:
    story = starts_leg(opened(catalogue=plans(included_calls=0)), "a")
    assert only(story.answer())["type"] == "call-redirected"
    assert starts_leg(story, "b").answer() == []
    ends_leg(story, "b", "00:00", "00:00", "01:00", used=BOTH)
    assert net(story) == 0

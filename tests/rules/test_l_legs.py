"""L and G15: calls that are reported by legs. Money in dollars; moments of the day `2026-01-01`.

Legs are rows of (leg, started, answered, ended), each a time of day as minutes and seconds after midnight, answered
None for a leg that nobody answered. On the shipped catalogue: 25 calls included, $3 a feature, at most $6 a call.
"""

import itertools
from typing import Any

import pytest

from tests.rules.legs import CALL, ends_leg, net, newest, starts_leg
from tests.rules.story import ALL, BOTH, SHIPPED, Story, only, opened, plans, usd
from tests.rules.subscriber import Subscriber, minutes_plans, subscriber

ONE = plans(included_calls=1)


# The example: a forked leg that is canceled and arrives later does not erase the answered call's charge.
@pytest.mark.parametrize("canceled_first", [False, True])
def test_g15_a_canceled_forked_leg_does_not_erase_the_charge(*, canceled_first: bool) -> None:
    story = opened(*ALL, credit=20).starts(CALL)
    legs = [("a", "00:00", "00:05", "02:00"), ("b", "00:00", None, "00:05")]
    for leg in reversed(legs) if canceled_first else legs:
        ends_leg(story, *leg, used=BOTH[:1], outcome="completed" if leg[2] else "canceled")
    assert net(story) == usd(3)
    assert story.balance() == usd(17)
    assert len(story.facts("call-charged")) == 1


# Without `leg_id` a later end contradicts: the later arrival stands (P5).
def test_g15_p05_without_leg_id_the_later_end_stands() -> None:
    story = opened(*ALL, credit=20).starts(CALL)
    ends_leg(story, None, "00:00", "00:05", "02:00", used=BOTH[:1])
    ends_leg(story, None, "00:00", None, "02:00", outcome="canceled")
    assert net(story) == 0
    assert newest(story)["reason"] == "contradicting_end"


# L1: from the first answer to the last end of the legs that count, gaps included. legs -> billable seconds
@pytest.mark.parametrize(
    ("legs", "seconds"),
    [
        ([("a", "00:00", "00:10", "01:00")], 50),
        # Parallel, one after the other, with a gap, one within the other.
        ([("a", "00:00", "00:10", "01:00"), ("b", "00:00", "00:20", "01:30")], 80),
        ([("a", "00:00", "00:10", "01:00"), ("b", "05:00", "05:10", "06:00")], 350),
        ([("a", "00:00", "00:10", "06:00"), ("b", "01:00", "01:10", "02:00")], 350),
        # A leg that was not answered adds nothing, however long it rang.
        ([("a", "00:00", "00:10", "01:00"), ("b", "00:00", None, "09:00")], 50),
        ([("a", "00:00", None, "01:00"), ("b", "00:00", None, "09:00")], 0),
        # An end without an id is a leg like the others.
        ([(None, "00:00", "00:10", "01:00"), ("b", "00:00", "00:20", "01:30")], 80),
    ],
)
def test_l01_the_time_of_a_call_is_that_of_its_legs_together(legs: list[Any], seconds: int) -> None:
    # Increments of a second, so that each change of the time gives a fact.
    by_seconds = minutes_plans(professional={"increment_first_s": 1, "increment_next_s": 1})
    for order in itertools.permutations(legs):
        story = subscriber(20, catalogue=by_seconds)
        for leg in order:
            ends_leg(story, *leg)
        assert newest(story)["billable_ms"] == seconds * 1000


def test_l01_a_leg_that_was_redirected_does_not_count() -> None:
    story = subscriber(20)
    ends_leg(story, "a", "00:00", "00:10", "01:00")
    ends_leg(story, "b", "00:00", "00:00", "09:00", outcome="redirected")
    assert newest(story)["billable_ms"] == 50_000
    alone = subscriber(20)
    ends_leg(alone, "b", "00:00", "00:00", "09:00", outcome="redirected")
    assert (newest(alone)["billable_ms"], newest(alone)["receipt"]["outcome"]) == (0, "redirected")


# L1: features united, each once; the cap holds for the call. features of leg a, of leg b -> cost
@pytest.mark.parametrize(
    ("one", "other", "cost_usd"),
    [((), (), 0), (BOTH[:1], (), 3), (BOTH[:1], BOTH[:1], 3), (BOTH[:1], BOTH[1:], 6), (BOTH, BOTH, 6)],
)
def test_l01_features_of_the_legs_are_united(one: Any, other: Any, cost_usd: int) -> None:
    story = opened(*ALL, credit=20).starts(CALL)
    ends_leg(story, "a", "00:00", "00:10", "01:00", used=one)
    ends_leg(story, "b", "00:30", "00:40", "02:00", used=other)
    assert net(story) == usd(cost_usd)


def test_l01_the_features_of_a_leg_that_does_not_count_are_not_billed() -> None:
    story = opened(*ALL, credit=20).starts(CALL)
    ends_leg(story, "a", "00:00", "00:10", "01:00", used=BOTH[:1])
    ends_leg(story, "b", "00:00", None, "00:10", used=BOTH[1:])
    assert net(story) == usd(3)


# L1: real unless one of the legs that count says otherwise; a reclassification beats all legs.
@pytest.mark.parametrize(
    ("one", "other", "answered", "reclassified", "cost_usd"),
    [
        (None, None, "00:40", None, 3),
        (True, False, "00:40", None, 0),
        (False, True, "00:40", None, 0),
        (True, False, None, None, 3),
        (True, False, "00:40", True, 3),
        (True, True, "00:40", False, 0),
    ],
)
def test_l01_a_call_is_real_unless_a_leg_says_otherwise(
    one: bool | None, other: bool | None, answered: str | None, reclassified: bool | None, cost_usd: int
) -> None:
    story = opened(*ALL, credit=20).starts(CALL)
    if reclassified is not None:
        story.reclassifies(CALL, real=reclassified)
    ends_leg(story, "a", "00:00", "00:10", "01:00", used=BOTH[:1], real=one)
    ends_leg(story, "b", "00:30", answered, "02:00", real=other)
    assert net(story) == usd(cost_usd)


# L3: charged at its first end, adjusted by the others.
def test_l03_the_first_end_charges_and_the_others_adjust() -> None:
    story = opened(*ALL, credit=20).starts(CALL)
    ends_leg(story, "a", "00:00", None, "00:10")
    first = only(story.answer("call-charged"))
    assert (first["amount_micros"], "ordinal" in first) == (0, False)
    ends_leg(story, "b", "00:00", "00:10", "02:00", used=BOTH)
    adjusted = only(story.answer("charge-adjusted"))
    assert (adjusted["amount_micros"], adjusted["reason"], adjusted["ordinal"]) == (usd(6), "leg", 1)
    assert adjusted["adjusts"] == first["id"]
    assert [leg["leg_id"] for leg in adjusted["receipt"]["legs"]] == ["a", "b"]


# L3: within one leg the later arrival stands; the same content again is a repeat (P7).
def test_l03_within_one_leg_the_later_arrival_stands() -> None:
    story = opened(*ALL, credit=20).starts(CALL)
    ends_leg(story, "a", "00:00", "00:10", "02:00", used=BOTH)
    ends_leg(story, "b", "00:00", "00:10", "02:00")
    ends_leg(story, "a", "00:00", "00:10", "02:00", used=BOTH[:1])
    assert only(story.answer("charge-adjusted"))["reason"] == "contradicting_end"
    assert net(story) == usd(3)
    version = story.snapshot()["version"]
    ends_leg(story, "b", "00:00", "00:10", "02:00")
    assert (story.answer(), story.snapshot()["version"]) == ([], version)


# L3: all legs use the settings of the call's first start, or else of its first end.
@pytest.mark.parametrize("started", [True, False])
def test_l03_all_legs_use_the_settings_of_the_first(*, started: bool) -> None:
    story = opened("live_agent", credit=20)
    if started:
        starts_leg(story, "a")
    else:
        ends_leg(story, "a", "00:00", "00:10", "01:00")
    story.switches("live_agent", on=False).switches("appointment_booking")
    starts_leg(story, "b", "00:30")
    ends_leg(story, "b", "00:30", "00:40", "02:00", used=BOTH)
    assert net(story) == usd(3)


# L3: at most 32 legs by starts and ends together. A start without an id names no leg, an end without one is a leg.
@pytest.mark.parametrize(
    ("starts", "ends", "next_leg", "refused"),
    [
        (["s1"], [f"e{n}" for n in range(30)], "more", False),
        (["s1"], [f"e{n}" for n in range(31)], "more", True),
        (["s1"], [f"e{n}" for n in range(31)], "s1", False),
        ([None], [f"e{n}" for n in range(31)], "more", False),
        ([None], [f"e{n}" for n in range(32)], "more", True),
        ([f"s{n}" for n in range(32)], [], "more", True),
        ([f"s{n}" for n in range(32)], [], "s31", False),
        (["s1"], [*(f"e{n}" for n in range(30)), None], "more", True),
        (["s1"], [*(f"e{n}" for n in range(30)), None], None, False),
    ],
)
def test_l03_a_call_has_at_most_32_legs(starts: list[Any], ends: list[Any], next_leg: Any, *, refused: bool) -> None:
    story = opened(credit=20)
    for leg in starts:
        starts_leg(story, leg)
    for leg in ends:
        ends_leg(story, leg, "00:00", "00:10", "01:00")
    for kind in ("start", "end"):
        again = Story(catalogue=SHIPPED)
        again.inputs = list(story.inputs)
        if kind == "start":
            starts_leg(again, next_leg)
            # A start without an id names no leg, so it is never one too many.
            expected = "schema_invalid" if refused and next_leg is not None else None
            assert [fact["type"] for fact in again.answer()] == (["dead-letter"] if expected else [])
        else:
            ends_leg(again, next_leg, "00:00", "00:10", "03:00")
            expected = "schema_invalid" if refused else None
        assert again.refusal() == expected


# `leg_id` is 1 to 128 printable ASCII characters without space.
@pytest.mark.parametrize(
    ("leg_id", "accepted"),
    [("a", True), ("~!%/", True), ("x" * 128, True), ("x" * 129, False), ("", False), ("a b", False), ("é", False)],
)
def test_g15_what_a_leg_id_may_be(leg_id: str, *, accepted: bool) -> None:
    for story in (opened().starts(CALL, leg_id=leg_id), opened().ends(CALL, leg_id=leg_id)):
        assert story.refusal() == (None if accepted else "schema_invalid")


def test_g11_a_receipt_names_the_ends_of_all_legs() -> None:
    story = starts_leg(opened(*ALL, credit=20), "a")
    ends_leg(story, "a", "00:00", "00:10", "01:00", id="end-a")
    ends_leg(story, "b", "00:00", "00:10", "02:00", id="end-b", used=BOTH[:1])
    ends_leg(story, "a", "00:00", "00:10", "01:00", id="end-a-again", used=BOTH[1:])
    receipt = newest(story)["receipt"]
    assert set(receipt["input_ids"]) >= {"end-a-again", "end-b"}
    assert (receipt["answered_at"], receipt["ended_at"]) == ("2026-01-01T00:00:10Z", "2026-01-01T00:02:00Z")
    assert [(leg["leg_id"], leg["features_used"]) for leg in receipt["legs"]] == [
        ("a", ["appointment_booking"]),
        ("b", ["live_agent"]),
    ]
    assert "legs" not in only(opened().call("plain").answer("call-charged"))["receipt"]


# L1 and G7: the longest call applies once, to the whole call.
def test_l01_g07_the_longest_call_applies_to_the_whole_call() -> None:
    story: Subscriber = subscriber(50, catalogue=minutes_plans(professional={"included_minutes": 0}))
    ends_leg(story, "a", "00:00", "00:00", "03:00:00")
    assert story.answer("call-overlong") == []
    ends_leg(story, "b", "02:00:00", "02:00:00", "05:00:00")
    assert (newest(story)["billable_ms"], newest(story)["reported_ms"]) == (4 * 3_600_000, 5 * 3_600_000)
    assert only(story.answer("call-overlong"))["reported_ms"] == 5 * 3_600_000
    assert net(story) == usd("26.40")

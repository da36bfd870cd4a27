"""C18 and G6, P2, P5, P21: corrections, and which call of a period costs what. Money in dollars.

Most tables include 2 calls a period: `c1` and `c2` are included, `c3` and `c4` are extra calls.
"""

import itertools
from typing import Any

import pytest

from tests.rules.story import ALL, BOTH, Story, charges, kinds_and_amounts, later, only, opened, plans, usd

TWO = plans(included_calls=2)
THREE_USD = 3_000_000


def four_calls() -> Story:
    """c1 to c4, a minute apart, all counted; $20, only extra calls on."""
    story = opened("extra_calls", credit=20, catalogue=TWO)
    for n in range(1, 5):
        story.starts(f"c{n}").ends(f"c{n}").waits(minutes=1)
    return story


def test_c18_the_calls_beyond_the_included_ones_are_charged() -> None:
    assert four_calls().costs() == {"c1": 0, "c2": 0, "c3": THREE_USD, "c4": THREE_USD}


# C18: what one correction of a call does to the others. (call, real) -> facts in order (P21), costs.
@pytest.mark.parametrize(
    ("call_id", "adjusted"),
    [
        # An included call falls away: the first charged extra call becomes an included one; c4 stays extra: no fact.
        ("c1", [("c3", -3)]),
        ("c2", [("c3", -3)]),
        # An extra call falls away: only its own charge.
        ("c3", [("c3", -3)]),
        ("c4", [("c4", -3)]),
    ],
)
def test_c18_a_call_that_turns_out_not_to_be_real_moves_the_first_extra_call(
    call_id: str, adjusted: list[tuple[str, int]]
) -> None:
    story = four_calls().reclassifies(call_id, real=False)
    said = list(charges(story.answer()))
    assert said == [("charge-adjusted", other, usd(amount)) for other, amount in adjusted]
    assert story.balance() == usd(17)
    # And back again: everything is as it was.
    story.reclassifies(call_id, real=True)
    assert list(charges(story.answer())) == [("charge-adjusted", other, usd(-amount)) for other, amount in adjusted]
    assert story.costs() == four_calls().costs()


# C18, the reverse: a call added late, by its start, pushes the last included call over the edge.
@pytest.mark.parametrize(
    ("started", "facts"),
    [
        ("2026-01-01T00:00:30Z", [("call-charged", "late", 0), ("charge-adjusted", "c2", 3)]),
        ("2026-01-01T00:01:30Z", [("call-charged", "late", 3)]),
        ("2026-01-01T00:09:00Z", [("call-charged", "late", 3)]),
    ],
)
def test_c18_a_call_added_late_moves_the_last_included_call(started: str, facts: list[tuple[str, str, int]]) -> None:
    story = four_calls().ends("late", started=started)
    assert list(charges(story.answer())) == [(kind, call_id, usd(amount)) for kind, call_id, amount in facts]
    assert sum(story.costs().values()) == 3 * THREE_USD


# P2: in order of (`started_at`, `call_id`). Two calls of the same instant: the id decides, not the arrival.
@pytest.mark.parametrize(("first", "second"), [("b", "a"), ("a", "b")])
def test_p02_calls_of_the_same_instant_rank_by_their_id(first: str, second: str) -> None:
    story = opened("extra_calls", credit=20, catalogue=plans(included_calls=1))
    story.starts(first).starts(second).ends(first).ends(second)
    assert story.costs() == {"a": 0, "b": THREE_USD}


def test_p02_one_millisecond_decides() -> None:
    story = opened("extra_calls", credit=20, catalogue=plans(included_calls=1))
    story.starts("a", at=later(story.now, milliseconds=1)).starts("b").ends("a").ends("b")
    assert story.costs() == {"b": 0, "a": THREE_USD}


# P2: what may be billed stays what was enabled at admission.
def test_p02_a_call_admitted_without_extra_calls_costs_nothing_extra_when_it_is_ranked_beyond() -> None:
    story = opened(credit=20, catalogue=TWO).starts("c1").ends("c1").waits(minutes=1).starts("c2").ends("c2")
    story.switches("extra_calls").ends("late", started="2026-01-01T00:00:30Z")
    assert story.costs() == {"c1": 0, "c2": 0, "late": 0}
    # c2 is the third now, its amount has not moved: no fact (P21).
    assert [fact["type"] for fact in story.answer()] == ["call-charged"]


# P21: the call's own fact first, then the re-ranked by (started_at, call_id); each with its ledger entry.
def test_p21_own_fact_first_then_the_moved_ones_alerts_and_refill_last() -> None:
    story = opened("extra_calls", credit="7.5", catalogue=TWO).adds_card()
    for n in range(1, 4):
        story.starts(f"c{n}").ends(f"c{n}").waits(minutes=1)
    story.says("alert-thresholds-set", thresholds_micros=[usd(3)]).refills(50, threshold_micros=usd(3))
    story.ends("late", started="2026-01-01T00:00:30Z")
    assert story.answer_types() == [
        "call-charged",
        "charge-adjusted",
        "ledger-entry-posted",
        "balance-low",
        "refill-requested",
        "payment-requested",
    ]


# C18: for every order of arrival, the same end result. Four calls, one of them corrected; 120 orders.
def test_c18_the_end_result_does_not_depend_on_the_order_of_arrival() -> None:
    def story_of(order: tuple[int, ...]) -> Story:
        story = opened(*ALL, credit=50, catalogue=TWO)
        for n in range(1, 5):
            story.starts(f"c{n}").waits(minutes=1)
        last = story.now
        said = [
            lambda: story.ends("c1", at="2026-01-01T00:05:00Z"),
            lambda: story.ends("c2", used=BOTH, at="2026-01-01T00:05:00Z"),
            lambda: story.ends("c3", used=BOTH[:1], at="2026-01-01T00:06:00Z"),
            lambda: story.ends("c4", at="2026-01-01T00:07:00Z"),
            lambda: story.reclassifies("c2", real=False, at=last),
        ]
        for n in order:
            said[n]()
        return story

    results = {
        (tuple(sorted(story.costs().items())), story.balance())
        for story in map(story_of, itertools.permutations(range(5)))
    }
    # c1 and c3 are the included ones, c3 with a live agent; c4 is the extra call.
    assert results == {((("c1", 0), ("c2", 0), ("c3", 3_000_000), ("c4", 3_000_000)), usd(44))}


# G6: the same call ended again with other content: the difference, never a second charge.
@pytest.mark.parametrize(
    ("first", "second", "difference_usd"),
    [
        ({"used": BOTH[:1]}, {"used": BOTH}, 3),
        ({"used": BOTH}, {"used": BOTH[1:]}, -3),
        ({"used": BOTH}, {"answered": False}, -6),
        ({"used": BOTH}, {"used": BOTH, "real": False}, -6),
        ({"used": BOTH}, {"used": BOTH, "outcome": "redirected"}, -6),
        ({"answered": False}, {"used": BOTH[:1]}, 3),
    ],
)
def test_g06_a_contradicting_end_gives_the_difference(
    first: dict[str, Any], second: dict[str, Any], difference_usd: int
) -> None:
    story = opened(*ALL, credit=20).starts("c1").ends("c1", **first)
    charged = only(story.answer("call-charged"))
    adjusted = only(story.ends("c1", **second).answer("call-charged", "charge-adjusted"))
    assert (adjusted["type"], adjusted["amount_micros"]) == ("charge-adjusted", usd(difference_usd))
    assert adjusted["adjusts"] == charged["id"]
    assert adjusted["reason"]
    assert sum(line["amount_micros"] for line in adjusted["lines"]) == usd(difference_usd)
    assert adjusted["receipt"]["amount_micros"] == charged["amount_micros"] + usd(difference_usd)
    assert adjusted["balance_before_micros"] - usd(difference_usd) == adjusted["balance_after_micros"]
    assert story.balance() == adjusted["balance_after_micros"]


def test_g06_the_lines_of_a_difference() -> None:
    story = opened(*ALL, credit=20).starts("c1").ends("c1", used=BOTH[:1]).ends("c1", used=BOTH)
    assert kinds_and_amounts(only(story.answer("charge-adjusted"))["lines"]) == [("appointment_booking", usd(3))]


@pytest.mark.parametrize("change", [{"direction": "web"}, {"seconds": 61}, {"outcome": "failed"}])
def test_g06_a_contradiction_that_costs_the_same_moves_no_money(change: dict[str, Any]) -> None:
    story = opened(*ALL, credit=20).starts("c1").ends("c1", used=BOTH).ends("c1", used=BOTH, **change)
    assert story.answer("ledger-entry-posted", "call-charged") == []
    assert story.balance() == usd(14)


# The same content under another id is the same end (P7), features in another order included.
def test_g06_an_end_with_the_same_content_is_no_contradiction() -> None:
    story = opened(*ALL, credit=20).starts("c1").ends("c1", used=BOTH).ends("c1", used=BOTH[::-1] + BOTH)
    assert story.answer() == []
    assert story.balance() == usd(14)


# P5: of two contradicting ends the later arrival stands, whatever their times say.
def test_p05_the_later_arrival_stands() -> None:
    story = opened(*ALL, credit=20).starts("c1").ends("c1", used=BOTH, seconds=90).ends("c1", used=(), seconds=30)
    assert story.costs() == {"c1": 0}
    assert story.ends("c1", used=BOTH, seconds=90, id="again").costs() == {"c1": usd(6)}


# P5: of two reclassifications the greater `occurred_at`, then `id`. (first, second) as (minute, id, real) -> stands.
@pytest.mark.parametrize(
    ("first", "second", "real"),
    [
        ((1, "a", False), (2, "b", True), True),
        ((2, "a", False), (1, "b", True), False),
        ((1, "a", False), (1, "b", True), True),
        ((1, "b", False), (1, "a", True), False),
    ],
)
def test_p05_the_reclassification_that_happened_last_stands(
    first: tuple[int, str, bool], second: tuple[int, str, bool], real: bool
) -> None:
    story = opened(*BOTH, credit=20).starts("c1").ends("c1", used=BOTH)
    for minute, input_id, said in (first, second):
        story.reclassifies("c1", real=said, id=input_id, at=f"2026-01-01T00:{minute:02d}:00Z")
    assert story.costs() == {"c1": usd(6) if real else 0}
    # One that has been overtaken is a recognised repeat: nothing.
    if real == first[2]:
        assert story.answer() == []


# P5: a reclassification beats the end's `real`, even when it arrives first.
@pytest.mark.parametrize("end_says", [True, False, None])
@pytest.mark.parametrize("reclassified", [True, False])
@pytest.mark.parametrize("order", ["end first", "reclassification first", "before the start"])
def test_p05_a_reclassification_beats_the_end(*, end_says: bool | None, reclassified: bool, order: str) -> None:
    story = opened(*BOTH, credit=20)
    if order == "before the start":
        story.reclassifies("c1", real=reclassified)
    story.starts("c1")
    if order == "reclassification first":
        story.reclassifies("c1", real=reclassified)
    story.ends("c1", used=BOTH, real=end_says)
    if order == "end first":
        story.reclassifies("c1", real=reclassified)
    assert story.costs() == {"c1": usd(6) if reclassified else 0}
    assert story.snapshot()["usage"]["calls_counted"] == int(reclassified)
    # A contradicting end does not bring the end's own word back.
    story.ends("c1", used=BOTH, real=not reclassified, seconds=75)
    assert story.costs() == {"c1": usd(6) if reclassified else 0}


def test_p05_a_reclassified_call_that_was_not_answered_still_does_not_count() -> None:
    story = opened(*BOTH, credit=20).starts("c1").ends("c1", answered=False).reclassifies("c1", real=True)
    assert (story.answer("charge-adjusted"), story.snapshot()["usage"]["calls_counted"]) == ([], 0)


# P5: the end's `started_at` beats the start's `occurred_at`, for the rank and for the period.
def test_p05_the_ends_start_beats_the_starts_own_time() -> None:
    story = opened("extra_calls", credit=20, catalogue=plans(included_calls=1)).waits("2026-02-01T00:00:00Z")
    story.starts("c1").ends("c1").waits(minutes=1).starts("c2").ends("c2", started="2026-01-31T23:59:59.999Z")
    charge = only(story.answer("call-charged"))
    assert (charge["period_start"], charge["ordinal"], charge["amount_micros"]) == ("2026-01-01T00:00:00Z", 1, 0)
    assert story.ends("c2", started="2026-02-01T00:00:00Z", at="2026-02-01T00:02:00Z").costs() == {
        "c1": 0,
        "c2": THREE_USD,
    }


# A contradicting end that moves a call to another period: it leaves the one, its place is taken, and enters the other.
def test_c18_g06_a_contradicting_end_moves_a_call_to_another_period() -> None:
    story = four_calls().waits("2026-02-01T00:00:00Z")
    for n in range(1, 4):
        story.starts(f"d{n}").ends(f"d{n}").waits(minutes=1)
    assert story.costs() == {"c1": 0, "c2": 0, "c3": usd(3), "c4": usd(3), "d1": 0, "d2": 0, "d3": usd(3)}
    # c1 really began on 1 February at 00:00:30: c3 becomes included in January, d2 the third of February.
    story.ends("c1", started="2026-02-01T00:00:30Z", at="2026-02-01T00:01:30Z")
    assert list(charges(story.answer())) == [("charge-adjusted", "c3", usd(-3)), ("charge-adjusted", "d2", usd(3))]
    assert story.costs() == {"c1": 0, "c2": 0, "c3": 0, "c4": usd(3), "d1": 0, "d2": usd(3), "d3": usd(3)}
    # And back: all as before.
    story.ends("c1", started="2026-01-01T00:00:00Z", id="back")
    assert story.costs() == {"c1": 0, "c2": 0, "c3": usd(3), "c4": usd(3), "d1": 0, "d2": 0, "d3": usd(3)}
    assert story.balance() == usd(11)


def test_c18_the_allowance_may_be_zero() -> None:
    story = (
        opened("extra_calls", credit=50, catalogue=plans(included_calls=0))
        .calls(3)
        .ends("late", started="2026-01-01T00:00:00Z")
    )
    assert set(story.costs().values()) == {THREE_USD}
    assert story.reclassifies("early-01", real=False).costs()["early-01"] == 0


def test_c18_the_cap_holds_for_a_call_that_becomes_extra() -> None:
    story = opened(*ALL, credit=50, catalogue=plans(included_calls=1)).starts("c1").ends("c1", used=BOTH)
    assert story.costs() == {"c1": usd(6)}
    # It is the second now: 3 + 3 + 3, capped: nothing moves, so nothing is said of it.
    assert [fact["call_id"] for fact in story.ends("c0", started="2026-01-01T00:00:00Z").answer()] == ["c0"]
    assert story.costs() == {"c0": 0, "c1": usd(6)}

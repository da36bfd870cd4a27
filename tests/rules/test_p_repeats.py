"""P7: the id of a recognised repeat is remembered like that of an input that took effect."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.partition import Partition
from tests.rules.story import BOTH, SIGNUP, opened, usd
from tests.rules.subscriber import FEBRUARY, Subscriber, paying, subscriber


# Redelivered after a later input it changes nothing.
def test_p07_a_resumption_from_before_the_cancellation_does_not_undo_it() -> None:
    story = paying().resumes(id="resume")
    assert story.answer() == []
    story.cancels().resumes(id="resume")
    assert story.answer() == []
    assert story.subscription()["status"] == "cancelling"
    assert story.ticks(FEBRUARY).asks() == []  # The customer is not charged again.
    assert story.subscription()["status"] == "ended"


def test_p07_an_end_redelivered_after_a_correction_does_not_undo_it() -> None:
    story = opened(*BOTH, credit=20).starts("c1").ends("c1", used=BOTH, id="first").ends("c1", used=BOTH, id="again")
    assert story.answer() == []
    assert story.ends("c1", used=["live_agent"]).answer_types() == ["charge-adjusted", "ledger-entry-posted"]
    for name in ("again", "first", "again"):
        assert story.ends("c1", used=BOTH, id=name).answer() == []
    assert story.costs() == {"c1": usd(3)}


# Each of P7's repeats under the id `again`, then a later input, then `again` redelivered: it changes nothing.
REPEATS: dict[str, tuple[Callable[[Subscriber], Any], Callable[[Subscriber], Any]]] = {
    "a second cancellation": (lambda s: s.cancels().cancels(id="again"), lambda s: s.resumes()),
    "a resumption of nothing": (lambda s: s.resumes(id="again"), lambda s: s.cancels()),
    "the plan in force": (lambda s: s.changes_plan("dental", id="again"), lambda s: s.changes_plan("professional")),
    "a number held": (lambda s: s.adds_number().adds_number(id="again"), lambda s: s.adds_number(fee=3)),
    "a number not held": (lambda s: s.removes_number(id="again"), lambda s: s.adds_number()),
    "a second start": (lambda s: s.starts("c1").starts("c1", id="again"), lambda s: s.ends("c1")),
    "an older reclassification": (
        lambda s: s.ends("c1").reclassifies("c1", real=False).reclassifies("c1", real=True, at=SIGNUP, id="again"),
        lambda s: s.switches("live_agent"),
    ),
}


@pytest.mark.parametrize(("repeat", "later_input"), REPEATS.values(), ids=REPEATS.keys())
def test_p07_the_id_of_a_repeat_is_remembered(
    repeat: Callable[[Subscriber], Any], later_input: Callable[[Subscriber], Any]
) -> None:
    story = subscriber(plan="dental").has_paid()
    repeat(story)
    again = story.inputs[-1]
    assert again["id"] == "again"
    assert story.answer() == []
    later_input(story)
    before = story.snapshot()
    for age in range(2):
        story.inputs.append(again)
        assert story.answer() == [], age
        assert story.snapshot() == before


# A repeat is counted and leaves the account as it was: no new version, hence no snapshot. Its id is written once.
def test_p07_a_repeat_writes_its_id_once_and_no_snapshot() -> None:
    partition = Partition()
    story = opened(credit=5).starts("c1")
    partition.take(*story.inputs)
    again = {**story.inputs[-1], "id": "again"}
    outcomes = [partition.take(again) for _ in range(2)]
    assert [outcome.tally["inputs", "repeat"] for outcome in outcomes] == [1, 1]
    assert [[key for key, _ in outcome.rows] for outcome in outcomes] == [["acme/i/again"], []]
    assert [outcome.outputs for outcome in outcomes] == [[], []]
    assert partition.restarted().take(again).rows == []
    # A start without an account leaves no trace, so it is never a repeat.
    lost = {**again, "account_id": "nobody", "id": "first"}
    outcomes = [partition.take(lost) for _ in range(2)]
    assert [(outcome.rows, outcome.tally["inputs", "repeat"]) for outcome in outcomes] == [([], 0), ([], 0)]

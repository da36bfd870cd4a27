"""Which calls are compared: those that the rules count, in their final state, each once. Rules G4, G6, P5 and P7.

On professional ten minutes beyond the pool cost $1.10; `c1` has them here unless it is corrected.
"""

import pytest

from backoffice.whatif.counted_calls import INPUTS_BETWEEN_FLUSHES, collect_calls
from tests.backoffice.whatif.compared import account_calls, by_period, compared, for_calls, subscriber, talk
from tests.rules.story import SIGNUP, Event, Story, later, opened


def beyond(story: Story) -> Story:
    """The pool of 100 minutes is used, then `c1` talks ten."""
    return talk(story, 6000).call("c1", seconds=600)


@pytest.mark.parametrize(
    ("reclassified_as", "cost_usd", "calls"),
    [
        ([], "1.1", 2),
        ([False], "0", 1),
        ([False, True], "1.1", 2),
        ([False, True, False], "0", 1),
    ],
    ids=repr,
)
def test_p05_reclassified_after(reclassified_as: list[bool], cost_usd: str, calls: int) -> None:
    story = beyond(subscriber())
    for real in reclassified_as:
        story.waits(seconds=1).reclassifies("c1", real=real)
    assert (for_calls(story, "professional"), compared(story).whole.calls) == (cost_usd, calls)


def test_p05_reclassified_before_its_end_arrived() -> None:
    story = talk(subscriber(), 6000).reclassifies("c1", real=False).call("c1", seconds=600)
    assert for_calls(story, "professional") == "0"


def test_p05_an_end_that_is_not_real_reclassified_as_real() -> None:
    story = talk(subscriber(), 6000).call("c1", seconds=600, real=False).reclassifies("c1", real=True)
    assert for_calls(story, "professional") == "1.1"


# The same line again, or the same call under another input id, is the same call.
def test_g04_duplicates_are_one_call() -> None:
    story = beyond(subscriber())
    end: Event = story.inputs[-1]
    story.inputs += [end, end, {**end, "id": "again"}, *story.inputs]
    assert (for_calls(story, "professional"), compared(story).whole.calls) == ("1.1", 2)


# Of two ends the later arrival stands: 20 minutes, then in February, then unanswered.
def test_g06_the_last_end_stands() -> None:
    story = beyond(subscriber())
    story.ends("c1", seconds=1200)
    assert for_calls(story, "professional") == "2.2"
    story.ends("c1", started="2026-02-01T00:00:00Z", seconds=600)
    assert by_period(story, "professional") == [(1, "49"), (1, "49")]
    story.ends("c1", answered=False)
    assert by_period(story, "professional") == [(1, "49")]


def test_p06_an_end_without_a_start_and_a_start_without_an_end() -> None:
    story = talk(subscriber(), 6000).ends("alone", seconds=600).starts("open")
    assert (for_calls(story, "professional"), compared(story).whole.calls) == ("1.1", 2)


# The rules forget a call 42 days after its end. What it used of its period stays.
def test_g04_calls_that_the_rules_have_forgotten_are_compared() -> None:
    story = beyond(subscriber())
    for _ in range(8):
        story.ticks(days=10)
    assert by_period(story, "professional") == [(2, "50.1")]
    assert sorted(call_id for call_id, _ in account_calls(story).final) == ["c1", "talk-0001"]
    assert account_calls(story).correctable == {}


# After that, a call with the same id is another call.
def test_g04_a_call_id_used_again_after_the_rules_forgot_it_is_another_call() -> None:
    story = beyond(subscriber()).ticks(days=60).call("c1")
    assert by_period(story, "professional") == [(2, "50.1"), (0, "49"), (1, "49")]


def test_g04_a_reclassification_that_is_too_late_changes_nothing() -> None:
    story = beyond(subscriber()).ticks(days=36).reclassifies("c1", real=False)
    assert story.refusal() == "too_late"
    assert for_calls(story, "professional") == "1.1"


# Calls draw on the pool in the order of their starts, not of their arrival.
def test_p02_calls_are_in_order_of_their_starts() -> None:
    # Web first would be 100 x 0 + 60 x 0.11 = 6.60.
    story = subscriber().waits(hours=2).call("web", seconds=6000, direction="web")
    story.ends("inbound", started=later(SIGNUP, hours=1), seconds=3600)
    assert for_calls(story, "professional") == "4.8"  # 60 inbound and 40 web minutes included, 60 x 0.08


# In the log the call is redirected or free; the comparison does not depend on what was charged.
def test_c18_money_does_not_decide_which_calls_are_compared() -> None:
    poor, rich = (opened("extra_calls", credit=credit) for credit in ("0.01", 500))
    assert for_calls(poor.calls(26), "free") == for_calls(rich.calls(26), "free") == "3"


# Rows are flushed regularly, so that memory does not grow with rows that the rules delete.
def test_a_log_longer_than_the_flush_interval() -> None:
    story = opened()
    for number in range(INPUTS_BETWEEN_FLUSHES // 10):
        story.ends(f"c{number}", started=later(SIGNUP, seconds=number))
    lines = story.lines() * 12
    assert len(lines) > INPUTS_BETWEEN_FLUSHES
    collected = collect_calls(lines, story.catalogue)["acme"]
    assert len(collected.ends()) == INPUTS_BETWEEN_FLUSHES // 10
    assert [end.started_at_ms for end in collected.ends()] == sorted(end.started_at_ms for end in collected.ends())

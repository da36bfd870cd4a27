"""M5 and G9: the gate of a minutes plan, and the plan that a call keeps. Money in dollars."""

import pytest

from tests.agents.partition import Partition, facts_of
from tests.rules.story import only, usd
from tests.rules.subscriber import MINUTE_MS, Subscriber, minutes_plans, paying, subscriber


# M5: no service interruption: the gate always admits while the subscription is active, and holds nothing.
@pytest.mark.parametrize("credit", ["0", "-5", "5"])
@pytest.mark.parametrize("minutes", [1, 100, 200])
def test_m05_the_gate_always_admits(credit: str, minutes: int) -> None:
    story = subscriber(credit).uses(minutes).starts("c1")
    admitted = only(story.answer())
    assert (admitted["type"], admitted["reason"], admitted["hold_micros"]) == ("call-admitted", "subscription", 0)
    assert (story.snapshot()["held_micros"], story.snapshot()["open_calls"]) == (0, 1)


# G9: a call keeps the plan and the version in force when it started.
def test_g09_m07_a_call_keeps_the_plan_it_started_under() -> None:
    catalogue = minutes_plans(dental={"inbound_micros": 200_000, "included_minutes": 300})
    story = paying(catalogue=catalogue).uses(100).starts("during").changes_plan("dental").waits(minutes=1)
    story.starts("after")
    charge = story.ends_after("during", MINUTE_MS).charge()
    # By professional's terms the pool of 100 is used up.
    assert (charge["plan"], charge["amount_micros"], charge["minutes_before"]) == ("professional", usd("0.11"), 100)
    charge = story.ends_after("after", MINUTE_MS).charge()
    assert (charge["plan"], charge["amount_micros"], charge["minutes_before"]) == ("dental", 0, 101)


def test_g09_m07_a_call_that_started_on_the_credits_plan_is_charged_by_it() -> None:
    story = Subscriber().opens().switches("live_agent").is_granted(20).starts("during").changes_plan("professional")
    charge = story.ends("during", used=["live_agent"]).charge()
    assert (charge["plan"], charge["ordinal"], charge["amount_micros"]) == ("free", 1, usd(3))
    assert "minutes_before" not in charge
    assert (story.uses(1, "c2").charge()["plan"], story.usage()["minutes_used"]) == ("professional", 1)


def test_g09_m03_a_call_keeps_the_version_it_started_under() -> None:
    old, new = (
        minutes_plans(n, professional={"included_minutes": 0, "inbound_micros": rate})
        for n, rate in ((1, 110_000), (2, 200_000))
    )
    story = subscriber().starts("during")
    partition = Partition(catalogue=old)
    partition.take(*story.inputs)
    done = len(story.inputs)
    story.ends("during").starts("after").ends("after").ends("during", seconds=120)
    outcome = partition.restarted(new).take(*story.inputs[done:])
    charged = facts_of(outcome, "call-charged", "charge-adjusted")
    assert [(f["call_id"], f["plan_version"], f["amount_micros"]) for f in charged] == [
        ("during", 1, usd("0.11")),
        ("after", 2, usd("0.20")),
        ("during", 1, usd("0.11")),
    ]

"""M8: a change of plan that a cancelled subscriber asks for waits for the end of the term. Money in dollars."""

from tests.rules.subscriber import FEBRUARY, dollars, paying

FEE = ("subscription", 49)


def test_m08_a_credits_plan_starts_when_the_term_ends() -> None:
    story = paying().cancels().changes_plan("free")
    assert (story.snapshot()["plan"], story.subscription()["status"]) == ("professional", "cancelling")
    story.ticks(FEBRUARY)
    assert (story.snapshot()["plan"], story.subscription()["status"], story.asks()) == ("free", "none", [])


def test_m08_a_cheaper_plan_is_stored_as_ended() -> None:
    story = paying(plan="dental").cancels().changes_plan("professional").ticks(FEBRUARY)
    assert (story.snapshot()["plan"], story.subscription()["status"], story.asks()) == ("professional", "ended", [])


def test_m08_without_the_cancellation_the_change_takes_effect() -> None:
    story = paying(plan="dental").cancels().changes_plan("professional").resumes().ticks(FEBRUARY)
    assert (story.snapshot()["plan"], story.subscription()["status"]) == ("professional", "active")
    assert story.asks() == dollars(FEE)

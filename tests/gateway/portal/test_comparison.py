"""The comparison on the page is that of `tollgate whatif` over the inputs, though it reads receipts alone. Rule C16."""

from collections.abc import Callable

import pytest

from backoffice.whatif.comparison import compare_account
from gateway.portal.charged_calls import of_period
from gateway.portal.comparison import Compared, compare
from gateway.portal.periods import Period, period_before, period_now
from schemas.instant import parse_instant
from tests.backoffice.whatif.compared import account_calls
from tests.gateway.portal.replayed import charged_of
from tests.rules.story import ALL, BOTH, Story, opened, usd
from tests.rules.subscriber import MARCH, Subscriber, minutes_plans, paying


def last_month(story: Story) -> Period:
    snapshot = story.snapshot()
    return period_before(snapshot, period_now(snapshot, parse_instant(story.now)))


def on_the_page(story: Story) -> Compared:
    period = last_month(story)
    compared = compare(story.snapshot(), of_period(charged_of(story), period), period, story.catalogue)
    assert compared is not None
    return compared


def by_the_command(story: Story) -> dict[str, int]:
    """plan -> micros of the last month, from the inputs."""
    period = last_month(story)
    compared = compare_account(story.account_id, account_calls(story), story.catalogue.plans, story.catalogue)
    [found] = [one for one in compared.periods if one.start_ms == period.start_ms]
    return {name: cost.total_micros for name, cost in found.costs.items()}


def busy(story: Story) -> Story:
    """31 calls, some with features, some that do not count, then the next month."""
    story.calls(28, seconds=190).call("both", used=BOTH).call("agent", used=("live_agent",), direction="web")
    story.call("lost", answered=False).call("spam", real=False).call("late", seconds=1).reclassifies("late", real=False)
    story.call("long", seconds=7_000, direction="outbound").starts("open")
    return story.waits("2026-02-03T00:00:00Z").ticks("2026-02-03T00:00:00Z").call("of this month")


def by_legs(story: Story) -> Story:
    story.starts("legs", leg_id="a").ends("legs", leg_id="a", seconds=65)
    story.ends("legs", leg_id="b", seconds=400, used=BOTH)
    return story.waits("2026-02-03T00:00:00Z").call("of this month")


@pytest.mark.parametrize(
    "story",
    [
        lambda: busy(opened(*ALL, credit=200)),
        lambda: busy(opened()),
        lambda: busy(paying(credit=50)),
        lambda: busy(paying(plan="dental", time_zone="America/New_York")),
        lambda: by_legs(opened(*ALL, credit=50)),
        lambda: by_legs(paying()),
    ],
    ids=["credits", "credits, all off", "minutes", "minutes in New York", "legs", "legs on minutes"],
)
def test_c16_the_page_compares_as_the_command_does(story: Callable[[], Story]) -> None:
    told = story()
    compared = on_the_page(told)
    assert {row.name: row.cost.total_micros for row in compared.rows} == by_the_command(told)


def test_c16_the_current_and_the_cheapest_plan_are_marked() -> None:
    compared = on_the_page(busy(opened(*ALL, credit=200)))
    assert [row.name for row in compared.rows if row.current] == ["free"]
    totals = {row.name: row.cost.total_micros for row in compared.rows}
    assert [row.name for row in compared.rows if row.cheapest] == [
        name for name, micros in totals.items() if micros == min(totals.values())
    ]
    # 31 calls count: 28, two with features, and the long one. Six are extra, and two paid features are within the cap.
    assert compared.calls == 31
    assert totals["free"] == usd(6 * 3 + 3 + 3)


def test_k03_a_plan_that_is_gone_is_not_compared() -> None:
    story = busy(paying())
    catalogue = minutes_plans()
    del catalogue.plans["professional"]
    assert compare(story.snapshot(), charged_of(story), last_month(story), catalogue) is None


# G3: periods are counted from a day that the shorter months do not have; an idle account's snapshot is an old one.
@pytest.mark.parametrize(
    ("signup", "now", "start", "end"),
    [
        ("2026-01-31T10:00:00Z", "2026-02-10T00:00:00Z", "2026-01-31", "2026-02-28"),
        ("2026-01-31T10:00:00Z", "2026-03-10T00:00:00Z", "2026-02-28", "2026-03-31"),
        ("2026-01-31T10:00:00Z", "2026-05-01T00:00:00Z", "2026-04-30", "2026-05-31"),
        ("2026-02-28T10:00:00Z", "2026-05-01T00:00:00Z", "2026-04-28", "2026-05-28"),
        ("2026-04-30T10:00:00Z", "2027-03-01T00:00:00Z", "2027-02-28", "2027-03-30"),
        (MARCH, "2026-03-01T00:00:00Z", "2026-03-01", "2026-04-01"),
    ],
)
def test_g03_the_period_of_an_idle_account_goes_on(signup: str, now: str, start: str, end: str) -> None:
    story = Subscriber(signup=signup).opens("free")
    period = period_now(story.snapshot(), parse_instant(now))
    assert period == (parse_instant(f"{start}T00:00:00Z"), parse_instant(f"{end}T00:00:00Z"))
    # The engine's own word, once something happens.
    told = story.waits(now).switches("extra_calls").snapshot()["usage"]
    assert period == (parse_instant(told["period_start"]), parse_instant(told["period_end"]))

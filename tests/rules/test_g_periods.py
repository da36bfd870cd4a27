"""G3: billing periods. Half-open, on the anniversary of the signup, in the account's time zone, from the original
anchor."""

import pytest

from tests.rules.story import SIGNUP, Story, later, only, opened


def period_of(call_at: str, signup: str, time_zone: str = "UTC") -> str:
    """The `period_start` of a call that starts then, as the receipt tells it."""
    story = Story(signup=signup).opens(time_zone=time_zone)
    return str(only(story.ends("c1", started=call_at).answer("call-charged"))["period_start"])


# The worked example: signup 31 Jan 2024; periods start 29 Feb, 31 Mar, 30 Apr, 31 May.
@pytest.mark.parametrize(
    ("signup", "call_at", "period_start"),
    [
        ("2024-01-31T10:00:00Z", "2024-02-28T23:59:59.999Z", "2024-01-31T00:00:00Z"),
        ("2024-01-31T10:00:00Z", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2024-01-31T10:00:00Z", "2024-03-30T23:59:59.999Z", "2024-02-29T00:00:00Z"),
        ("2024-01-31T10:00:00Z", "2024-03-31T00:00:00Z", "2024-03-31T00:00:00Z"),
        ("2024-01-31T10:00:00Z", "2024-04-30T12:00:00Z", "2024-04-30T00:00:00Z"),
        ("2024-01-31T10:00:00Z", "2024-05-31T00:00:00Z", "2024-05-31T00:00:00Z"),
        # No leap year: 28 February; the day comes back in March, it is not carried on from February.
        ("2026-01-31T10:00:00Z", "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("2026-01-31T10:00:00Z", "2026-03-30T23:59:59.999Z", "2026-02-28T00:00:00Z"),
        ("2026-01-30T10:00:00Z", "2026-03-30T00:00:00Z", "2026-03-30T00:00:00Z"),
        # Signed up on a leap day: 28 in other years, 29 again in the next leap year and in every other month.
        ("2024-02-29T10:00:00Z", "2025-02-28T00:00:00Z", "2025-02-28T00:00:00Z"),
        ("2024-02-29T10:00:00Z", "2025-03-28T23:59:59.999Z", "2025-02-28T00:00:00Z"),
        ("2024-02-29T10:00:00Z", "2028-02-28T23:59:59.999Z", "2028-01-29T00:00:00Z"),
        ("2024-02-29T10:00:00Z", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        # 2100 is none.
        ("2096-02-29T10:00:00Z", "2100-02-28T00:00:00Z", "2100-02-28T00:00:00Z"),
        # Over the end of a year.
        ("2025-12-31T23:59:59.999Z", "2026-01-30T23:59:59.999Z", "2025-12-31T00:00:00Z"),
        ("2025-12-31T23:59:59.999Z", "2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"),
        # The first period begins at midnight of the signup's day, not at the signup.
        ("2026-01-15T13:37:42.123Z", "2026-01-15T13:37:42.123Z", "2026-01-15T00:00:00Z"),
        ("2026-01-15T13:37:42.123Z", "2026-01-15T00:00:00Z", "2026-01-15T00:00:00Z"),
    ],
)
def test_g03_a_period_begins_on_the_anniversary_clamped_to_the_months_end(
    signup: str, call_at: str, period_start: str
) -> None:
    assert period_of(call_at, signup) == period_start


@pytest.mark.parametrize(
    ("time_zone", "signup", "call_at", "period_start"),
    [
        # The signup's date is the local one: 31 January 23:00 UTC is 1 February in Berlin.
        ("Europe/Berlin", "2026-01-31T23:00:00Z", "2026-02-28T22:59:59.999Z", "2026-01-31T23:00:00Z"),
        ("Europe/Berlin", "2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z", "2026-02-28T23:00:00Z"),
        # Summer time between two boundaries moves the instant, not the local midnight.
        ("Europe/Berlin", "2026-03-15T12:00:00Z", "2026-04-14T22:00:00Z", "2026-04-14T22:00:00Z"),
        ("Europe/Berlin", "2026-03-15T12:00:00Z", "2026-04-14T21:59:59.999Z", "2026-03-14T23:00:00Z"),
        ("America/New_York", "2026-01-01T04:59:59.999Z", "2026-01-31T04:59:59.999Z", "2025-12-31T05:00:00Z"),
        ("America/New_York", "2026-01-01T04:59:59.999Z", "2026-01-31T05:00:00Z", "2026-01-31T05:00:00Z"),
        # Sao Paulo, 4 November 2018: midnight did not exist; the day began at 01:00 local, 03:00 UTC.
        ("America/Sao_Paulo", "2018-10-04T15:00:00Z", "2018-11-04T02:59:59.999Z", "2018-10-04T03:00:00Z"),
        ("America/Sao_Paulo", "2018-10-04T15:00:00Z", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z"),
        ("America/Sao_Paulo", "2018-10-04T15:00:00Z", "2018-12-04T01:59:59.999Z", "2018-11-04T03:00:00Z"),
        ("America/Sao_Paulo", "2018-10-04T15:00:00Z", "2018-12-04T02:00:00Z", "2018-12-04T02:00:00Z"),
        # Apia had no 30 December 2011: the period begins with the first instant after that day's place.
        ("Pacific/Apia", "2011-11-30T15:00:00Z", "2011-12-30T09:59:59.999Z", "2011-11-30T10:00:00Z"),
        ("Pacific/Apia", "2011-11-30T15:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        # Midnight twice (Havana, 1 November 2026, clocks back from 01:00 to 00:00): the first of the two.
        ("America/Havana", "2026-10-01T12:00:00Z", "2026-11-01T03:59:59.999Z", "2026-10-01T04:00:00Z"),
        ("America/Havana", "2026-10-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-01T04:00:00Z"),
        # Half hours and the far east.
        ("Asia/Kolkata", "2026-01-15T12:00:00Z", "2026-02-14T18:30:00Z", "2026-02-14T18:30:00Z"),
        ("Pacific/Kiritimati", "2026-01-14T10:00:00Z", "2026-02-14T09:59:59.999Z", "2026-01-14T10:00:00Z"),
    ],
)
def test_g03_a_boundary_is_local_midnight_or_the_first_instant_of_that_day(
    time_zone: str, signup: str, call_at: str, period_start: str
) -> None:
    assert period_of(call_at, signup, time_zone) == period_start


def test_g03_the_snapshot_names_the_period_half_open() -> None:
    usage = Story(signup="2024-01-31T10:00:00Z").opens().waits("2024-02-29T00:00:00Z").switches("live_agent").snapshot()
    assert (usage["usage"]["period_start"], usage["usage"]["period_end"]) == (
        "2024-02-29T00:00:00Z",
        "2024-03-31T00:00:00Z",
    )


# The allowance is a period's: 25 calls in January; one a millisecond before the boundary is the 26th, one on it the
# first of February.
@pytest.mark.parametrize(
    ("started", "ordinal", "amount_usd"), [("2026-01-31T23:59:59.999Z", 26, 3), ("2026-02-01T00:00:00Z", 1, 0)]
)
def test_g03_a_call_belongs_to_the_period_in_which_it_started(started: str, ordinal: int, amount_usd: int) -> None:
    story = opened("extra_calls", credit=20).calls(25).waits(started).starts("c1").ends("c1", seconds=7200)
    charge = only(story.answer("call-charged"))
    assert (charge["ordinal"], charge["amount_micros"]) == (ordinal, amount_usd * 1_000_000)


def test_g05_a_late_end_after_its_period_closed_is_charged_to_the_period_of_its_start() -> None:
    story = opened("extra_calls", credit=20).calls(25).waits("2026-01-31T12:00:00Z").starts("late")
    story.ticks("2026-03-02T00:00:00Z").call("march").ends("late")
    charge = only(story.answer("call-charged"))
    assert (charge["period_start"], charge["ordinal"], charge["amount_micros"]) == (SIGNUP, 26, 3_000_000)
    assert story.snapshot()["usage"]["calls_counted"] == 1


# G2: what a call's settings and funds are is decided when the input arrives, its period by its own times.
def test_g02_an_old_start_that_arrives_late_counts_in_its_own_period_with_todays_settings() -> None:
    story = opened().calls(25).waits("2026-02-03T00:00:00Z").switches("extra_calls").is_granted(20)
    admitted = only(story.starts("late", at="2026-01-20T00:00:00Z").answer("call-admitted"))
    assert (admitted["reason"], admitted["hold_micros"]) == ("credits", 3_000_000)
    assert only(story.ends("late").answer("call-charged"))["period_start"] == SIGNUP


# A tick is the clock and nothing else is; only ticks expire a hold, in order of time.
def test_g02_only_ticks_drive_timed_work_and_an_older_tick_changes_nothing() -> None:
    story = opened("live_agent", credit=20).starts("c1")
    assert story.waits(hours=5).switches("extra_calls").facts("call-stuck") == []
    assert story.ticks(SIGNUP).answer() == []
    assert story.ticks(later(SIGNUP, hours=4, milliseconds=-1)).answer() == []
    assert story.ticks(SIGNUP).answer() == []
    assert only(story.ticks(later(SIGNUP, hours=4)).answer())["type"] == "call-stuck"
    assert story.ticks(later(SIGNUP, hours=4)).answer() == []


def test_g02_a_tick_that_passes_several_boundaries_processes_each_in_order() -> None:
    story = opened("live_agent", credit=20)
    for call_id, minutes in (("third", 30), ("first", 10), ("second", 20)):
        story.starts(call_id, at=later(SIGNUP, minutes=minutes))
    stuck = story.ticks(later(SIGNUP, days=2)).answer()
    assert [fact["call_id"] for fact in stuck] == ["first", "second", "third"]
    assert {fact["occurred_at"] for fact in stuck} == {"2026-01-03T00:00:00Z"}
    assert [fact["caused_by"] for fact in stuck] == [story.inputs[-1]["id"]] * 3


def test_g02_before_the_first_tick_nothing_is_in_the_future_or_too_late() -> None:
    story = opened("live_agent", credit=5, at="1999-01-01T00:00:00Z")
    assert story.ends("old", started="1999-01-01T00:00:00Z", used=["live_agent"]).refusal() is None
    assert story.ends("far", started="2199-01-01T00:00:00Z", used=["live_agent"]).refusal() is None
    assert story.costs() == {"old": 3_000_000, "far": 3_000_000}


# G7: a call that started before the local midnight of the signup's date is refused: an end by its `started_at`, a start
# by its `occurred_at`.
@pytest.mark.parametrize(
    ("time_zone", "signup", "midnight"),
    [
        ("UTC", "2026-01-15T13:37:42.123Z", "2026-01-15T00:00:00Z"),
        ("UTC", "2026-01-15T00:00:00Z", "2026-01-15T00:00:00Z"),
        ("Europe/Berlin", "2026-01-31T23:00:00Z", "2026-01-31T23:00:00Z"),
        ("America/New_York", "2026-03-09T03:59:59.999Z", "2026-03-08T05:00:00Z"),
        # A midnight that daylight saving skips.
        ("America/Sao_Paulo", "2018-11-04T15:00:00Z", "2018-11-04T03:00:00Z"),
    ],
)
@pytest.mark.parametrize(("early_ms", "code"), [(0, None), (1, "before_account")])
def test_g07_a_call_from_before_the_account(
    time_zone: str, signup: str, midnight: str, early_ms: int, code: str | None
) -> None:
    at = later(midnight, milliseconds=-early_ms)
    story = Story(signup=signup).opens(time_zone=time_zone)
    assert story.starts("c1", at=at).refusal() == code
    assert story.ends("c2", started=at, at=later(midnight, hours=1)).refusal() == code


# The hold of an admitted call whose end is refused expires; a reclassification is never refused for it.
def test_g07_the_hold_of_a_call_whose_end_is_refused_expires() -> None:
    story = opened("live_agent", credit=5).starts("c1").ends("c1", started=later(SIGNUP, milliseconds=-1), at=SIGNUP)
    assert story.refusal() == "before_account"
    assert story.snapshot()["held_micros"] == 3_000_000
    assert story.ticks(hours=4).answer_types() == ["call-stuck"]
    assert story.snapshot()["held_micros"] == 0
    assert story.reclassifies("c0", real=False, at="1999-01-01T00:00:00Z").refusal() == "too_late"
    fresh = opened().reclassifies("c0", real=False, at="1999-01-01T00:00:00Z")
    assert fresh.answer() == []


# X1: a repeat comes before `before_account`.
def test_x01_a_repeat_of_a_call_comes_before_the_signup() -> None:
    early = later(SIGNUP, days=-1)
    story = Story().opens().starts("c1").starts("c1", at=early)
    assert story.answer() == []
    assert story.starts("c2", at=early).refusal() == "before_account"


# P17: a reclassification of a call never seen waits 35 x 24 h, from its own time, for the end.
@pytest.mark.parametrize(("late_ms", "cost"), [(0, 0), (1, 3_000_000)])
@pytest.mark.parametrize("days", [0, 20])
def test_p17_a_reclassification_of_a_call_never_seen_waits_35_days(days: int, late_ms: int, cost: int) -> None:
    story = opened("live_agent", credit=5).waits(days=days).ticks()
    story.reclassifies("c1", real=False, at=SIGNUP)
    story.ticks(later(SIGNUP, days=35, milliseconds=late_ms))
    assert story.ends("c1", started=story.now, used=["live_agent"]).costs() == {"c1": cost}


@pytest.mark.parametrize(("late_ms", "code"), [(0, None), (1, "too_late")])
def test_p17_for_a_call_never_seen_the_reclassifications_own_time_counts(late_ms: int, code: str | None) -> None:
    story = opened().ticks(later(SIGNUP, days=35, milliseconds=late_ms))
    assert story.reclassifies("c1", real=False, at=SIGNUP).refusal() == code

"""M13 and decision 0018: a yearly interval. Money in dollars; a year of `professional` is $588, of `dental` $1188."""

from tests.rules.story import later
from tests.rules.subscriber import FEBRUARY, MARCH, billed, dollars, minutes_plans, paying, subscriber

# 0018: twelve months at once on the anniversary; invoices, usage and included minutes stay monthly.
YEARLY = minutes_plans(professional={"interval": "year"})


def test_m13_m06_a_yearly_interval() -> None:
    story = subscriber(catalogue=YEARLY)
    assert story.adds_card().asks() == dollars(("subscription", 588))
    story.settles_all().uses(100).ticks(FEBRUARY)
    assert (story.asks(), story.subscription()["renews_at"]) == ([], "2027-01-01T00:00:00Z")
    assert billed(story.invoices()[0]) == dollars(("subscription", 588))
    # A new pool each month; overage is asked for each month.
    assert story.uses(110).charge()["minutes_before"] == 0
    assert story.ticks(MARCH).asks() == dollars(("invoice", "1.10"))
    assert billed(story.invoices()[1]) == dollars(("overage inbound", "1.10"))
    assert story.settles_all().ticks(later("2027-01-01T00:00:00Z", milliseconds=-1)).asks() == []
    assert story.ticks("2027-01-01T00:00:00Z").asks() == dollars(("subscription", 588))
    assert story.subscription()["renews_at"] == "2028-01-01T00:00:00Z"


def test_m13_m08_a_cancelled_yearly_subscription_runs_its_term() -> None:
    story = subscriber(catalogue=YEARLY).adds_card().settles_all().cancels()
    assert story.subscription()["ends_at"] == "2027-01-01T00:00:00Z"
    assert story.ticks("2026-12-31T23:59:59Z").starts("c1").answer_types() == ["call-admitted"]
    assert story.ends("c1").ticks("2027-01-01T00:00:00Z").starts("c2").answer_types() == ["call-redirected"]
    assert story.asks() == []


# Prorated over the days of the year: 588 and 1188 x 184/365 from 1 July: 296.4164, 598.8822.
def test_m13_m07_a_yearly_upgrade_is_prorated_over_the_year() -> None:
    catalogue = minutes_plans(professional={"interval": "year"}, dental={"interval": "year"})
    story = subscriber(catalogue=catalogue).adds_card().settles_all().ticks("2026-07-01T00:00:00Z")
    assert story.changes_plan("dental").asks() == dollars(("subscription", "302.46"))


# Between a monthly and a yearly interval: at the next renewal, whatever the price.
def test_m13_m07_a_change_of_interval_waits_for_the_renewal() -> None:
    catalogue = minutes_plans(dental={"interval": "year"})
    story = paying(catalogue=catalogue).changes_plan("dental")
    assert (story.answer(), story.snapshot()["plan_change"]["plan"], story.snapshot()["plan"]) == (
        [],
        "dental",
        "professional",
    )
    # Twelve times $99 by the days until the next anniversary of the signup: 334 of 365, 1087.1014.
    assert story.ticks(FEBRUARY).asks() == dollars(("subscription", "1087.10"))
    assert (story.snapshot()["plan"], story.subscription()["renews_at"]) == ("dental", "2027-01-01T00:00:00Z")
    assert billed(story.settles_all().ticks(MARCH).invoices()[-1]) == dollars(("proration", "1087.10"))
    assert story.ticks("2027-01-01T00:00:00Z").asks() == dollars(("subscription", 1188))


# From the yearly one to a monthly one, too.
def test_m13_m07_back_to_a_monthly_interval_at_the_end_of_the_year() -> None:
    story = subscriber(catalogue=YEARLY).adds_card().settles_all().changes_plan("dental")
    assert story.snapshot()["plan"] == "professional"
    assert story.ticks("2027-01-01T00:00:00Z").asks() == dollars(("subscription", 99))
    assert (story.snapshot()["plan"], story.subscription()["renews_at"]) == ("dental", "2027-02-01T00:00:00Z")


# G3: on the anniversary of the signup, clamped to the month's end.
def test_g03_m13_a_year_from_a_leap_day_ends_with_february() -> None:
    story = subscriber(signup="2024-02-29T10:00:00Z", catalogue=YEARLY).adds_card().settles_all()
    assert story.subscription()["renews_at"] == "2025-02-28T00:00:00Z"
    for year, then in ((2025, "2026-02-28"), (2026, "2027-02-28"), (2027, "2028-02-29"), (2028, "2029-02-28")):
        day = "29" if year == 2028 else "28"
        assert story.ticks(f"{year}-02-{day}T00:00:00Z").asks() == dollars(("subscription", 588))
        assert story.subscription()["renews_at"] == f"{then}T00:00:00Z"
        story.settles_all()


def test_m13_m12_a_yearly_plans_minutes_are_monthly() -> None:
    story = subscriber(catalogue=YEARLY).uses(30).ticks(FEBRUARY).uses(20)
    assert (story.usage()["minutes_used"], story.usage()["minutes_remaining"]) == (20, 80)
    assert story.usage()["cost_by_call_type_micros"]["inbound"] == 0


# 0016: a month inside a yearly term has an invoice only when something else is on it; numbers without gaps.
def test_m13_p12_months_inside_a_yearly_term() -> None:
    story = subscriber(catalogue=YEARLY).adds_card().settles_all().ticks("2026-05-10T00:00:00Z").adds_number()
    story.removes_number().ticks("2027-02-01T00:00:00Z")
    assert [(i["number"], i["period_start"], billed(i)) for i in story.invoices()] == [
        (1, "2026-01-01T00:00:00Z", dollars(("subscription", 588))),
        (2, "2026-05-01T00:00:00Z", dollars(("phone_number", 2))),
        (3, "2027-01-01T00:00:00Z", dollars(("subscription", 588))),
    ]


# From the credits plan in the middle of a month: the rest of the year of the anchor, 351 of 365 days.
def test_m13_p11_from_the_credits_plan_to_a_year() -> None:
    story = subscriber(plan="free", catalogue=YEARLY).adds_card().waits("2026-01-15T00:00:00Z")
    # 588 x 351/365 = 565.4466
    assert story.changes_plan("professional").asks() == dollars(("subscription", "565.45"))
    assert story.subscription()["renews_at"] == "2027-01-01T00:00:00Z"

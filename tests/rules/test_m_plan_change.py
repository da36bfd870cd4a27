"""M7 and P11: up at once and prorated by days, down at the renewal. Money in dollars.

`hundred` costs $100 and `two_hundred` $200 a month; April has 30 days, so that the 16th is its half.
"""

import pytest

from tests.rules.story import Story, later, only, opened, usd
from tests.rules.subscriber import (
    APRIL,
    FEBRUARY,
    MARCH,
    Subscriber,
    asked,
    billed,
    dollars,
    minutes_plans,
    paying,
    subscriber,
)

MAY = "2026-05-01T00:00:00Z"
PRICES = {"hundred": 100, "two_hundred": 200, "other_hundred": 100, "nothing": 0}
PRICED = minutes_plans(1, **{name: {"monthly_price_micros": usd(price)} for name, price in PRICES.items()})


def of_hundred(signup: str = APRIL, **fields: str) -> Subscriber:
    return paying(plan="hundred", catalogue=PRICED, signup=signup, **fields)


def priced(old: str, new: str) -> Subscriber:
    """On a plan of one price, beside a plan of another, dollars; the first fee is paid."""
    catalogue = minutes_plans(
        old={"monthly_price_micros": usd(old)}, new={"monthly_price_micros": usd(new), "included_minutes": 300}
    )
    return paying(plan="old", catalogue=catalogue, signup=APRIL)


# M7: the days from the local date of the change to the end of the term, over the days of the term, each side rounded
# half up by itself. (old price, new price, change) -> the two lines
@pytest.mark.parametrize(
    ("old", "new", "at", "taken_off", "put_on"),
    [
        # The rule's own example: half-open 1 to 31, 30 days, on the 16th.
        ("100", "200", "2026-04-16T00:00:00Z", "-50", "100"),
        ("100", "200", "2026-04-16T23:59:59.999Z", "-50", "100"),
        ("100", "200", "2026-04-15T23:59:59.999Z", "-53.33", "106.67"),
        # The first day: all of it; the last day: a thirtieth.
        ("100", "200", "2026-04-01T00:00:00Z", "-100", "200"),
        ("100", "200", "2026-04-30T23:59:59.999Z", "-3.33", "6.67"),
        ("49", "99", "2026-04-10T12:00:00Z", "-34.30", "69.30"),
        # By itself: 3.33 and 3.67 (3.3333, 3.6666); the difference alone would be 0.3333.
        ("100", "110", "2026-04-30T00:00:00Z", "-3.33", "3.67"),
        # Half up at exactly half a cent, on either side.
        ("0.02", "0.03", "2026-04-16T00:00:00Z", "-0.01", "0.02"),
        ("0.01", "0.04", "2026-04-16T00:00:00Z", "-0.01", "0.02"),
        ("0.06", "0.29", "2026-04-16T00:00:00Z", "-0.03", "0.15"),
    ],
)
def test_m07_p11_an_upgrade_is_prorated_by_days(old: str, new: str, at: str, taken_off: str, put_on: str) -> None:
    story = priced(old, new).waits(at).changes_plan("new")
    asked = in_sum(taken_off, put_on)
    # B10: less than a card can be asked for waits for the invoice.
    assert story.asks() == (dollars(("subscription", asked)) if usd(asked) >= usd("0.50") else [])
    assert (story.snapshot()["plan"], story.subscription()["renews_at"]) == ("new", MAY)
    story.settles_all().ticks(MAY)
    assert billed(story.invoices()[-1]) == dollars(
        ("subscription", old), ("proration", taken_off), ("proration", put_on)
    )
    assert story.asks() == (dollars(("subscription", new)) if usd(new) >= usd("0.50") else [])


def in_sum(*amounts: str) -> str:
    """The sum of dollar texts, as a dollar text."""
    micros = sum(map(usd, amounts))
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


# M7: rounded to the minor unit, whatever the plan's charge quantum: half of $101 is $50.50, also in whole dollars.
def test_m07_k02_each_side_is_rounded_to_the_minor_unit() -> None:
    dear = {"monthly_price_micros": usd(101), "charge_quantum_micros": usd(1)}
    story = paying(plan="cheap", signup=APRIL, catalogue=minutes_plans(cheap={"monthly_price_micros": 33}, dear=dear))
    assert story.waits("2026-04-16T00:00:00Z").changes_plan("dear").asks() == dollars(("subscription", "50.50"))


# January has 31 days: 16 are left on the 16th; 100 x 16/31 = 51.6129, 200 x 16/31 = 103.2258.
def test_m07_in_a_month_of_31_days() -> None:
    story = of_hundred("2026-01-01T00:00:00Z").waits("2026-01-16T00:00:00Z").changes_plan("two_hundred")
    assert story.asks() == dollars(("subscription", "51.62"))


# Days are those of the account's time zone, also over a change of the clocks: 15 March to 15 April, 31 days.
@pytest.mark.parametrize(
    ("at", "asks"),
    [
        # 29 March 23:59 in Berlin: 17 days; 30 March 00:00: 16 days.
        ("2026-03-29T21:59:59.999Z", "54.84"),
        ("2026-03-29T22:00:00Z", "51.62"),
        # 27 March, in winter: midnight is at 23:00.
        ("2026-03-26T22:59:59.999Z", "64.51"),
        ("2026-03-26T23:00:00Z", "61.29"),
    ],
)
def test_m07_g03_days_are_local(at: str, asks: str) -> None:
    # n = 17: 54.8387, 109.6774; 16: 51.6129, 103.2258; 20: 64.5161, 129.0323; 19: 61.2903, 122.5806.
    story = of_hundred("2026-03-15T12:00:00Z", time_zone="Europe/Berlin").waits(at).changes_plan("two_hundred")
    assert story.asks() == dollars(("subscription", asks))


# M7: a higher or equal price is at once. An equal one costs nothing and has no lines.
def test_p11_m07_an_equal_price_is_at_once_and_free() -> None:
    story = of_hundred().waits(days=9).changes_plan("other_hundred")
    assert story.answer() == []
    assert story.snapshot()["plan"] == "other_hundred"
    assert billed(story.ticks(MAY).invoices()[-1]) == dollars(("subscription", 100))
    assert story.invoices()[-1]["status"] == "paid"


# M7 and P11: minutes used stay used; the anchor stays.
def test_p11_m07_minutes_used_stay_used() -> None:
    story = paying().uses(110).changes_plan("dental")
    usage = story.usage()
    assert (usage["minutes_used"], usage["minutes_included"], usage["minutes_remaining"]) == (110, 300, 190)
    assert story.uses(190).charge()["amount_micros"] == 0
    assert story.uses(1).charge()["amount_micros"] == usd("0.11")
    # What was beyond the first plan's pool is not rated again.
    assert sum(story.costs().values()) == usd("1.10") + usd("0.11")


def test_m07_two_upgrades_in_one_period() -> None:
    catalogue = minutes_plans(a={"monthly_price_micros": usd(30)}, b={"monthly_price_micros": usd(60)})
    story = paying(plan="a", catalogue=catalogue, signup=APRIL).waits("2026-04-11T00:00:00Z").changes_plan("b")
    assert story.asks() == dollars(("subscription", 20))
    assert story.waits("2026-04-21T00:00:00Z").changes_plan("dental").asks() == dollars(("subscription", 13))
    assert billed(story.settles_all().ticks(MAY).invoices()[-1]) == dollars(
        ("subscription", 30), ("proration", -20), ("proration", 40), ("proration", -20), ("proration", 33)
    )


# Without a card the fee waits, and the proration after it, in their order (decision 0015).
def test_p11_m07_an_upgrade_without_a_card_waits_with_the_fee() -> None:
    story = subscriber(plan="hundred", catalogue=PRICED, signup=APRIL)
    assert story.waits("2026-04-16T00:00:00Z").changes_plan("two_hundred").answer("payment-requested") == []
    assert story.adds_card().asks() == dollars(("subscription", 100), ("subscription", 50))


def test_m07_m06_a_declined_proration_is_retried_like_a_fee() -> None:
    story = of_hundred().waits("2026-04-16T00:00:00Z").changes_plan("two_hundred").declines()
    alert = only(story.answer())
    assert (alert["type"], alert["amount_micros"], alert["purpose"]) == (
        "subscription-payment-declined",
        usd(50),
        "subscription",
    )
    assert story.snapshot()["plan"] == "two_hundred"
    assert story.ticks(days=1).asks() == dollars(("subscription", 50))


# M7: down at the next renewal; nothing is given back.
def test_m07_a_downgrade_waits_for_the_renewal() -> None:
    story = paying(plan="dental").uses(150).changes_plan("professional")
    assert story.answer() == []
    snapshot = story.snapshot()
    assert (snapshot["plan"], snapshot["usage"]["minutes_included"]) == ("dental", 300)
    assert snapshot["subscription"]["status"] == "active"
    assert snapshot["plan_change"] == {"plan": "professional", "at": FEBRUARY}
    assert story.uses(10).charge()["plan"] == "dental"
    assert story.ticks(FEBRUARY).asks() == dollars(("subscription", 49))
    snapshot = story.snapshot()
    assert (snapshot["plan"], snapshot["usage"]["minutes_included"]) == ("professional", 100)
    assert "plan_change" not in snapshot
    invoice = story.invoices()[-1]
    assert billed(invoice) == dollars(("subscription", 99))
    assert billed(story.settles_all().ticks(MARCH).invoices()[-1]) == dollars(("subscription", 49))


def test_m07_a_waiting_downgrade_is_taken_back() -> None:
    story = paying(plan="dental").changes_plan("professional").changes_plan("dental")
    assert story.answer("dead-letter") == []
    assert "plan_change" not in story.snapshot()
    assert story.ticks(FEBRUARY).asks() == dollars(("subscription", 99))
    assert story.snapshot()["plan"] == "dental"


def test_m07_the_last_word_of_two_downgrades_stands() -> None:
    story = of_hundred().changes_plan("professional").changes_plan("dental").ticks(MAY)
    assert (story.asks(), story.snapshot()["plan"]) == (dollars(("subscription", 99)), "dental")


# M7: a plan that takes effect at once takes a waiting one back.
def test_m07_an_upgrade_takes_a_waiting_downgrade_back() -> None:
    story = paying(plan="dental").changes_plan("professional").changes_plan("real_estate")
    snapshot = story.snapshot()
    assert (snapshot["plan"], "plan_change" in snapshot) == ("real_estate", False)
    assert story.ticks(FEBRUARY).asks() == dollars(("subscription", 99))


# P7: the plan in force, with none waiting: a repeat.
def test_p07_m07_the_plan_in_force_again_is_a_repeat() -> None:
    story = paying().waits(days=3)
    before = story.snapshot()
    assert story.changes_plan("professional").answer() == []
    assert story.snapshot()["subscription"] == before["subscription"]
    assert asked(story.facts()) == dollars(("subscription", 49))


# P11 and 0014: from the credits plan at once, for the days that are left; signed up on 1 April, $100.
@pytest.mark.parametrize(
    ("at", "asks"),
    [
        ("2026-04-01T18:00:00Z", "100"),
        ("2026-04-16T00:00:00Z", "50"),
        ("2026-04-30T23:59:59.999Z", "3.33"),
        ("2026-05-01T00:00:00Z", "100"),
    ],
)
def test_p11_m07_from_the_credits_plan_with_a_card(at: str, asks: str) -> None:
    story = from_free().adds_card().waits(at).changes_plan("hundred")
    assert story.asks() == dollars(("subscription", asks))
    boundary = MAY if at < MAY else "2026-06-01T00:00:00Z"
    assert (story.snapshot()["plan"], story.subscription()["status"], story.subscription()["renews_at"]) == (
        "hundred",
        "active",
        boundary,
    )
    invoice = only(story.settles_all().ticks(boundary).invoices())
    assert (billed(invoice), invoice["period_end"]) == (dollars(("proration", asks)), boundary)
    assert story.asks() == dollars(("subscription", 100))


def from_free() -> Subscriber:
    return Subscriber(catalogue=PRICED, signup=APRIL).opens("free")


def test_p11_m07_from_the_credits_plan_without_a_card_it_waits() -> None:
    story = from_free().waits("2026-04-16T00:00:00Z").changes_plan("hundred")
    assert (story.asks(), story.snapshot()["plan"]) == ([], "hundred")
    assert story.waits(days=3).adds_card().asks() == dollars(("subscription", 50))


def test_m07_the_wallet_goes_along() -> None:
    story = opened("live_agent", credit=20).call("c1", used=["live_agent"]).says("plan-change-requested", plan="dental")
    assert (story.balance(), story.snapshot()["plan"]) == (usd(17), "dental")
    assert story.snapshot()["usage"]["minutes_used"] == 0
    admitted = only(story.starts("c2").answer("call-admitted"))
    assert (admitted["reason"], admitted["hold_micros"]) == ("subscription", 0)


# Down to the credits plan: at the renewal; then no subscription, no fee, its gate and its 25 calls.
def test_m07_p20_down_to_the_credits_plan() -> None:
    story = paying().changes_plan("free").uses(1)
    assert (story.charge()["plan"], story.subscription()["status"]) == ("professional", "active")
    story.ticks(FEBRUARY)
    assert story.asks() == []
    assert (story.snapshot()["plan"], story.subscription()["status"]) == ("free", "none")
    assert only(story.starts("c1").answer("call-admitted"))["reason"] == "included"
    assert story.ends("c1").removes_card().refusal() is None
    assert story.ticks(MARCH).answer() == []
    assert [i["number"] for i in story.invoices()] == [1]


@pytest.mark.parametrize("plan", ["gold", "Professional", "*"])
def test_m07_a_plan_that_is_not_offered_is_refused(plan: str) -> None:
    assert paying().changes_plan(plan).refusal() == "unknown_plan"
    assert opened().says("plan-change-requested", plan=plan).refusal() == "unknown_plan"


def test_m07_a_plan_for_nobody_is_refused() -> None:
    assert Story().says("plan-change-requested", plan="dental").refusal() == "unknown_account"


# To a plan of no price it is a downgrade, from one an upgrade for all the days that are left.
def test_m07_a_plan_of_no_price() -> None:
    story = of_hundred().changes_plan("nothing").ticks(MAY)
    assert (story.asks(), story.snapshot()["plan"], story.subscription()["status"]) == ([], "nothing", "active")
    # 16 of May's 31 days.
    assert story.waits(later(MAY, days=15)).ticks().changes_plan("hundred").asks() == dollars(("subscription", "51.61"))


# M7: two sides that cancel out leave no line: another plan of the same price, whatever its charge quantum.
def test_m07_a_plan_of_the_same_price_leaves_no_line() -> None:
    price = {"monthly_price_micros": usd(10)}
    catalogue = minutes_plans(tenths={**price, "charge_quantum_micros": 1_000}, cents=price)
    story = subscriber(plan="tenths", catalogue=catalogue, signup=APRIL).has_paid().waits("2026-04-17T00:00:00Z")
    assert (story.changes_plan("cents").asks(), story.snapshot()["plan"]) == ([], "cents")
    assert billed(story.ticks(MAY).invoices()[0]) == dollars(("subscription", 10))

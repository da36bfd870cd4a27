"""M11, B1 to B6, P14 and decisions 0015 and 0016 where they meet: late changes, corrections, payments answered in any
order, and what a card that comes later is asked for. Money in dollars; 10 minutes beyond the pool are $1.10.
"""

import pytest

from tests.agents.partition import Partition, facts_of
from tests.rules.story import SIGNUP, also_in, later, only, usd
from tests.rules.subscriber import (
    APRIL,
    FEBRUARY,
    MARCH,
    Subscriber,
    asked,
    billed,
    dollars,
    minutes_plans,
    numbers,
    paying,
    subscriber,
)

FEE = ("subscription", 49)
NO_PRICE = minutes_plans(professional={"monthly_price_micros": 0})


def paid_numbers(story: Subscriber) -> list[int]:
    """The invoices that the newest input paid off."""
    return numbers(story.answer("invoice-paid"))


# P14: an overage payment counts for the next invoice issued after its request, whichever is answered first.
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_p14_b04_an_overage_payment_pays_its_own_invoice(order: tuple[int, int]) -> None:
    story = paying().uses(191).ticks(FEBRUARY).settles("subscription").uses(191).ticks(MARCH).settles("subscription")
    assert [(i["number"], i["status"]) for i in story.invoices()] == [(1, "open"), (2, "open")]
    for number in order:
        assert paid_numbers(story.pays(payment_id=f"acme/overage/{number}")) == [number]


# A payment that is answered months later pays its own invoice.
def test_m11_p12_a_late_answer_pays_its_own_invoice() -> None:
    story = subscriber().adds_card().ticks("2026-04-01T00:00:00Z")
    assert paid_numbers(story.pays(payment_id="acme/subscription/2/1")) == [2]
    assert paid_numbers(story.pays(payment_id="acme/subscription/1/1")) == [1]
    assert paid_numbers(story.pays(payment_id="acme/subscription/3/1")) == [3]
    assert paid_numbers(story.pays(payment_id="acme/subscription/4/1")) == []


# P3: the overage of an invoiced call is given back to the wallet: the invoice has taken it over from what is due.
def test_m11_p03_a_correction_of_what_is_invoiced() -> None:
    story = paying().uses(100).uses(10, "c1").ticks(FEBRUARY).settles("subscription").reclassifies("c1", real=False)
    assert (story.charge()["wallet_micros"], story.charge()["card_micros"]) == (-usd("1.10"), 0)
    assert paid_numbers(story.settles("invoice")) == [1]
    story.ticks(MARCH)
    invoice = story.invoices()[1]
    assert (billed(invoice), invoice["total_micros"], invoice["status"]) == (
        dollars(FEE, ("overage inbound", "-1.10"), ("wallet_credit", "1.10")),
        usd(49),
        "paid",
    )
    assert story.balance() == usd("1.10")


# Declined before its invoice it is due again: a correction takes it off what the card owes.
def test_m11_p03_a_correction_of_declined_overage() -> None:
    story = paying().uses(100).uses(100, "c1").refuses("overage").reclassifies("c1", real=False)
    assert (story.charge()["wallet_micros"], story.charge()["card_micros"]) == (0, -usd(11))
    assert (story.card_due(), story.balance()) == (0, 0)
    assert story.ticks(days=1).asks() == []
    assert story.ticks(FEBRUARY).asks() == dollars(FEE)
    assert story.invoices()[0]["status"] == "paid"


# A late end after the subscription is over: on the next invoice. $0.22 is less than a card can be asked for (B3).
@pytest.mark.parametrize("over", ["ended", "free"])
def test_m11_g05_m08_a_late_end_after_the_subscription(over: str) -> None:
    story = paying().uses(100).starts("late")
    (story.cancels() if over == "ended" else story.changes_plan("free")).ticks(FEBRUARY)
    charge = story.ends("late", seconds=120).charge()
    assert (charge["plan"], charge["card_micros"], charge["minutes_before"]) == ("professional", usd("0.22"), 100)
    assert story.asks() == []
    assert story.ticks(MARCH).asks() == []
    invoice = story.invoices()[1]
    assert (billed(invoice), invoice["carried_micros"]) == (dollars(("overage inbound", "0.22")), usd("0.22"))
    assert (invoice["status"], story.card_due(), story.snapshot()["carried_micros"]) == ("paid", 0, usd("0.22"))
    assert story.ticks("2026-09-01T00:00:00Z").answer() == []


# Numbers are billed as long as they are held, also after the end of the subscription and on the credits plan.
def test_m13_p12_numbers_after_the_end() -> None:
    story = paying().adds_number().cancels().ticks(FEBRUARY).settles_all().ticks(MARCH)
    assert billed(story.invoices()[1]) == dollars(("phone_number", 2))
    assert story.settles_all().removes_number().ticks("2026-06-01T00:00:00Z").facts("invoice-issued")[2:] == []


# B3: a negative rest reduces the next invoice's: no fee, 10 % tax. January $11 + 1.10; corrected; then $22 + 2.20.
def test_b03_a_negative_rest_reduces_the_next_invoice() -> None:
    story = paying(50, catalogue=NO_PRICE).is_taxed(100_000).uses(200, "jan").ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", "1.10"))
    story.settles_all().reclassifies("jan", real=False).ticks(MARCH)
    second = story.invoices()[1]
    assert billed(second) == dollars(("overage inbound", -11), ("tax", "-1.10"), ("wallet_credit", 11))
    assert (second["total_micros"], second["carried_micros"], second["status"]) == (usd("-1.10"), usd("-1.10"), "paid")
    assert (story.asks(), story.snapshot()["carried_micros"]) == ([], usd("-1.10"))
    story.uses(200).uses(100).ticks("2026-04-01T00:00:00Z")
    third = story.invoices()[2]
    assert billed(third) == dollars(
        ("overage inbound", 22), ("tax", "2.20"), ("wallet_credit", -22), ("carried", "-1.10")
    )
    assert (story.asks(), third["carried_micros"], third["status"]) == (dollars(("invoice", "1.10")), 0, "open")
    assert paid_numbers(story.pays()) == [3]


def test_b03_a_negative_rest_goes_on_until_it_is_used_up() -> None:
    story = paying(90, catalogue=NO_PRICE).is_taxed(100_000).uses(100).uses(200, "jan").ticks(FEBRUARY).settles_all()
    story.reclassifies("jan", real=False).ticks(MARCH).uses(200).ticks(later(MARCH, days=31))
    # 2.20 of credit less 1.10, then less 2.20: 1.10 is left to be asked for.
    assert (story.asks(), story.invoices()[2]["status"]) == ([], "paid")
    assert story.uses(200).uses(100).ticks("2026-05-01T00:00:00Z").asks() == dollars(("invoice", "1.10"))


# A retry that falls due at the very boundary: the fee is asked for once, whoever asks.
def test_m06_m11_a_retry_at_the_very_boundary() -> None:
    story = subscriber().adds_card().ticks("2026-01-31T00:00:00Z").declines().ticks(FEBRUARY)
    assert sum(amount for _, amount in story.asks()) == 2 * usd(49)
    assert story.ticks(days=1).asks() == []


# 0015: an invoice after its last decline waits for another default card, as a fee does; also when the card in force is
# removed and another takes its place (P15).
@pytest.mark.parametrize("how", ["defaulted", "removed"])
def test_m06_m11_another_default_card_is_asked_for_everything_that_waits(how: str) -> None:
    story = paying().adds_card("pm2").adds_number().ticks(FEBRUARY).refuses("subscription").refuses("invoice")
    for days in (1, 3, 5):
        story.ticks(days=days)
        story.refuses("subscription").refuses("invoice")
    assert story.ticks(days=2).asks() == []
    if how == "defaulted":
        story.defaults_card("pm2")
    else:
        story.removes_card("pm1")
    assert story.asks() == dollars(FEE, ("invoice", 2))
    assert {f["payment_method_id"] for f in story.answer("payment-requested")} == {"pm2"}
    assert paid_numbers(story.settles_all().ticks(MARCH)) == []
    assert set(numbers(story.facts("invoice-paid"))) == {1}


# Overage that nobody could be asked for is in the bill of its invoice, until it is paid.
def test_m11_p11_overage_without_a_card_is_open() -> None:
    story = subscriber(catalogue=NO_PRICE).uses(110).ticks(FEBRUARY)
    assert (only(story.invoices())["open_micros"], only(story.invoices())["status"]) == (usd("1.10"), "open")
    assert story.adds_card().asks() == dollars(("invoice", "1.10"))
    assert (paid_numbers(story), paid_numbers(story.pays())) == ([], [1])


# M6: declined overage is requested at once from another default card.
def test_m06_p14_a_declined_overage_follows_the_card() -> None:
    story = paying().uses(191).refuses("overage").adds_card("pm2")
    assert story.asks() == []
    request = only(story.defaults_card("pm2").answer("payment-requested"))
    assert (request["purpose"], request["amount_micros"], request["payment_method_id"]) == (
        "overage",
        usd("10.01"),
        "pm2",
    )


# The threshold is plan data. Below the least charge of a card it is reached, and nothing can be asked for yet (B10).
@pytest.mark.parametrize(
    ("threshold", "minutes", "asks"),
    [
        ("0.55", 105, [("overage", "0.55")]),
        ("0.550001", 105, []),
        ("0.22", 102, []),
        ("0.22", 104, []),
        ("0.22", 105, [("overage", "0.55")]),
    ],
)
def test_m05_b10_the_threshold_is_the_plans(threshold: str, minutes: int, asks: list[tuple[str, str]]) -> None:
    catalogue = minutes_plans(professional={"card_overage_threshold_micros": usd(threshold)})
    story = paying(catalogue=catalogue).uses(minutes)
    assert story.asks() == dollars(*asks)


# C9 and 0017: what open calls of a credits plan hold is not touched by overage.
def test_m05_c09_overage_leaves_holds_alone() -> None:
    story = Subscriber().opens("free").switches("live_agent").is_granted(10).adds_card().starts("held")
    story.changes_plan("professional").settles_all().uses(100).uses(80)
    charge = story.charge()
    assert (charge["amount_micros"], charge["wallet_micros"], charge["card_micros"]) == (
        usd("8.80"),
        usd(7),
        usd("1.80"),
    )
    assert (story.snapshot()["held_micros"], story.snapshot()["available_micros"]) == (usd(3), 0)
    assert story.ends("held", used=["live_agent"]).charge()["wallet_micros"] == usd(3)
    assert story.balance() == 0


# 0017: calls of minutes plans are not among those that a credits plan includes.
def test_c02_m02_minutes_do_not_use_included_calls() -> None:
    story = Subscriber().opens("free").switches("extra_calls").is_granted(20).calls(25)
    story.starts("free").changes_plan("professional")
    for n in range(5):
        story.uses(1, f"m{n}")
    charge = story.ends("free").charge()
    assert (charge["ordinal"], charge["amount_micros"], charge["plan"]) == (26, usd(3), "free")


# Both kinds of overage on one invoice: an extra call, then minutes beyond the pool.
def test_m11_c03_an_invoice_of_both_plans() -> None:
    story = Subscriber().opens("free").switches("extra_calls").is_granted(20).adds_card().calls(26)
    story.changes_plan("professional").settles_all().uses(110).ticks(FEBRUARY)
    assert billed(only(story.invoices())) == dollars(
        ("proration", 49), ("overage inbound", "4.10"), ("wallet_credit", "-4.10")
    )
    assert only(story.invoices())["status"] == "paid"


# 0014: the old side of a proration is the price that its term began with.
def test_m01_m07_a_new_price_does_not_change_the_term_that_runs() -> None:
    old, new = (minutes_plans(n, professional={"monthly_price_micros": usd(p)}) for n, p in ((1, 49), (2, 59)))
    partition = Partition(catalogue=old)
    story = subscriber(signup=APRIL).adds_card().pays()
    partition.take(*story.inputs)
    done = len(story.inputs)
    story.waits("2026-04-16T00:00:00Z").changes_plan("dental")
    # Half of 99 less half of 49.
    assert asked(facts_of(partition.restarted(new).take(*story.inputs[done:]))) == dollars(("subscription", 25))


# Every currency is the account's.
def test_m11_m05_the_currency_is_the_accounts() -> None:
    story = paying(currency="EUR", catalogue=also_in("EUR")).adds_number().uses(110)
    story.ticks(FEBRUARY).declines().settles_all()
    facts = [f for f in story.facts() if any(name.endswith("_micros") for name in f)]
    assert {f["currency"] for f in facts} == {"EUR"}


# G2: a tick over several boundaries, the plan changing at the first.
def test_m07_p12_a_waiting_downgrade_over_several_boundaries() -> None:
    story = paying(plan="dental").changes_plan("professional").ticks("2026-03-15T00:00:00Z")
    assert [billed(i) for i in story.invoices()] == [dollars(("subscription", 99)), dollars(FEE)]
    assert story.asks() == dollars(FEE, FEE)


def test_m08_p12_an_end_among_several_boundaries() -> None:
    story = paying().cancels().ticks("2026-05-15T00:00:00Z")
    assert story.answer_types() == ["invoice-issued"]
    assert story.subscription()["status"] == "ended"


# P11: cancelled before the first card came: it is usable until its end, and its fee is asked for.
def test_p11_m08_the_first_fee_of_a_cancelled_subscription() -> None:
    story = subscriber().cancels().adds_card()
    assert story.asks() == dollars(FEE)
    assert story.settles_all().ticks(FEBRUARY).asks() == []


# G3: opened long before the clock, an account is billed from the period in which its opening arrives.
def test_g03_m06_an_account_that_is_told_late() -> None:
    story = (
        Subscriber().ticks("2026-03-15T00:00:00Z").says("account-opened", plan="professional", at=SIGNUP).adds_card()
    )
    assert story.asks() == dollars(FEE)
    assert story.ticks(seconds=1).answer() == []
    assert story.subscription()["renews_at"] == "2026-04-01T00:00:00Z"
    story.settles_all().ticks("2026-04-01T00:00:00Z")
    assert [(i["number"], i["period_start"]) for i in story.invoices()] == [(1, MARCH)]


# P12: an invoice holds its own period's prorations: one of 2 February is not of January, whenever the tick comes.
def test_p12_m07_a_proration_is_of_the_period_of_its_change() -> None:
    story = Subscriber().opens("free").switches("extra_calls").is_granted(20).adds_card().calls(26)
    story.waits("2026-02-02T00:00:00Z").changes_plan("professional").settles_all().ticks(hours=1).ticks(MARCH)
    assert [billed(i) for i in story.invoices()] == [
        dollars(("overage inbound", 3), ("wallet_credit", -3)),
        dollars(("proration", "47.25")),
    ]


def test_b02_m07_an_upgrade_before_the_boundarys_tick_is_not_of_the_period_before() -> None:
    story = paying().waits("2026-02-02T00:00:00Z").changes_plan("dental").ticks(hours=1)
    assert [billed(i) for i in story.invoices()] == [dollars(FEE)]

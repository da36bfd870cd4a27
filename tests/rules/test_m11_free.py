"""P12: the invoices of a credits plan, and of a subscription that costs nothing. Money in dollars."""

from tests.rules.story import only, opened, usd
from tests.rules.subscriber import FEBRUARY, MARCH, Subscriber, billed, dollars, minutes_plans, subscriber


# P12: none for a free period whose lines are all 0; one with extra calls has one, they are its overage.
def test_p12_c03_a_free_period_with_extra_calls_has_an_invoice() -> None:
    story = opened("extra_calls", credit=20).calls(26)
    story.ticks(FEBRUARY)
    assert story.answer_types() == ["invoice-issued"]
    invoice = story.answer()[0]
    assert billed(invoice) == dollars(("overage inbound", 3), ("wallet_credit", -3))
    assert (invoice["number"], invoice["status"], invoice["total_micros"]) == (1, "paid", 0)
    assert story.ticks(MARCH).answer() == []


def test_p12_c02_a_free_period_of_zeros_has_none() -> None:
    story = opened("extra_calls", credit=20).calls(25)
    assert story.ticks("2026-06-15T00:00:00Z").answer() == []


def test_p12_a_free_period_with_a_top_up_has_one() -> None:
    story = Subscriber().opens("free").adds_card().buys("p1", 20).settles("purchase").ticks(FEBRUARY)
    assert billed(only(story.invoices())) == dollars(("top_up", 20))
    assert only(story.invoices())["status"] == "paid"


def test_p12_m13_a_free_period_with_numbers_and_tax() -> None:
    story = Subscriber().opens("free").switches("extra_calls").is_granted(20).is_taxed(100_000).adds_number()
    story.adds_card().calls(26).ticks(FEBRUARY)
    assert billed(only(story.invoices())) == dollars(
        ("overage inbound", 3), ("phone_number", 2), ("tax", "0.50"), ("wallet_credit", -3)
    )
    assert story.asks() == dollars(("invoice", "2.50"))
    assert sorted(story.pays().answer_types()) == ["invoice-paid", "receipt-issued"]


# A subscription of no price is one: it has an invoice, of nothing.
def test_p12_a_subscription_of_no_price_has_an_invoice() -> None:
    story = subscriber(catalogue=minutes_plans(professional={"monthly_price_micros": 0})).ticks(FEBRUARY)
    invoice = only(story.answer())
    assert [(line["kind"], line["amount_micros"]) for line in invoice["lines"]] == [("subscription", 0)]
    assert (invoice["total_micros"], invoice["open_micros"], invoice["status"]) == (0, 0, "paid")


# A late end of a period that had no invoice: on the next one (G5).
def test_p12_g05_a_late_extra_call_goes_on_the_next_invoice() -> None:
    story = opened("extra_calls", credit=20).calls(25).waits("2026-01-31T23:00:00Z").starts("late").ticks(FEBRUARY)
    assert story.answer() == []
    charge = only(story.ends("late").answer("call-charged"))
    assert (charge["period_start"], charge["amount_micros"]) == ("2026-01-01T00:00:00Z", usd(3))
    invoice = only(story.ticks(MARCH).answer())
    assert (invoice["period_start"], billed(invoice)) == (
        FEBRUARY,
        dollars(("overage inbound", 3), ("wallet_credit", -3)),
    )


# G2: several periods that wait for one tick, each with its own reason for an invoice; an idle one between has none.
def test_p12_g02_each_free_period_that_has_lines_before_one_tick() -> None:
    story = Subscriber().opens("free").switches("extra_calls").is_granted(50).adds_card().calls(26, "jan-")
    story.waits("2026-02-10T00:00:00Z").calls(27, "feb-").waits("2026-04-10T00:00:00Z").buys("p1", 20)
    story.settles("purchase").ticks("2026-06-01T00:00:00Z")
    assert [(i["number"], i["period_start"], billed(i)) for i in story.invoices()] == [
        (1, "2026-01-01T00:00:00Z", dollars(("overage inbound", 3), ("wallet_credit", -3))),
        (2, FEBRUARY, dollars(("overage inbound", 6), ("wallet_credit", -6))),
        (3, "2026-04-01T00:00:00Z", dollars(("top_up", 20))),
    ]

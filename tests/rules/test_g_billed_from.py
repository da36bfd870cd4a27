"""G3: from when an account is billed: the period of its opening, or the first one from `billing_from` on. Dollars."""

import pytest

from tests.rules.story import only, usd
from tests.rules.subscriber import Subscriber, billed, dollars, minutes_plans

FEE = ("subscription", 49)
OLD = "2024-01-10T00:00:00Z"
NOW = "2026-03-15T10:00:00Z"
APRIL = "2026-04-10T00:00:00Z"
MAY = "2026-05-10T00:00:00Z"
JUNE = "2026-06-10T00:00:00Z"


def moved_in(plan: str = "professional", **fields: object) -> Subscriber:
    """A customer since January 2024 who is moved in on 15 March 2026: the period from 10 March runs."""
    return (
        Subscriber(catalogue=minutes_plans(yearly={"interval": "year", "monthly_price_micros": usd(49)}))
        .ticks(NOW)
        .says("account-opened", plan=plan, at=OLD, **fields)
    )


# billing_from -> the start of the first billed period, None for a refusal
@pytest.mark.parametrize(
    ("billing_from", "first"),
    [
        ("2026-03-09T23:59:59.999Z", None),
        ("2024-01-10T00:00:00Z", None),
        ("2026-03-10T00:00:00Z", "2026-03-10T00:00:00Z"),
        ("2026-03-10T00:00:00.001Z", APRIL),
        (NOW, APRIL),
        (APRIL, APRIL),
        ("2026-04-10T00:00:00.001Z", MAY),
    ],
)
def test_g03_the_first_billed_period(billing_from: str, first: str | None) -> None:
    story = moved_in(billing_from=billing_from)
    if first is None:
        assert story.refusal() == "schema_invalid"
        return
    story.adds_card()
    assert story.asks() == (dollars(FEE) if first < NOW else [])
    story.settles_all().ticks("2026-07-01T00:00:00Z")
    assert story.invoices()[0]["period_start"] == first
    fees = [f for f in story.facts("payment-requested") if f["purpose"] == "subscription"]
    assert len(fees) == {"2026-03-10T00:00:00Z": 4, APRIL: 3, MAY: 2}[first]


# Until then the subscription is active and renews at that start; allowance and usage begin with the running period.
def test_g03_until_the_first_billed_period() -> None:
    story = moved_in(billing_from=APRIL).adds_card()
    assert (story.subscription()["status"], story.subscription()["renews_at"]) == ("active", APRIL)
    assert story.usage()["period_start"] == "2026-03-10T00:00:00Z"
    assert story.uses(100).uses(100).asks() == dollars(("overage", 11))
    assert story.usage()["minutes_used"] == 200
    story.settles_all().uses(10).ticks(APRIL)
    assert (story.invoices(), story.asks(), story.card_due()) == ([], dollars(FEE), usd("1.10"))
    assert story.usage()["minutes_used"] == 0
    # Overage used before is on the first invoice, like late calls.
    story.settles_all().ticks(MAY)
    assert billed(only(story.invoices())) == dollars(FEE, ("overage inbound", "12.10"))
    assert story.asks() == dollars(("invoice", "1.10"), FEE)


# P11: no card at the start of the first billed period: the owner is told.
def test_g03_p11_without_a_card() -> None:
    story = moved_in(billing_from=APRIL).ticks(APRIL)
    alert = only(story.answer())
    assert (alert["purpose"], alert["reason"], alert["amount_micros"]) == (
        "subscription",
        "no_payment_method",
        usd(49),
    )
    assert story.adds_card().asks() == dollars(FEE)


# A plan change takes effect as ever, but without prorations.
def test_g03_m07_a_change_before_the_first_billed_period() -> None:
    story = moved_in(billing_from=APRIL).adds_card().changes_plan("dental")
    assert (story.answer(), story.snapshot()["plan"], story.usage()["minutes_included"]) == ([], "dental", 300)
    assert story.ticks(APRIL).asks() == dollars(("subscription", 99))
    down = moved_in("dental", billing_from=APRIL).adds_card().changes_plan("professional")
    assert down.snapshot()["plan"] == "dental"
    assert (down.ticks(APRIL).asks(), down.snapshot()["plan"]) == (dollars(FEE), "professional")
    up = moved_in("free", billing_from=APRIL).adds_card().changes_plan("professional")
    assert (up.asks(), up.subscription()["renews_at"]) == ([], APRIL)
    assert up.ticks(APRIL).asks() == dollars(FEE)


# A cancellation ends it there without a fee; what was used is on the first invoice all the same.
def test_g03_m08_a_cancellation_before_the_first_billed_period() -> None:
    story = moved_in(billing_from=APRIL).adds_card().uses(100).uses(50).cancels().ticks(APRIL)
    assert (story.asks(), story.subscription()["status"]) == ([], "ended")
    assert story.ticks(MAY).asks() == dollars(("invoice", "5.50"))
    assert billed(only(story.invoices())) == dollars(("overage inbound", "5.50"))


# Terms are counted from the first billed period.
def test_g03_m13_a_yearly_term_from_the_first_billed_period() -> None:
    story = moved_in("yearly", billing_from=APRIL).adds_card().ticks(APRIL)
    assert story.asks() == dollars(("subscription", 588))
    assert story.subscription()["renews_at"] == "2027-04-10T00:00:00Z"
    assert moved_in("yearly").subscription()["renews_at"] == "2027-03-10T00:00:00Z"


# B7: what moved before the first billed period is on the first invoice.
def test_g03_b07_what_moved_before_is_on_the_first_invoice() -> None:
    story = moved_in(billing_from=APRIL).is_granted(5).uses(110).adds_number(fee=2).ticks(APRIL).ticks(MAY)
    invoice = only(story.invoices())
    assert billed(invoice) == dollars(FEE, ("overage inbound", "1.10"), ("phone_number", 2), ("wallet_credit", "-1.10"))
    assert invoice["wallet"] == {
        "opening_micros": 0,
        "credited_micros": usd(5),
        "used_micros": usd("1.10"),
        "closing_micros": usd("3.90"),
    }

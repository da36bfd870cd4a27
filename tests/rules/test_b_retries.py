"""B4 and M6: when a declined fee, overage or invoice is requested again. Money in dollars."""

import msgspec
import pytest

from tests.rules.story import SHIPPED, only, usd
from tests.rules.subscriber import (
    FEBRUARY,
    MARCH,
    Subscriber,
    billed,
    dollars,
    minutes_plans,
    numbers,
    paying,
    subscriber,
)

FEE = ("subscription", 49)
OVERAGE = ("overage", 11)


def owing() -> Subscriber:
    """Paying, with $11 of overage whose payment has just been declined."""
    return paying().uses(100).uses(100).refuses("overage")


def waits(story: Subscriber) -> list[tuple[str, bool]]:
    """(purpose, whether a retry follows) of the alerts so far."""
    return [(f["purpose"], "retry_at" in f) for f in story.facts("subscription-payment-declined")]


# M6: the whole amount due 1 day after the first decline, 3 days after the second, 5 days after the third; then not
# before a new default card.
def test_m06_declined_overage_is_requested_again() -> None:
    story = owing()
    for days in (1, 3, 5):
        assert story.ticks(days=days - 1, hours=23).asks() == []
        assert story.ticks(hours=1).asks() == dollars(OVERAGE)
        story.refuses("overage")
    assert waits(story) == [("overage", True)] * 3 + [("overage", False)]
    assert story.uses(100).asks() == []
    assert story.adds_card("pm2").defaults_card("pm2").asks() == dollars(("overage", 22))
    story.refuses("overage")
    assert waits(story)[-1] == ("overage", True)


# M6: a success begins the count anew, and the wait goes on while anything is due.
def test_m06_a_success_begins_the_count_anew() -> None:
    story = paying().uses(100).uses(100).uses(100).declines(payment_id="acme/overage/1").ticks(hours=1)
    story.pays(payment_id="acme/overage/2")
    assert story.ticks(hours=23).asks() == dollars(OVERAGE)
    alert = only(story.refuses("overage").answer("subscription-payment-declined"))
    assert alert["retry_at"] == "2026-01-03T05:00:00Z"


# M6: nothing is due any more: the wait is over, and the threshold counts again.
def test_m06_a_wait_ends_when_nothing_is_due() -> None:
    story = paying().uses(100).uses(100, "c1").refuses("overage").reclassifies("c1", real=False)
    assert story.uses(100).asks() == dollars(OVERAGE)


# B1: the invoice takes the overage over; its wait and its count end.
def test_b01_m06_an_invoice_takes_the_overage_over() -> None:
    story = paying().uses(100).waits("2026-01-31T12:00:00Z").uses(100).refuses("overage").ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", 11), FEE)
    story.settles_all()
    assert story.ticks(days=1).asks() == []
    story.uses(100).uses(100).refuses("overage")
    assert waits(story) == [("overage", True)] * 2
    assert story.ticks(days=1).asks() == dollars(OVERAGE)


# B4: each decline of a payment for an issued invoice counts for it, and the open bill is requested in one payment.
def test_b04_an_invoice_has_one_bill() -> None:
    story = subscriber().waits("2026-01-31T20:00:00Z").adds_card().uses(100).uses(100).adds_number().ticks(FEBRUARY)
    # The fee and the overage are in flight, the number is requested.
    assert (story.asks(), only(story.invoices())["open_micros"]) == (dollars(("invoice", 2), FEE), usd(62))
    story.settles("subscription").declines(payment_id="acme/subscription/1/1")
    assert [f["invoice_id"] for f in story.answer()] == ["acme/invoice/1"]
    story.waits(hours=1).declines(payment_id="acme/overage/1")
    assert story.card_due() == 0
    # The second decline replaces the wait: 3 days after it.
    assert story.ticks(days=2, hours=23).asks() == []
    assert story.ticks(hours=1).asks() == dollars(("invoice", 60))
    story.settles("invoice")
    assert numbers(story.answer("invoice-paid")) == []
    assert numbers(story.pays(payment_id="acme/invoice/1/1").answer("invoice-paid")) == [1]


# B4: a new default card is asked at once, also while a wait runs, and begins the count anew.
@pytest.mark.parametrize("purpose", ["subscription", "invoice"])
def test_b04_m06_a_new_default_card_is_asked_at_once(purpose: str) -> None:
    story = paying().adds_number().ticks(FEBRUARY)
    other = "invoice" if purpose == "subscription" else "subscription"
    story.settles(other).refuses(purpose).ticks(days=1).refuses(purpose)
    asks = dollars((purpose, 49 if purpose == "subscription" else 2))
    assert story.adds_card("pm2").defaults_card("pm2").asks() == asks
    story.refuses(purpose)
    assert story.ticks(days=1).asks() == asks


# B10: a proration that is not payable is not requested, not retried and not reported; it waits for the invoice.
def test_b10_a_small_proration_waits_for_the_invoice() -> None:
    story = paying(signup="2026-01-31T00:00:00Z").ticks("2026-02-27T12:00:00Z").changes_plan("dental")
    lines = [f["amount_micros"] for f in story.ticks("2026-02-28T00:00:00Z").invoices()[0]["lines"]]
    assert sum(lines[1:]) == usd("1.79")
    small = paying(signup="2026-01-31T00:00:00Z").changes_plan("professional")
    assert small.answer() == []


# G13: what a late success leaves of a bill and no card can be asked for is carried at the period's end.
def test_g13_a_rest_that_is_not_payable_is_carried() -> None:
    story = Subscriber().opens().adds_card().adds_number(fee="0.25").adds_number("+15550101", "0.50").ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", "0.75"))
    story.settles("invoice").ticks(MARCH)
    assert billed(story.invoices()[1]) == dollars(("phone_number", "0.25"), ("phone_number", "0.50"))


# G13: also what is left once the retry that asked for more has been declined, of an account that needs no other period.
def test_g13_a_rest_after_a_declined_retry_is_carried() -> None:
    dollar = msgspec.structs.replace(SHIPPED.currency("USD"), greatest_micros=usd(60), least_micros=usd("0.50"))
    plans = minutes_plans(professional={"included_minutes": 0, "inbound_micros": 113_000})
    plans = msgspec.structs.replace(plans, currencies={**plans.currencies, "USD": dollar})
    story = subscriber(catalogue=plans).waits("2026-01-31T00:00:00Z").adds_card().uses(100).cancels().ticks(FEBRUARY)
    story.refuses("subscription").refuses("overage")
    assert story.ticks(days=3).asks() == dollars(("invoice", 60))
    first = story.payment_id()
    assert story.refuses("invoice").ticks(days=5).asks() == dollars(("invoice", 60))
    story.pays(payment_id=first).refuses("invoice")
    assert numbers(story.ticks(MARCH).facts("invoice-paid")) == [1]
    assert story.snapshot()["carried_micros"] == usd("0.30")


# M6: a wait goes on as long as anything is due, also a fraction of a cent that a new default card cannot be asked for.
def test_m06_a_new_default_card_that_is_asked_for_nothing_ends_no_wait() -> None:
    plans = minutes_plans(professional={"inbound_micros": 110_010, "charge_quantum_micros": 10, "included_minutes": 0})
    story = paying(catalogue=plans).uses(100).refuses("overage").pays(payment_id="acme/overage/1")
    assert story.card_due() == usd("0.001")
    assert story.adds_card("pm2").defaults_card("pm2").asks() == []
    assert story.uses(100).asks() == []
    assert story.ticks(days=1).asks() == dollars(("overage", 11))
    assert story.settles("overage").uses(100).asks() == dollars(("overage", 11))

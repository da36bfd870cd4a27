"""M11 and B1 to B4, with decision 0016: what an invoice holds, what it asks for, when it is paid. Money in dollars.

`professional` is $49 a month, 10 minutes beyond its pool are $1.10 ($0.80 web).
"""

from collections.abc import Callable

import pytest

from tests.rules.story import SIGNUP, later, only, usd
from tests.rules.subscriber import (
    FEBRUARY,
    MARCH,
    MINUTE_MS,
    Subscriber,
    billed,
    dollars,
    numbers,
    paying,
    subscriber,
)

FEE = ("subscription", 49)


def full_month() -> Subscriber:
    """The worked example within a month: $0.22 of overage ($0.10 wallet, $0.12 card), a number at $2, 8.25 % tax, and a
    top-up of $20 that came last. 49 + 0.22 + 2 = 51.22; x 0.0825 = 4.22565."""
    story = paying("0.10").is_taxed(82_500).adds_number().uses(99).talks("c1", 150_000)
    return story.buys("p1", 20).settles("purchase")


def test_m11_p12_the_lines_in_their_order() -> None:
    story = full_month().ticks(FEBRUARY)
    invoice = only(story.invoices())
    assert billed(invoice) == dollars(
        FEE,
        ("overage inbound", "0.22"),
        ("top_up", 20),
        ("phone_number", 2),
        ("tax", "4.23"),
        ("wallet_credit", "-0.10"),
    )
    said = {
        "number": 1,
        "account_id": "acme",
        "period_start": SIGNUP,
        "period_end": FEBRUARY,
        "occurred_at": FEBRUARY,
        "reference": "acme-0001",
        "currency": "USD",
        "time_zone": "UTC",
        "carried_micros": 0,
        "total_micros": usd("75.35"),
        "tax_micros": usd("4.23"),
        # What nothing else has paid: the card's overage, the number and the tax.
        "open_micros": usd("6.35"),
        "status": "open",
        "caused_by": story.inputs[-1]["id"],
    }
    assert {name: invoice[name] for name in said} == said
    assert "buyer" not in invoice
    assert "billing_email" not in invoice
    assert all(line["description"] for line in invoice["lines"])
    assert [line["kind"] for line in invoice["lines"] if "direction" in line] == ["overage"]


# B1 and B6: one payment for all that nothing else has paid, then the renewal.
def test_m11_p12_what_the_tick_asks_for() -> None:
    story = full_month().ticks(FEBRUARY)
    assert story.answer_types() == ["invoice-issued", "payment-requested", "payment-requested"]
    assert story.asks() == dollars(("invoice", "6.35"), FEE)
    assert [f["payment_id"] for f in story.answer("payment-requested")] == [
        "acme/invoice/1/1",
        "acme/subscription/2/1",
    ]


# Paid when the last part is, whichever comes last; the renewal is no part of it.
@pytest.mark.parametrize("order", [("overage", "invoice"), ("invoice", "overage")])
def test_m11_p12_an_invoice_is_paid_when_the_last_part_is(order: tuple[str, str]) -> None:
    story = full_month().uses(200).uses(200).ticks(FEBRUARY).settles("subscription")
    assert story.answer_types() == ["receipt-issued"]
    assert story.settles(order[0]).answer_types() == ["receipt-issued"]
    assert sorted(story.settles(order[1]).answer_types()) == ["invoice-paid", "receipt-issued"]
    assert only(story.facts("invoice-paid"))["invoice_id"] == story.invoices()[0]["invoice_id"]
    assert story.settles(order[0]).answer() == []


# Status at the moment it is issued: `paid` when nothing is left.
@pytest.mark.parametrize(
    ("story", "status", "open_usd"),
    [
        (paying, "paid", "0"),
        (lambda: paying(5).uses(110), "paid", "0"),
        (lambda: paying().uses(191).settles("overage"), "paid", "0"),
        (lambda: subscriber().adds_card(), "open", "49"),
        (lambda: subscriber().adds_card().declines(), "open", "49"),
        (subscriber, "open", "49"),
        (lambda: paying().uses(191), "open", "10.01"),
        (lambda: paying().uses(110), "open", "1.10"),
        (lambda: paying(1).uses(120), "open", "1.20"),
        (lambda: paying().adds_number(), "open", "2"),
        (lambda: paying().is_taxed(100_000), "open", "4.90"),
        (lambda: paying().changes_plan("dental"), "open", "50"),
    ],
    ids=[
        *("fee paid", "wallet paid", "overage paid", "fee in flight", "fee declined", "no card", "overage in flight"),
        *("overage due", "wallet and card", "a number", "tax", "proration in flight"),
    ],
)
def test_m11_p12_the_status(story: Callable[[], Subscriber], status: str, open_usd: str) -> None:
    told = story()
    invoice = only(told.ticks(FEBRUARY).invoices())
    assert (invoice["status"], invoice["open_micros"]) == (status, usd(open_usd))
    assert told.facts("invoice-paid") == []
    # Whatever was open is paid once everything that was asked for, of a card that comes now at the latest, is.
    told.adds_card("pm9").settles_all()
    assert numbers(told.facts("invoice-paid")) == ([1] if status == "open" else [])


# What is in flight is not asked for twice; when it is declined after all, it is asked for again.
def test_m11_p12_a_payment_in_flight_is_not_asked_twice() -> None:
    story = subscriber().adds_card().adds_number().ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", 2), FEE)
    assert story.invoices()[0]["open_micros"] == usd(51)
    story.settles("invoice")
    assert story.facts("invoice-paid") == []
    assert sorted(story.pays(payment_id="acme/subscription/1/1").answer_types()) == ["invoice-paid", "receipt-issued"]


def test_m11_p12_a_fee_declined_after_its_invoice_is_asked_for_again() -> None:
    story = subscriber().adds_card().ticks(FEBRUARY).settles("subscription")
    alert = only(story.declines(payment_id="acme/subscription/1/1").answer())
    assert (alert["type"], alert["amount_micros"]) == ("subscription-payment-declined", usd(49))
    assert sum(amount for _, amount in story.ticks(days=1).asks()) == usd(49)
    assert sorted(story.pays().answer_types()) == ["invoice-paid", "receipt-issued"]


# A declined fee that waits for its retry: the invoice carries it on, and its own retries end.
def test_m11_p12_a_waiting_retry_ends_with_the_invoice() -> None:
    # Declined half a day before the boundary, its retry would be half a day after it.
    story = subscriber().waits("2026-01-31T12:00:00Z").adds_card().declines().ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", 49), FEE)
    story.settles("subscription")
    assert story.ticks("2026-02-01T12:00:00Z").answer() == []
    assert numbers(story.settles("invoice").answer("invoice-paid")) == [1]


# M11: overage by call type, wallet and card together.
def test_m11_p12_overage_by_direction() -> None:
    story = paying("1.20").uses(100).uses(10).uses(10, direction="outbound").uses(10, direction="web").uses(1)
    invoice = only(story.ticks(FEBRUARY).invoices())
    assert sorted(billed(invoice)) == sorted(
        dollars(
            FEE,
            ("overage inbound", "1.21"),
            ("overage outbound", "1.10"),
            ("overage web", "0.80"),
            ("wallet_credit", "-1.20"),
        )
    )
    # Lines of 0 are left out, the fee aside.
    assert len(invoice["lines"]) == 5
    assert (invoice["total_micros"], invoice["open_micros"]) == (usd("50.91"), usd("1.91"))


# Net of what was corrected within the period.
def test_m11_overage_is_net_of_corrections() -> None:
    story = paying().uses(100).uses(10, "c1").uses(10, "c2").reclassifies("c1", real=False)
    assert billed(only(story.ticks(FEBRUARY).invoices())) == dollars(FEE, ("overage inbound", "1.10"))


# A call corrected, or ended, after its period was invoiced: the next invoice's overage.
def test_m11_g05_late_changes_go_on_the_next_invoice() -> None:
    story = paying(5).uses(100).uses(10, "c1").starts("c2").ticks(FEBRUARY).settles_all()
    story.waits(minutes=1).reclassifies("c1", real=False).ends_after("c2", 3 * MINUTE_MS, direction="web")
    assert story.charge()["amount_micros"] == usd("0.24")
    story.ticks(MARCH)
    assert [billed(i) for i in story.invoices()] == [
        dollars(FEE, ("overage inbound", "1.10"), ("wallet_credit", "-1.10")),
        dollars(FEE, ("overage inbound", "-1.10"), ("overage web", "0.24"), ("wallet_credit", "0.86")),
    ]
    assert story.invoices()[1]["total_micros"] == usd(49)
    # Moved in the wallet already, and the fee is paid.
    assert story.invoices()[1]["status"] == "paid"


@pytest.mark.parametrize(("direction", "cost"), [("inbound", "1.10"), ("outbound", "1.10"), ("web", "0.80")])
def test_m11_late_changes_by_direction(direction: str, cost: str) -> None:
    story = paying(5).uses(100).uses(10, "c1", direction=direction).ticks(FEBRUARY).settles_all()
    story.reclassifies("c1", real=False).ticks(MARCH)
    assert [billed(i) for i in story.invoices()] == [
        dollars(FEE, (f"overage {direction}", cost), ("wallet_credit", f"-{cost}")),
        dollars(FEE, (f"overage {direction}", f"-{cost}"), ("wallet_credit", cost)),
    ]


def test_m11_late_overage_adds_to_the_periods_own() -> None:
    story = paying(5).uses(100).starts("late").ticks(FEBRUARY).settles_all()
    story.uses(100).uses(10, "feb").ends_after("late", MINUTE_MS).ticks(MARCH)
    # The late minute is beyond January's pool.
    assert billed(story.invoices()[1]) == dollars(FEE, ("overage inbound", "1.21"), ("wallet_credit", "-1.21"))


def test_m11_overage_before_the_boundary_tick_is_the_new_periods() -> None:
    story = paying(50).uses(100).waits(FEBRUARY).uses(110).ticks(hours=1)
    assert [billed(i) for i in story.invoices()] == [dollars(FEE)]
    assert billed(story.settles_all().ticks(MARCH).invoices()[1]) == dollars(
        FEE, ("overage inbound", "1.10"), ("wallet_credit", "-1.10")
    )


# One `top_up` line for all of them, purchases and refills that succeeded; grants are none.
def test_m11_top_ups_are_one_line() -> None:
    story = paying(8).buys("p1", 20).settles("purchase").buys("p2", 5).refuses("purchase").buys("p3", 7)
    story.settles("purchase").is_granted(-30).refills(11).settles("refill")
    invoice = only(story.ticks(FEBRUARY).invoices())
    assert billed(invoice) == dollars(FEE, ("top_up", 38))
    assert (invoice["total_micros"], invoice["status"]) == (usd(87), "paid")


# A top-up belongs to the period of its success; one that comes later than its invoice goes on the next.
@pytest.mark.parametrize(
    ("succeeded", "ticked_before", "invoice"),
    [
        (later(FEBRUARY, milliseconds=-1), False, 1),
        (FEBRUARY, False, 2),
        (later(FEBRUARY, milliseconds=-1), True, 2),
    ],
)
def test_m11_p12_the_period_of_a_top_up(succeeded: str, invoice: int, *, ticked_before: bool) -> None:
    story = paying().waits("2026-01-31T12:00:00Z").buys("p1", 20)
    bought = story.payment_id()
    if ticked_before:
        story.ticks(FEBRUARY)
    story.pays(payment_id=bought, at=succeeded)
    if not ticked_before:
        story.ticks(FEBRUARY)
    story.settles_all().ticks(MARCH)
    top_ups = [number for number, i in enumerate(story.invoices(), 1) if ("top_up", usd(20)) in billed(i)]
    assert top_ups == [invoice]


# Numbers without gaps, from 1; a period without an invoice takes none.
def test_m11_p12_numbers_have_no_gaps() -> None:
    story = Subscriber().opens("free").adds_card().ticks("2026-03-15T00:00:00Z")
    assert story.invoices() == []
    story.changes_plan("professional").settles_all().ticks("2026-05-01T00:00:00Z").cancels().ticks(
        "2026-08-01T00:00:00Z"
    )
    story.changes_plan("dental").ticks("2026-09-01T00:00:00Z")
    assert [(i["number"], i["period_start"]) for i in story.invoices()] == [
        (1, "2026-03-01T00:00:00Z"),
        (2, "2026-04-01T00:00:00Z"),
        (3, "2026-05-01T00:00:00Z"),
        (4, "2026-08-01T00:00:00Z"),
    ]
    assert len({i["invoice_id"] for i in story.invoices()}) == 4


# Without a card the invoices wait; they are asked for by number when one comes, and paid one by one.
def test_m11_p12_invoices_wait_for_a_card() -> None:
    story = subscriber().adds_number().ticks(MARCH)
    story.adds_card()
    assert story.asks() == dollars(FEE, ("invoice", 51), ("invoice", 51))
    story.pays(payment_id="acme/invoice/2/1")
    assert numbers(story.answer("invoice-paid")) == [2]
    story.pays(payment_id="acme/invoice/1/1")
    assert numbers(story.answer("invoice-paid")) == [1]


# B4: overage in flight at the issue and declined after it goes into the bill of its invoice.
def test_b04_p14_an_invoice_waits_for_its_overage() -> None:
    story = paying().uses(191).ticks(FEBRUARY).settles("subscription").refuses("overage")
    assert (story.facts("invoice-paid"), story.card_due()) == ([], 0)
    assert story.ticks(days=1).asks() == dollars(("invoice", "10.01"))
    assert story.ticks(MARCH).asks() == dollars(FEE)
    assert [i["status"] for i in story.invoices()] == ["open", "paid"]
    assert numbers(story.settles("invoice").answer("invoice-paid")) == [1]

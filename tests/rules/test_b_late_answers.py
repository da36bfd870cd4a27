"""P7: a second, different answer to a payment of a fee, of overage or of an invoice. Money in dollars."""

import pytest

from tests.rules.story import only, usd
from tests.rules.subscriber import FEBRUARY, MARCH, Subscriber, billed, dollars, numbers, paying, subscriber

FEE = ("subscription", 49)


def carried(story: Subscriber) -> int:
    return int(story.snapshot()["carried_micros"])


def contradictions(story: Subscriber) -> list[str]:
    return [fact["payment_id"] for fact in story.facts("payment-contradicted")]


# A success after a decline takes effect like a first answer, with its receipt; its retry is dropped.
def test_p07_a_fee_paid_after_its_decline() -> None:
    story = subscriber().adds_card().declines().pays(payment_id="acme/subscription/1/1")
    assert story.answer_types() == ["receipt-issued", "payment-contradicted"]
    alert = story.answer()[1]
    assert (alert["amount_micros"], alert["audience"], alert["severity"]) == (usd(49), "operator", "critical")
    assert story.ticks(days=1).asks() == []
    story.ticks(FEBRUARY)
    assert (only(story.invoices())["status"], story.asks()) == ("paid", dollars(FEE))


# A decline after a success changes nothing; the alert comes once for a payment, whatever is reported of it later.
def test_p07_a_decline_after_a_success_changes_nothing() -> None:
    story = paying().declines(payment_id="acme/subscription/1/1")
    assert story.answer_types() == ["payment-contradicted"]
    for again in ("declines", "pays", "declines"):
        assert getattr(story, again)(payment_id="acme/subscription/1/1").answer() == []
    assert contradictions(story) == ["acme/subscription/1/1"]
    assert only(story.ticks(FEBRUARY).invoices())["status"] == "paid"


# R3: a reversal of a declined payment is a contradiction as well; a success after it still takes effect.
def test_p07_r03_a_fee_paid_after_a_reversal_of_its_decline() -> None:
    story = subscriber().adds_card().declines()
    story.says("payment-reversed", payment_id="acme/subscription/1/1", amount_micros=usd(49), kind="dispute")
    assert story.answer_types() == ["payment-contradicted"]
    assert story.pays(payment_id="acme/subscription/1/1").answer_types() == ["receipt-issued"]
    assert story.ticks(FEBRUARY).asks() == dollars(FEE)


# A retry already requested keeps its own answer: declined, nothing is open again; paid, the second fee is carried.
@pytest.mark.parametrize("retry", ["declines", "pays"])
def test_p07_a_retry_in_flight_keeps_its_answer(retry: str) -> None:
    story = subscriber().adds_card().declines().ticks(days=1).pays(payment_id="acme/subscription/1/1")
    getattr(story, retry)(payment_id="acme/subscription/1/2")
    assert carried(story) == (0 if retry == "declines" else usd(-49))
    assert story.ticks(days=9).asks() == []
    story.ticks(FEBRUARY)
    lines = [FEE] if retry == "declines" else [FEE, ("carried", -49)]
    assert billed(only(story.invoices())) == dollars(*lines)
    assert (only(story.invoices())["status"], story.asks()) == ("paid", dollars(FEE))
    assert carried(story) == (0 if retry == "declines" else usd(-49))


# The bill of an invoice falls by what was paid: a fee declined before the issue, paid after it.
def test_p07_b04_a_fee_paid_after_its_invoice() -> None:
    story = subscriber().adds_card().adds_number().declines().ticks("2026-01-31T00:00:00Z").declines().ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", 51), FEE)
    story.settles("subscription").refuses("invoice")
    story.pays(payment_id="acme/subscription/1/1")
    assert story.ticks(days=1).asks() == dollars(("invoice", 2))
    assert numbers(story.pays().answer("invoice-paid")) == [1]


# Paid beyond the bill: carried to the next invoice.
def test_p07_b03_an_invoice_paid_twice() -> None:
    story = paying().adds_number().ticks(FEBRUARY).settles("subscription").refuses("invoice").ticks(days=1)
    assert numbers(story.settles("invoice").answer("invoice-paid")) == [1]
    story.pays(payment_id="acme/invoice/1/1")
    assert story.answer_types() == ["receipt-issued", "payment-contradicted"]
    assert carried(story) == usd(-2)
    assert story.ticks(MARCH).asks() == dollars(FEE)
    assert billed(story.invoices()[1]) == dollars(FEE, ("phone_number", 2), ("carried", -2))
    assert (story.invoices()[1]["status"], carried(story)) == ("paid", 0)


# The overage falls by what was paid; what is paid beyond it is carried.
def test_p07_overage_paid_after_its_decline() -> None:
    story = paying().uses(100).uses(100).refuses("overage").uses(10).pays(payment_id="acme/overage/1")
    assert (story.card_due(), carried(story)) == (usd("1.10"), 0)
    # The wait goes on as long as anything is due (M6).
    assert story.ticks(days=1).asks() == dollars(("overage", "1.10"))
    story.settles("overage").ticks(FEBRUARY)
    assert (only(story.invoices())["status"], story.asks()) == ("paid", dollars(FEE))


@pytest.mark.parametrize("retry", ["declines", "pays"])
def test_p07_an_overage_retry_in_flight(retry: str) -> None:
    story = paying().uses(100).uses(100).refuses("overage").ticks(days=1).pays(payment_id="acme/overage/1")
    assert (story.card_due(), carried(story)) == (0, 0)
    getattr(story, retry)(payment_id="acme/overage/2")
    assert (story.card_due(), carried(story)) == (0, 0 if retry == "declines" else usd(-11))
    story.ticks(FEBRUARY)
    invoice = only(story.invoices())
    paid_twice = [("carried", -11)] if retry == "pays" else []
    assert billed(invoice) == dollars(FEE, ("overage inbound", 11), *paid_twice)
    assert (invoice["status"], story.asks()) == ("paid", dollars(FEE))
    assert carried(story) == (0 if retry == "declines" else usd(-11))


# B6: the money of a subscription that has ended goes into the wallet at the next period end, without an invoice.
def test_p07_b06_a_late_success_after_the_end() -> None:
    story = (
        paying()
        .adds_number()
        .cancels()
        .waits(hours=1)
        .removes_number()
        .ticks(FEBRUARY)
        .refuses("invoice")
        .ticks(days=1)
    )
    story.settles("invoice").pays(payment_id="acme/invoice/1/1")
    assert carried(story) == usd(-2)
    story.ticks(MARCH)
    entry = only(story.answer())
    assert (entry["type"], entry["amount_micros"], entry["reference"]) == (
        "ledger-entry-posted",
        usd(2),
        "acme/invoice/1",
    )
    assert (story.balance(), carried(story)) == (usd(2), 0)

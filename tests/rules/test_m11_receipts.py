"""M11 and M13, with decision 0019: receipts, and where they are sent. Money in dollars."""

from collections.abc import Callable

import pytest

from tests.rules.story import only, opened, usd
from tests.rules.subscriber import FEBRUARY, MARCH, Subscriber, dollars, paying, subscriber

FEE = ("subscription", 49)


# M11 and 0019: each card charge that succeeded has a receipt, whatever its purpose.
def receipts(story: Subscriber) -> list[tuple[str, int]]:
    return [(f["purpose"], f["amount_micros"]) for f in story.facts("receipt-issued")]


def test_m11_a_receipt_for_each_purpose_and_none_for_a_refund() -> None:
    story = paying().adds_number().buys("p1", 20).settles("purchase").uses(100).refills(5, threshold_micros=usd(21))
    story.settles("refill").refills(enabled=False).says("credits-refund-requested", purchase_id="p1").pays()
    assert story.answer() == []
    story.uses(150).ticks(FEBRUARY).settles("overage").settles("invoice").settles("subscription")
    # 50 + 150 minutes less 100: $16.50 of which $5 from the wallet.
    assert receipts(story) == dollars(FEE, ("purchase", 20), ("refill", 5), ("overage", "11.50"), ("invoice", 2), FEE)
    facts = story.facts("receipt-issued")
    assert len({f["receipt_id"] for f in facts}) == len({f["payment_id"] for f in facts}) == len(facts)
    assert {(f["currency"], f["time_zone"], f["brand"], f["last4"]) for f in facts} == {("USD", "UTC", "visa", "4242")}


def test_m11_no_receipt_without_a_payment() -> None:
    story = subscriber().adds_card().declines().buys("p1", 5).declines()
    assert receipts(story) == []


def test_m11_credits_accounts_have_receipts_too() -> None:
    story = opened().adds_card().buys("p1", 20).pays(provider_reference="ch_1")
    receipt = only(story.answer("receipt-issued"))
    assert (receipt["purpose"], receipt["provider_reference"], receipt["reference"]) == ("purchase", "ch_1", "p1")
    assert story.pays().answer() == []


# A proration is a payment of its own.
def test_m11_m07_a_receipt_for_a_proration() -> None:
    story = paying().changes_plan("dental").pays()
    assert receipts(story) == dollars(FEE, ("subscription", 50))


# M13: the billing e-mail can change; a receipt and an invoice go to the one in force when they are issued.
def test_m13_m11_the_billing_email_can_change() -> None:
    story = paying(billing_email="old@example.com").ticks(FEBRUARY)
    story.says("billing-email-set", billing_email="new@example.com").settles_all().ticks(MARCH)
    assert [f["billing_email"] for f in story.facts("receipt-issued")] == ["old@example.com", "new@example.com"]
    assert [f["billing_email"] for f in story.facts("invoice-issued")] == ["old@example.com", "new@example.com"]


def test_m13_without_a_billing_email_there_is_none() -> None:
    story = paying().ticks(FEBRUARY)
    assert [f for f in story.facts("receipt-issued", "invoice-issued") if "billing_email" in f] == []


# Contract: brand and last4 of the card that paid: not of today's default, and also when the account no longer has it,
# or has another card under its id.
@pytest.mark.parametrize(
    "then",
    [
        lambda s: s.adds_card("pm2").defaults_card("pm2"),
        lambda s: s.adds_card("pm2").removes_card("pm1"),
        lambda s: s.adds_card("pm1", brand="visa", last4="4242"),
    ],
    ids=["another default", "removed", "another card of that id"],
)
def test_m11_the_receipt_names_the_card_that_paid(then: Callable[[Subscriber], Subscriber]) -> None:
    story = subscriber().adds_card(brand="discover", last4="9424")
    payment_id = story.payment_id()
    receipt = only(then(story).pays(payment_id=payment_id).answer("receipt-issued"))
    assert (receipt["brand"], receipt["last4"]) == ("discover", "9424")


# Contract: `reference` of purposes purchase, refill and invoice, and of no other.
def test_m11_a_receipt_names_what_was_paid() -> None:
    story = paying().adds_number().buys("p1", 20).settles("purchase").refills(5, threshold_micros=usd(21))
    story.settles("refill").refills(enabled=False).uses(240).uses(240).settles("overage").ticks(FEBRUARY).settles(
        "invoice"
    )
    refill_id, invoice_id = (only(story.facts(t))[f] for t, f in REFERRED.items())
    named = {f["purpose"]: f.get("reference") for f in story.facts("receipt-issued")}
    assert named == {
        "subscription": None,
        "purchase": "p1",
        "refill": refill_id,
        "overage": None,
        "invoice": invoice_id,
    }


REFERRED = {"refill-requested": "refill_id", "invoice-issued": "invoice_id"}

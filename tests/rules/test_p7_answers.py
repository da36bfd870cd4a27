"""P7: late successes and answers that contradict each other, of purchases, refills and refunds. Money in dollars."""

import pytest

from tests.rules.story import only, usd
from tests.rules.wallet import Wallet, dollars, wallet

HORIZON_DAYS = 35


# P7: a success after a decline takes effect like a first answer, and is an alert; a decline after it changes nothing.
def test_p07_c12_a_late_success_of_a_purchase_adds_the_credits() -> None:
    story = wallet().buys("p1", 20).declines().pays()
    assert story.answer_types() == ["ledger-entry-posted", "receipt-issued", "payment-contradicted"]
    assert (story.balance(), story.entries()) == (usd(20), [("purchase", usd(20), "p1")])
    assert story.pays().answer() == []
    assert story.declines().answer() == []
    assert story.refundable("p1") == dollars(20)
    assert len(story.facts("payment-contradicted")) == 1


def test_p07_a_decline_after_a_success_changes_nothing() -> None:
    story = wallet(20).declines(reason="stolen_card")
    assert story.answer_types() == ["payment-contradicted"]
    assert only(story.answer())["payment_id"] == "acme/purchase/p1"
    assert story.balance() == usd(20)
    assert story.declines(reason="another").answer() == []


def test_p07_two_declines_with_different_reasons_are_a_repeat() -> None:
    assert wallet().buys("p1", 20).declines(reason="stolen_card").declines(reason="expired").answer() == []


def test_p07_c14_a_late_success_of_a_purchase_arms_auto_refill() -> None:
    story = wallet().buys("p1", 5).declines().refills(20).declines()
    assert story.snapshot()["auto_refill"]["paused"]
    story.pays(payment_id="acme/purchase/p1")
    assert only(story.answer("refill-requested"))["amount_micros"] == usd(20)


# P7: purchases are remembered for ever, refills too.
def test_p07_a_late_success_counts_a_year_later() -> None:
    story = wallet().ticks().buys("p1", 20).declines().ticks(days=400).pays(payment_id="acme/purchase/p1")
    assert story.balance() == usd(20)


# P7: a refill that is paid late: credited, not armed again, its waiting retry dropped.
def test_p07_a_late_success_drops_the_waiting_retry() -> None:
    story = wallet().ticks().refills(20).declines(retryable=True).pays()
    assert story.answer_types() == [
        "refill-succeeded",
        "ledger-entry-posted",
        "receipt-issued",
        "payment-contradicted",
    ]
    assert not story.snapshot()["auto_refill"]["in_flight"]
    assert story.ticks(hours=2).answer("refill-requested") == []


def test_p07_a_late_success_does_not_arm_auto_refill() -> None:
    story = wallet().ticks().refills(20).declines().pays()
    assert (story.balance(), story.snapshot()["auto_refill"]["paused"]) == (usd(20), True)


def retried() -> Wallet:
    """A refill declined, and its retry without an answer."""
    story = wallet().ticks().refills(20).declines(retryable=True).ticks(hours=1)
    assert story.payment_id() == "acme/refill/1/2"
    return story


# P7: a retry already requested keeps its own answer: paid, both payments have credited the refill.
def test_p07_a_requested_retry_keeps_its_answer() -> None:
    story = retried().pays(payment_id="acme/refill/1/1")
    assert story.snapshot()["auto_refill"]["in_flight"]
    story.pays(payment_id="acme/refill/1/2")
    assert story.balance() == usd(40)
    assert [f["refill_id"] for f in story.facts("refill-succeeded")] == ["acme/refill/1"] * 2


# P7: declined, nothing of the refill is open; a hard decline pauses all the same (C14).
@pytest.mark.parametrize(("retryable", "pauses"), [(True, []), (False, ["hard_decline"])])
def test_p07_a_declined_retry_of_a_paid_refill_is_not_retried(retryable: bool, pauses: list[str]) -> None:
    story = retried().pays(payment_id="acme/refill/1/1").declines(payment_id="acme/refill/1/2", retryable=retryable)
    assert [f["reason"] for f in story.answer("refill-paused")] == pauses
    assert story.ticks(days=2).answer("refill-requested") == []


# P7 and P8: it counts for the limit of the period of its request.
@pytest.mark.parametrize(("limit", "requests"), [(39, 0), (40, 1)])
def test_p07_p08_a_late_refill_counts_for_the_limit(limit: int, requests: int) -> None:
    story = wallet().ticks().refills(20, monthly_limit_micros=usd(limit)).declines(retryable=True).pays()
    assert len(story.is_granted(-20).answer("refill-requested")) == requests


# P13: two payments that credited one refill: one request gives back each by its own payment, the older first.
def test_p13_both_payments_of_a_refill_are_refunded() -> None:
    story = retried().pays(payment_id="acme/refill/1/1").pays(payment_id="acme/refill/1/2").is_granted(-5)
    asked = story.refunds("acme/refill/1").refunds_asked()
    assert [(f["refund_of"], f["amount_micros"]) for f in asked] == [
        ("acme/refill/1/1", usd(15)),
        ("acme/refill/1/2", usd(20)),
    ]
    assert story.entries() == [("refund", usd(-15), "acme/refill/1"), ("refund", usd(-20), "acme/refill/1")]
    # Each comes back to its own lot.
    story.declines(payment_id=asked[1]["payment_id"])
    assert only(story.refunds("acme/refill/1").refunds_asked())["refund_of"] == "acme/refill/1/2"


def test_p13_each_payment_has_its_own_thirty_days() -> None:
    story = retried().pays(payment_id="acme/refill/1/1").ticks(days=20).pays(payment_id="acme/refill/1/2")
    story.ticks(days=20).refunds("acme/refill/1")
    assert only(story.refunds_asked())["refund_of"] == "acme/refill/1/2"
    assert story.ticks(days=20).refunds("acme/refill/1").refusal() == "refund_window_passed"


# P7: a refund that succeeds after its decline debits the wallet again, its own lot first.
def test_p07_a_late_success_of_a_refund_debits_the_wallet_again() -> None:
    story = wallet(20, 10).refunds("p1").declines().pays()
    assert story.answer_types() == ["ledger-entry-posted", "payment-contradicted"]
    assert story.entries() == [("refund", usd(-20), "p1")]
    assert story.refundable("p1", "p2") == dollars(0, 10)
    # What is left of the payment by then is less: the rest is taken like a charge.
    story = wallet(20, 10).refunds("p1").declines().uses(5).pays(payment_id="acme/refund/p1/1")
    assert story.refundable("p1", "p2") == dollars(0, 5)
    assert story.reverses("refund_failed", 20, "acme/refund/p1/1").balance() == usd(25)


@pytest.mark.parametrize(("days", "refusal"), [(HORIZON_DAYS - 1, None), (HORIZON_DAYS + 1, "unknown_payment")])
def test_p07_a_declined_refund_is_remembered_for_the_horizon(days: int, refusal: str | None) -> None:
    story = wallet(20).ticks().refunds("p1").declines().ticks(days=days).pays(payment_id="acme/refund/p1/1")
    assert story.refusal() == refusal

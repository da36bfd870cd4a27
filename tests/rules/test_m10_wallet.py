"""M10: the wallet of a minutes plan, as C1, C10, C12 to C15 and P13 have it. Money in dollars; 10 minutes beyond
the pool cost $1.10.
"""

import pytest

from tests.rules.story import later, only, usd
from tests.rules.subscriber import FEBRUARY, Subscriber, paying, subscriber


def beyond(credit: str | int = 0) -> Subscriber:
    """A card, the fee paid, no minute included any more, $`credit` in the wallet."""
    return paying(credit).uses(100, "pool")


def ledger(story: Subscriber) -> list[tuple[str, int, int, str]]:
    return [
        (e["kind"], e["amount_micros"], e["balance_after_micros"], e["reference"])
        for e in story.facts("ledger-entry-posted")
    ]


# C1 and C10: added first, drawn automatically; they carry over.
def test_m10_c01_c10_credits_are_drawn_by_overage_and_carry_over() -> None:
    story = beyond(5).uses(10, "jan").ticks(FEBRUARY).settles_all().uses(100).uses(10, "feb")
    assert ledger(story) == [
        ("grant", usd(5), usd(5), "g1"),
        ("charge", usd("-1.10"), usd("3.90"), "jan"),
        ("charge", usd("-1.10"), usd("2.80"), "feb"),
    ]
    assert story.card_due() == 0


def test_m10_c10_a_debt_is_taken_from_the_next_credits() -> None:
    story = beyond().is_granted(-3).is_granted(4).uses(10)
    assert (story.charge()["wallet_micros"], story.charge()["card_micros"]) == (usd(1), usd("0.10"))


# C12: only a successful payment adds credits; a decline adds nothing and tells why; the same purchase once.
def test_m10_c12_purchases() -> None:
    story = beyond().buys("p1", 20)
    assert (story.asks(), story.balance()) == ([("purchase", usd(20))], 0)
    story.settles("purchase")
    assert sorted(story.answer_types()) == ["ledger-entry-posted", "receipt-issued"]
    assert story.buys("p1", 20).answer() == []
    alert = only(story.buys("p2", 30).refuses("purchase", reason="stolen_card").answer())
    assert (alert["type"], alert["purchase_id"], alert["reason"]) == ("purchase-declined", "p2", "stolen_card")
    assert story.balance() == usd(20)


# What the card owes for calls before is not paid out of a purchase.
def test_m10_m05_a_purchase_does_not_pay_what_the_card_owes() -> None:
    story = beyond().uses(10).buys("p1", 20).settles("purchase")
    assert (story.balance(), story.card_due()) == (usd(20), usd("1.10"))


# C15: once on each crossing below a threshold: $10.00 and $0.00 at first; the overage is what crosses it.
# (credit, minutes of the calls) -> thresholds told
@pytest.mark.parametrize(
    ("credit", "calls", "told"),
    [
        ("11.10", [10], []),
        ("11.09", [10], [10]),
        ("11.09", [10, 10, 10], [10]),
        # The wallet ends at $0.00: it is empty.
        ("11", [100], [10, 0]),
        ("1.10", [10], [0]),
    ],
)
def test_m10_c15_low_balance(credit: str, calls: list[int], told: list[int]) -> None:
    story = beyond(credit)
    for minutes in calls:
        story.uses(minutes)
    assert [f["threshold_micros"] for f in story.facts("balance-low")] == [usd(t) for t in told]


def test_m10_c15_p10_the_owners_thresholds() -> None:
    story = beyond(20).says("alert-thresholds-set", thresholds_micros=[usd(19), usd(18)])
    alert = only(story.uses(10, "c1").answer("balance-low"))
    assert (alert["threshold_micros"], alert["balance_micros"]) == (usd(19), usd("18.90"))
    # Above again by a correction, and below once more.
    story.reclassifies("c1", real=False)
    assert story.balance() == usd(20)
    assert [f["threshold_micros"] for f in story.uses(20).answer("balance-low")] == [usd(19), usd(18)]


# C13: below the threshold, strictly, exactly the owner's amount, in the answer to the call that crossed it.
@pytest.mark.parametrize(("credit", "requested"), [("11.10", []), ("11.09", [20])])
def test_m10_c13_overage_sets_off_a_refill(credit: str, requested: list[int]) -> None:
    story = beyond(credit).refills(20).uses(10)
    assert [f["amount_micros"] for f in story.answer("refill-requested")] == [usd(r) for r in requested]
    # While one is in flight there is no other.
    assert len(story.uses(1).uses(1).facts("refill-requested")) == 1


def test_m10_c13_a_refill_pays_the_next_call() -> None:
    story = beyond().refills(20).settles("refill")
    assert sorted(story.answer_types()) == ["ledger-entry-posted", "receipt-issued", "refill-succeeded"]
    charge = story.uses(10).charge()
    assert (charge["wallet_micros"], story.balance()) == (usd("1.10"), usd("18.90"))


# M10: threshold, amount and payment method are the owner's.
def test_m10_c13_threshold_amount_and_card_are_the_owners() -> None:
    story = beyond(5).adds_card("pm2").refills("12.34", threshold_micros=usd(4), payment_method_id="pm2").uses(9)
    assert story.answer("refill-requested") == []
    request = only(story.uses(1).answer("payment-requested"))
    assert (request["purpose"], request["amount_micros"], request["payment_method_id"]) == (
        "refill",
        usd("12.34"),
        "pm2",
    )


# C14: declines of a refill do not touch the subscription, nor the other way round.
def test_m10_c14_m06_refills_and_fees_are_declined_each_for_itself() -> None:
    story = beyond().ticks(FEBRUARY).refills(20)
    assert story.refuses("subscription").answer_types() == ["subscription-payment-declined"]
    assert story.refuses("refill", retryable=True).answer_types() == ["refill-declined"]
    assert [p for p, _ in story.ticks(hours=1).asks()] == ["refill"]
    assert [p for p, _ in story.ticks(hours=23).asks()] == ["subscription"]
    assert story.refuses("refill").answer_types() == ["refill-declined", "refill-paused"]
    assert story.starts("c1").answer_types() == ["call-admitted"]


def test_m10_c14_a_refill_without_an_answer_is_unresolved() -> None:
    story = beyond().ticks().refills(20).ticks(minutes=15)
    assert story.answer_types() == ["refill-unresolved"]


# The monthly limit is a billing period's (P8): the boundary that renews asks for the next refill.
def test_m10_p08_the_monthly_limit_ends_with_the_period() -> None:
    story = beyond(5).refills(5, monthly_limit_micros=usd(5)).settles("refill").uses(10)
    assert [f["reason"] for f in story.facts("refill-paused")] == ["monthly_limit"]
    asks = story.ticks(FEBRUARY).asks()
    assert ("refill", usd(5)) in asks
    assert ("subscription", usd(49)) in asks


# C13 and P8: a subscription that has ended requests none, and a retry that falls due then is dropped.
def test_m10_c13_an_ended_subscription_requests_no_refill() -> None:
    story = beyond(5).cancels().ticks(FEBRUARY).refills(20)
    assert story.subscription()["status"] == "ended"
    assert story.answer("refill-requested") == []
    story = beyond(5).cancels().ticks(later(FEBRUARY, minutes=-30)).refills(20).refuses("refill", retryable=True)
    assert story.ticks(hours=2).answer("refill-requested") == []


# M10 and P13: refundable within 30 days, the unused part of that purchase, oldest purchases first.
# Bought $5 then $5; overage of some minutes -> refunds of the first and of the second
@pytest.mark.parametrize(
    ("minutes", "first", "second"),
    [(0, "5", "5"), (10, "3.90", "5"), (50, None, "4.50"), (60, None, "3.40"), (100, None, None)],
)
def test_m10_p13_the_unused_part_oldest_first(minutes: int, first: str | None, second: str | None) -> None:
    story = beyond().buys("p1", 5).settles("purchase").buys("p2", 5).settles("purchase")
    if minutes:
        story.uses(minutes)
    for purchase_id, amount in (("p1", first), ("p2", second)):
        story.says("credits-refund-requested", purchase_id=purchase_id)
        if amount is None:
            assert story.refusal() == "nothing_to_refund"
        else:
            assert story.asks() == [("refund", usd(amount))]
    assert story.balance() == 0


@pytest.mark.parametrize(("after_ms", "refusal"), [(2_592_000_000, None), (2_592_000_001, "refund_window_passed")])
def test_m10_p13_thirty_days(after_ms: int, refusal: str | None) -> None:
    story = beyond().buys("p1", 20).settles("purchase")
    asked_at = later(story.now, milliseconds=after_ms)
    assert story.says("credits-refund-requested", purchase_id="p1", at=asked_at).refusal() == refusal


# P13 and P3: money of a corrected call refills the newest used lot first.
def test_m10_p13_p03_a_corrected_call_fills_its_lot_again() -> None:
    story = beyond().buys("p1", 1).settles("purchase").buys("p2", 5).settles("purchase").uses(20, "c1")
    story.reclassifies("c1", real=False).says("credits-refund-requested", purchase_id="p1")
    assert story.asks() == [("refund", usd(1))]
    story.says("credits-refund-requested", purchase_id="p2")
    assert story.asks() == [("refund", usd(5))]


# C1: the ledger is every movement, and nothing but.
def test_m10_c01_the_ledger_sums_to_the_balance() -> None:
    story = beyond("3.21").buys("p1", 7).settles("purchase").uses(33, "c1").uses(80, "c2").refills(5)
    story.settles("refill").uses(12, "c3").reclassifies("c1", real=False).ends_after("c2", 60_000)
    story.says("credits-refund-requested", purchase_id="p1").ticks(FEBRUARY).settles_all()
    running = 0
    for _, amount, after, _ in ledger(story):
        running += amount
        assert after == running
    assert running == story.balance()
    assert len({e["entry_id"] for e in story.facts("ledger-entry-posted")}) == len(ledger(story))


# C7 and C8 are no rules of a minutes plan: an empty wallet redirects nobody and asks for no funds.
def test_m10_m05_an_empty_wallet_redirects_nobody() -> None:
    story = subscriber(-5)
    for n in range(30):
        story.uses(1, f"c{n}")
    assert story.facts("call-redirected", "funds-needed") == []
    assert len(story.facts("call-admitted")) == 30

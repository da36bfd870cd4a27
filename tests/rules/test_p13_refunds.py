"""P13 and M10: what of a purchase is refunded, and from which lot. Money in dollars."""

import pytest

from tests.rules.story import BOTH, Story, later, only, opened, plans, usd
from tests.rules.test_c_wallet import entries


# P13: the unused part of the purchase, within 30 x 24 h of its success. Units: milliseconds after it.
@pytest.mark.parametrize(
    ("after_ms", "refusal"), [(0, None), (2_592_000_000, None), (2_592_000_001, "refund_window_passed")]
)
def test_p13_a_purchase_is_refundable_for_thirty_days(after_ms: int, refusal: str | None) -> None:
    story = opened().adds_card().buys("p1", 20).waits(days=3).pays()
    asked = later(story.now, milliseconds=after_ms)
    assert story.says("credits-refund-requested", purchase_id="p1", at=asked).refusal() == refusal
    assert story.balance() == (0 if refusal is None else usd(20))


def refund(story: Story, purchase_id: str, amount: str | None) -> None:
    """Ask for a refund and see it debited at once; None: there is nothing to refund."""
    story.says("credits-refund-requested", purchase_id=purchase_id)
    if amount is None:
        assert story.refusal() == "nothing_to_refund"
        return
    entry, request = only(story.answer("ledger-entry-posted")), only(story.answer("payment-requested"))
    assert (entry["kind"], entry["amount_micros"], entry["reference"]) == ("refund", -usd(amount), purchase_id)
    assert (request["purpose"], request["amount_micros"]) == ("refund", usd(amount))


# P13: lots in order of crediting. $20 bought as p1, then $10 as p2; (used, refund of p1, refund of p2), dollars.
@pytest.mark.parametrize(
    ("used", "first", "second"),
    [
        ("0", "20", "10"),
        ("5", "15", "10"),
        ("20", None, "10"),
        ("24", None, "6"),
        ("30", None, None),
        ("31", None, None),
    ],
)
def test_p13_the_oldest_lots_are_used_first(used: str, first: str | None, second: str | None) -> None:
    story = opened().adds_card().buys("p1", 20).pays().buys("p2", 10).pays()
    if usd(used):
        story.is_granted(f"-{used}")
    refund(story, "p1", first)
    refund(story, "p2", second)
    refund(story, "p1", None)
    refund(story, "p2", None)


def test_p13_grants_are_lots_too_and_a_debt_eats_the_new_lot_first() -> None:
    story = opened().adds_card().is_granted(3).is_granted(-5).buys("p1", 20).pays()
    refund(story, "p1", "18")
    story = opened().adds_card().is_granted(3).buys("p1", 20).pays().is_granted(-5)
    refund(story, "p1", "18")


def test_p13_a_credit_back_refills_the_newest_used_lot_first() -> None:
    story = opened("live_agent").adds_card().buys("p1", 5).pays().buys("p2", 5).pays()
    story.call("c1", used=["live_agent"]).call("c2", used=["live_agent"])
    # $6 used: all of p1 and $1 of p2. $3 back: p2 is whole again, and $2 of p1.
    story.reclassifies("c1", real=False)
    refund(story, "p2", "5")
    refund(story, "p1", "2")


def test_p13_a_declined_refund_is_given_back_to_its_lot() -> None:
    story = opened().adds_card().buys("p1", 20).pays().is_granted(-5)
    refund(story, "p1", "15")
    assert entries(story.declines())[-1] == ("refund", usd(15), usd(15), "p1")
    refund(story, "p1", "15")
    assert len({fact["payment_id"] for fact in story.facts("payment-requested")}) == 3
    assert story.pays().answer() == []
    refund(story, "p1", None)
    assert story.balance() == 0


def test_p13_a_refill_is_refundable_under_its_refill_id() -> None:
    story = opened().adds_card().refills(20).pays().refills(enabled=False)
    refund(story, only(story.facts("refill-succeeded"))["refill_id"], "20")


@pytest.mark.parametrize(
    ("asked", "code"), [("p1", "nothing_to_refund"), ("p2", "nothing_to_refund"), ("p3", "unknown_purchase")]
)
def test_p13_what_was_never_paid_is_not_refundable(asked: str, code: str) -> None:
    story = opened(credit=5).adds_card().buys("p1", 20).declines().buys("p2", 20)
    assert story.says("credits-refund-requested", purchase_id=asked).refusal() == code
    assert story.balance() == usd(5)


# P13: whole minor units, rounded down; the least charge does not hold for refunds. Used of $6.00 by one call.
@pytest.mark.parametrize(
    ("used", "refunded"), [("2.991", "3"), ("5.985", "0.01"), ("5.99", "0.01"), ("5.995", None), ("6", None)]
)
def test_p13_a_refund_is_rounded_down_to_whole_minor_units(used: str, refunded: str | None) -> None:
    catalogue = plans(charge_quantum_micros=1_000, live_agent_micros=usd(used))
    story = opened("live_agent", catalogue=catalogue).adds_card().buys("p1", 6).pays().call("c1", used=["live_agent"])
    refund(story, "p1", refunded)


# M10: what open calls hold is not paid out: $6 bought, a call holding $6 under way.
@pytest.mark.parametrize(("bought", "refunded"), [("6", None), ("6.01", "0.01"), ("12", "6"), ("5", None)])
def test_m10_p13_no_more_than_is_available_is_refunded(bought: str, refunded: str | None) -> None:
    story = opened(*BOTH).adds_card().buys("p1", bought).pays().starts("c1")
    refund(story, "p1", refunded)
    assert story.ends("c1", used=BOTH).balance() >= (usd(bought) - usd(6) if refunded is None else 0)


def test_p13_a_refill_id_is_a_purchase_id_of_a_refund_alone() -> None:
    story = opened().adds_card().says("credits-refund-requested", purchase_id="acme/refill/7")
    assert story.refusal() == "unknown_purchase"
    assert story.says("credits-refund-requested", purchase_id="a b").refusal() == "schema_invalid"


def test_c17_a_grant_is_not_refundable_to_a_card() -> None:
    story = opened().is_granted(5, "g1").says("credits-refund-requested", purchase_id="g1")
    assert story.refusal() == "unknown_purchase"

"""R1 to R5 and R9: reversals of purchases and refills, and what they do to the wallet. Money in dollars."""

from typing import Any

import pytest

from tests.rules.story import BOTH, only, usd
from tests.rules.wallet import Wallet, dollars, wallet

Reports = list[tuple[str, str]]


# G14 and R5: the wallet moves by a `reversal`, reference the purchase, and may go negative.
def test_g14_r05_a_dispute_is_taken_from_the_wallet() -> None:
    story = wallet(20).uses(15).reverses("dispute", 20)
    assert story.entries() == [("reversal", usd(-20), "p1")]
    assert story.balance() == usd(-15)
    assert story.reverses("dispute_won", 20).entries() == [("reversal", usd(20), "p1")]
    assert story.balance() == usd(5)


def test_r05_the_reference_of_a_refill_is_its_refill_id() -> None:
    story = wallet().refills(20).pays().reverses("dispute", 5, "acme/refill/1/1")
    assert story.entries() == [("reversal", usd(-5), "acme/refill/1")]


# R1: taken at most the payment less refunds and earlier reversals; given at most what that kind took. A payment of $20;
# what is reported, what each moves.
@pytest.mark.parametrize(
    ("reports", "moved"),
    [
        ([("dispute", "20")], ["-20"]),
        ([("dispute", "5"), ("dispute", "5")], ["-5", "-5"]),
        ([("dispute", "15"), ("dispute", "15"), ("dispute", "1")], ["-15", "-5", None]),
        ([("dispute", "15"), ("refund", "15")], ["-15", "-5"]),
        ([("dispute_won", "5")], [None]),
        ([("refund_failed", "5")], [None]),
        ([("dispute", "5"), ("dispute_won", "20"), ("dispute_won", "1")], ["-5", "5", None]),
        ([("dispute", "5"), ("refund", "7"), ("refund_failed", "20"), ("dispute_won", "20")], ["-5", "-7", "7", "5"]),
        # Each kind gives back what that kind took.
        ([("dispute", "5"), ("refund_failed", "5")], ["-5", None]),
        # Net of what was given back: it can be taken again.
        ([("dispute", "20"), ("dispute_won", "20"), ("refund", "20")], ["-20", "20", "-20"]),
        ([("dispute", "20"), ("dispute_won", "5"), ("dispute", "10")], ["-20", "5", "-5"]),
    ],
)
def test_r01_no_more_is_taken_than_was_paid_nor_given_than_was_taken(reports: Reports, moved: list[str | None]) -> None:
    story = wallet(20)
    for (kind, amount), expected in zip(reports, moved, strict=True):
        story.reverses(kind, amount)
        assert [e[1] for e in story.entries()] == ([] if expected is None else [usd(expected)])
        # R9: the alert has the reported amount, also when nothing moved.
        alert = only(story.answer("payment-reversed"))
        assert (alert["kind"], alert["amount_micros"]) == (kind, usd(amount))
        assert alert["payment_id"] == "acme/purchase/p1"


# R1: less our own refunds of it; a declined refund is none.
@pytest.mark.parametrize(("answer", "taken"), [(None, None), ("pays", None), ("declines", "-20")])
def test_r01_our_own_refunds_are_not_taken_again(answer: str | None, taken: str | None) -> None:
    story = wallet(20).refunds("p1")
    if answer is not None:
        getattr(story, answer)()
    assert [e[1] for e in story.reverses("dispute", 20).entries()] == ([] if taken is None else [usd(taken)])


@pytest.mark.parametrize(("kind", "refusal"), [("dispute", "schema_invalid"), ("dispute_won", "schema_invalid")])
def test_r01_an_amount_above_the_payment_is_refused(kind: str, refusal: str) -> None:
    assert wallet(20).reverses(kind, "20.01").refusal() == refusal
    # K4 comes first (X1): a fraction of a cent.
    assert wallet(20).reverses(kind, "20.000001").refusal() == "amount_not_payable"
    assert wallet(20).reverses(kind, 20).refusal() is None


# R2: a refund of ours that failed is given back to the wallet and to its lot, all reports together at most the refund.
def test_r02_a_failed_refund_is_given_back() -> None:
    story = wallet(20, 10).refunds("p1").pays()
    for reported, moved in (("5", "5"), ("20", "15"), ("1", None)):
        story.reverses("refund_failed", reported, "acme/refund/p1/1")
        assert story.entries() == ([] if moved is None else [("reversal", usd(moved), "p1")])
        assert only(story.answer("payment-reversed"))["amount_micros"] == usd(reported)
    assert story.refundable("p1", "p2") == dollars(20, 10)


def test_r02_a_failed_refund_returns_to_its_own_lot() -> None:
    story = wallet(20, 10).refunds("p1").pays().uses(4).reverses("refund_failed", 20, "acme/refund/p1/1")
    assert story.refundable("p1", "p2") == dollars(20, 6)


@pytest.mark.parametrize("kind", ["dispute", "dispute_won", "refund"])
def test_r02_any_other_kind_on_a_refund_is_refused(kind: str) -> None:
    story = wallet(20).refunds("p1").pays()
    assert story.reverses(kind, 5, "acme/refund/p1/1").refusal() == "schema_invalid"


# R3: before the answer it leaves no trace and can be sent again.
@pytest.mark.parametrize("of", ["p1", "p9", "acme/refund/p0/1"])
def test_r03_a_payment_without_an_answer_is_unknown(of: str) -> None:
    story = wallet().buys_paid("p0", 5).refunds("p0").buys("p1", 20)
    story.reverses("refund_failed" if "refund" in of else "dispute", 5, of, id="rev", provider_reference="dp")
    assert story.refusal() == "unknown_payment"
    if of == "p1":
        story.pays(payment_id="acme/purchase/p1")
        story.reverses("dispute", 5, of, id="rev", provider_reference="dp")
        assert story.entries() == [("reversal", usd(-5), "p1")]


# R3: of a declined payment nothing moves: `payment-contradicted` alone, once.
def test_r03_a_declined_payment_is_contradicted() -> None:
    story = wallet().buys("p1", 20).declines().reverses("dispute", 20, provider_reference="dp_1")
    assert story.answer_types() == ["payment-contradicted"]
    assert only(story.answer())["payment_id"] == "acme/purchase/p1"
    assert story.reverses("refund", 20).answer() == []
    # When it succeeds late, the money has moved twice.
    assert story.pays(payment_id="acme/purchase/p1").answer("payment-contradicted") == []
    story.reverses("dispute", 20, provider_reference="dp_1")
    assert story.entries() == [("reversal", usd(-20), "p1")]


# R4: with a reference, the same payment, kind and reference is a repeat; without, the id alone tells.
@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ({"provider_reference": "dp_1"}, {"provider_reference": "dp_1"}, False),
        ({"provider_reference": "dp_1"}, {"provider_reference": "dp_2"}, True),
        ({"provider_reference": "dp_1"}, {"provider_reference": "dp_1", "kind": "refund"}, True),
        ({"provider_reference": "dp_1"}, {"provider_reference": "dp_1", "payment_id": "acme/purchase/p2"}, True),
        ({"provider_reference": "dp_1"}, {}, True),
        ({}, {}, True),
        ({"id": "r1"}, {"id": "r1"}, False),
        ({"id": "r1"}, {"id": "r1", "amount_micros": usd(3)}, False),
    ],
)
def test_r04_what_is_a_repeat(first: dict[str, Any], second: dict[str, Any], counts: bool) -> None:
    story = wallet(20, 10).reverses("dispute", 5, **first).reverses("dispute", 5, **second)
    assert bool(story.answer()) == counts
    assert story.balance() == usd(20 if counts else 25)


# P7: remembered for ever with purchases and refills: 600 days later a repeat is one, and a dispute still counts.
def test_p07_reversals_of_purchases_are_remembered_for_ever() -> None:
    story = wallet(20).ticks().reverses("dispute", 5, id="r1", provider_reference="dp_1").ticks(days=700)
    assert story.reverses("dispute", 5, id="r1").answer() == []
    assert story.reverses("dispute", 5, provider_reference="dp_1").answer() == []
    assert story.reverses("dispute", 5, provider_reference="dp_2").entries() == [("reversal", usd(-5), "p1")]


# P7: other payments that succeeded are remembered for 600 days.
@pytest.mark.parametrize(("days", "refusal"), [(599, None), (601, "unknown_payment")])
def test_p07_a_refund_is_remembered_for_600_days(days: int, refusal: str | None) -> None:
    story = wallet(20).ticks().refunds("p1").pays().ticks(days=days)
    assert story.reverses("refund_failed", 5, "acme/refund/p1/1").refusal() == refusal


# R5: the unused part of its own lot first, the rest like a charge: oldest lot first, then debt.
# Lots of $10 each; used before; disputed of p2; what is refundable of p1, p2, p3 then.
@pytest.mark.parametrize(
    ("used", "disputed", "left", "balance"),
    [
        (0, 10, [10, 0, 10], 20),
        (0, 4, [10, 6, 10], 26),
        (12, 8, [0, 0, 10], 10),
        # $8 of it is unused, $2 come from p3.
        (12, 10, [0, 0, 8], 8),
        (25, 10, [0, 0, 0], -5),
    ],
)
def test_r05_its_own_lot_first_then_like_a_charge(used: int, disputed: int, left: list[int], balance: int) -> None:
    story = wallet(10, 10, 10)
    if used:
        story.uses(used)
    story.reverses("dispute", disputed, "p2")
    assert story.balance() == usd(balance)
    assert story.refundable("p1", "p2", "p3") == dollars(*left)


# R5: given back, debt first, then its own lot as far as it was taken there, then the newest used lot.
# Lots of $10; used before, disputed of p2, used after, won of it; refundable of p1, p2, p3 then.
@pytest.mark.parametrize(
    ("used", "disputed", "used_after", "won", "left"),
    [
        (0, 10, 0, 10, [10, 10, 10]),
        (0, 10, 0, 4, [10, 4, 10]),
        # Newer credits were used meanwhile, and stay used.
        (0, 10, 15, 10, [0, 10, 5]),
        (0, 10, 20, 10, [0, 10, 0]),
        # $5 debt is paid first.
        (0, 10, 25, 10, [0, 5, 0]),
        # $8 of its own lot, $2 of p3: both come back.
        (12, 10, 0, 10, [0, 8, 10]),
        (12, 10, 3, 10, [0, 8, 7]),
        (12, 10, 0, 8, [0, 8, 8]),
    ],
)
def test_r05_given_back_to_its_own_lot(used: int, disputed: int, used_after: int, won: int, left: list[int]) -> None:
    story = wallet(10, 10, 10)
    if used:
        story.uses(used)
    story.reverses("dispute", disputed, "p2")
    if used_after:
        story.uses(used_after)
    story.reverses("dispute_won", won, "p2")
    assert story.refundable("p1", "p2", "p3") == dollars(*left)


# What was given back to an older lot is used before newer credits, and after older ones.
def test_r05_what_was_given_back_is_used_in_its_lots_order() -> None:
    story = wallet(10, 10, 10).reverses("dispute", 10, "p2").uses(15).reverses("dispute_won", 10, "p2")
    assert story.refundable("p1", "p2", "p3") == dollars(0, 10, 5)
    assert story.uses(4).refundable("p1", "p2", "p3") == dollars(0, 6, 5)
    assert story.uses(8).refundable("p1", "p2", "p3") == dollars(0, 0, 3)


def test_r05_p13_a_credit_back_refills_the_newest_used_lot_beside_what_was_given_back() -> None:
    story = Wallet().opens_with_card(*BOTH)
    for n in (1, 2, 3):
        story.buys_paid(f"p{n}", 10)
    story.reverses("dispute", 10, "p2")
    for n in range(3):
        story.call(f"c{n}", used=BOTH)
    # $18 used: p1 and $8 of p3.
    story.reverses("dispute_won", 10, "p2")
    assert story.refundable("p1", "p2", "p3") == dollars(0, 10, 2)
    story.reclassifies("c0", real=False)
    assert story.refundable("p1", "p2", "p3") == dollars(0, 10, 8)
    story.reclassifies("c1", real=False)
    assert story.refundable("p1", "p2", "p3") == dollars(4, 10, 10)


# R5: refundable at most the payment less what was reversed and refunded, whatever comes back to its lot.
def test_r05_a_disputed_purchase_is_not_refundable_again() -> None:
    story = Wallet().opens_with_card(*BOTH).buys_paid("p1", 6).call("c1", used=BOTH)
    story.reverses("dispute", 6).reclassifies("c1", real=False)
    assert (story.balance(), story.refundable("p1")) == (0, [0])
    story.is_granted(6)
    assert story.refundable("p1") == [0]
    assert story.reverses("dispute_won", 6).refundable("p1") == dollars(6)


# R5 and C10: the debt that a dispute leaves is taken from the next credits.
def test_r05_c10_the_debt_eats_the_next_lot() -> None:
    story = wallet(20).uses(20).reverses("dispute", 20).buys_paid("p2", 30)
    assert story.balance() == usd(10)
    assert story.refundable("p2") == dollars(10)
    # Won: nothing of it was unused, so the newest used lot has it back.
    assert story.reverses("dispute_won", 20).refundable("p1", "p2") == dollars(0, 30)


# R5: where the debt ate what the lot got back, a corrected call fills that lot again.
def test_r05_a_lot_that_is_whole_again_has_its_used_part_back() -> None:
    story = Wallet().opens_with_card(*BOTH).buys_paid("p1", 20).starts("c1")
    story.reverses("dispute", 20).ends("c1", used=BOTH)
    assert story.balance() == usd(-6)
    assert story.reverses("dispute_won", 20).refundable("p1") == dollars(14)
    assert story.reclassifies("c1", real=False).refundable("p1") == dollars(20)


# R9: an input like any other: thresholds, the notice and the refill are evaluated after it.
def test_r09_thresholds_are_evaluated() -> None:
    story = wallet(20).reverses("dispute", 20)
    assert [f["threshold_micros"] for f in story.answer("balance-low")] == dollars(10, 0)


def test_r09_the_episode_of_redirected_calls_ends() -> None:
    story = Wallet().opens_with_card("extra_calls").buys_paid("p1", 5).reverses("dispute", 5).calls(25)
    story.starts("x").starts("y")
    assert only(story.reverses("dispute_won", 5).answer("funds-needed"))["redirected_calls"] == 2


# G4: the row of a purchase outlives the horizon; an answer and a reversal come months later.
def test_r03_a_dispute_comes_months_later() -> None:
    story = wallet(20).ticks(days=120).reverses("dispute", 20)
    assert story.entries() == [("reversal", usd(-20), "p1")]


def test_r05_the_ledger_sums_to_the_balance() -> None:
    story = wallet(20, 10).uses(12).reverses("dispute", 20).reverses("refund", 10, "p2").is_granted(1)
    story.reverses("dispute_won", 15).reverses("refund_failed", 3, "p2").buys_paid("p3", 7).refunds("p3").declines()
    amounts = [e["amount_micros"] for e in story.facts("ledger-entry-posted")]
    assert sum(amounts) == story.balance()


# R5: what a dispute takes from an old lot returns to that lot, however old it is and however often it goes and comes.
# Of p3's $10 a dispute has taken $3.33 and the owner used $3; the rest is refundable, and p2's credits come and go.
def test_r05_an_old_lot_disputed_and_won_again_and_again() -> None:
    story = wallet(10).reverses("dispute", 10, "p1")
    story.buys_paid("p2", 10).reverses("dispute", 10, "p2").waits(days=180)
    story.buys_paid("p3", 10).reverses("dispute", "3.33", "p3").uses(3)
    for _ in range(3):
        story.reverses("dispute_won", 10, "p2")
        assert story.refundable("p3") == dollars("3.67")
        story.reverses("dispute", 10, "p2")
    assert story.refundable("p3") == dollars("3.67")

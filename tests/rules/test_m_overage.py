"""M5 and P14: overage is paid by the wallet, what it cannot pay by the card. Money in dollars; a minute is $0.11.

All accounts here have used their 100 included minutes when a table begins.
"""

from typing import Any

import pytest

from tests.rules.story import only, usd
from tests.rules.subscriber import FEBRUARY, Subscriber, dollars, numbers, paying, subscriber


def beyond(credit: str | int = 0, *, card: bool = True) -> Subscriber:
    """$`credit` in the wallet, the pool used up, the first fee paid where there is a card."""
    return (paying(credit) if card else subscriber(credit)).uses(100)


# M5: wallet first; when it is empty the rest to the card; one call can be funded by both.
# 10 minutes, $1.10: balance before -> wallet, card, balance after
@pytest.mark.parametrize(
    ("balance", "wallet", "card", "after"),
    [
        ("20", "1.10", "0", "18.90"),
        ("1.10", "1.10", "0", "0"),
        ("1.09", "1.09", "0.01", "0"),
        ("0.01", "0.01", "1.09", "0"),
        ("0", "0", "1.10", "0"),
        # The wallet never pays what it does not have, and a debt is not made larger or smaller by the card.
        ("-3", "0", "1.10", "-3"),
    ],
)
def test_m05_the_wallet_pays_first(balance: str, wallet: str, card: str, after: str) -> None:
    story = beyond(balance).uses(10, "c1")
    charge = story.charge()
    assert (charge["amount_micros"], charge["wallet_micros"], charge["card_micros"]) == (
        usd("1.10"),
        usd(wallet),
        usd(card),
    )
    assert (charge["balance_before_micros"], charge["balance_after_micros"]) == (usd(balance), usd(after))
    assert (story.balance(), story.card_due()) == (usd(after), usd(card))
    # P18: no ledger entry for what the card pays.
    moved = [(e["kind"], e["amount_micros"], e["reference"]) for e in story.answer("ledger-entry-posted")]
    assert moved == ([("charge", -usd(wallet), "c1")] if usd(wallet) else [])


def test_m05_the_cards_part_accrues() -> None:
    story = beyond("0.50")
    due = [story.uses(2).card_due() for _ in range(4)]
    # 0.22 + 0.22 from the wallet, 0.06 of the third; then the card.
    assert due == [0, 0, usd("0.16"), usd("0.38")]
    assert story.asks() == []


# Credits that come later do not pay what the card owes already, but the next call.
def test_m05_new_credits_pay_the_next_call() -> None:
    story = beyond().uses(10).is_granted(5).uses(10)
    assert (story.charge()["wallet_micros"], story.card_due(), story.balance()) == (
        usd("1.10"),
        usd("1.10"),
        usd("3.90"),
    )


# M5 and P14: requested when it reaches $10.00. (calls in minutes) -> asked of the card after each, due at the end
@pytest.mark.parametrize(
    ("minutes", "asked", "due"),
    [
        # 90 x 0.11 = 9.90, one more 10.01.
        ([90], [], "9.90"),
        ([90, 1], ["10.01"], "0"),
        ([91], ["10.01"], "0"),
        # A call is billed for at most its plan's longest call, 240 minutes (G7).
        ([500], ["26.40"], "0"),
        ([90, 1, 90, 1], ["10.01", "10.01"], "0"),
        ([90, 1, 5], ["10.01"], "0.55"),
    ],
)
def test_m05_p14_overage_is_requested_when_it_reaches_the_threshold(
    minutes: list[int], asked: list[str], due: str
) -> None:
    story = beyond()
    for n in minutes:
        story.uses(n)
    requests = [f for f in story.facts("payment-requested") if f["purpose"] == "overage"]
    assert [f["amount_micros"] for f in requests] == [usd(a) for a in asked]
    assert len({f["payment_id"] for f in requests}) == len(requests)
    assert story.card_due() == usd(due)


# Exactly $10.00, one cent below: 125 web minutes at $0.08; the wallet takes the first cent of one of them.
@pytest.mark.parametrize(("credit", "asked", "due"), [("0", ["10.00"], "0"), ("0.01", [], "9.99")])
def test_m05_p14_the_threshold_is_reached_at_exactly_ten_dollars(credit: str, asked: list[str], due: str) -> None:
    story = beyond(credit).uses(125, direction="web")
    assert story.asks() == [("overage", usd(a)) for a in asked]
    assert story.card_due() == usd(due)


def test_p14_the_request_names_the_default_card_and_an_id_of_its_own() -> None:
    story = beyond().adds_card("pm2").defaults_card("pm2").uses(91, "c1")
    request = only(story.answer("payment-requested"))
    assert (request["payment_id"], request["payment_method_id"], request["token"], request["currency"]) == (
        "acme/overage/1",
        "pm2",
        "tok_pm2",
        "USD",
    )
    assert only(story.uses(91).answer("payment-requested"))["payment_id"] == "acme/overage/2"
    # The call's own fact first.
    assert story.answer_types() == ["call-charged", "payment-requested"]


def test_p14_a_paid_one_is_due_no_more() -> None:
    story = beyond().uses(91).settles("overage")
    assert story.answer_types() == ["receipt-issued"]
    assert story.card_due() == 0
    assert story.ticks(FEBRUARY).asks() == dollars(("subscription", 49))


# P14 and M6: a declined one is due again. It is requested again after a wait; reaching the threshold requests nothing
# in between.
@pytest.mark.parametrize("retryable", [True, False])
def test_p14_a_declined_overage_is_due_again_and_not_asked_for_in_a_loop(*, retryable: bool) -> None:
    story = beyond().uses(91).refuses("overage", retryable=retryable)
    alert = only(story.answer())
    assert (alert["type"], alert["purpose"], alert["amount_micros"]) == (
        "subscription-payment-declined",
        "overage",
        usd("10.01"),
    )
    assert story.card_due() == usd("10.01")
    assert story.switches("live_agent").answer() == []
    assert story.uses(91).asks() == []
    assert story.card_due() == usd("20.02")
    assert story.ticks(days=1).asks() == dollars(("overage", "20.02"))
    assert story.card_due() == 0
    assert story.newest("overage") != "acme/overage/1"


def test_p14_b01_a_declined_overage_goes_into_the_invoice() -> None:
    story = beyond().waits("2026-01-31T12:00:00Z").uses(91).refuses("overage").ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", "10.01"), ("subscription", 49))
    assert story.ticks(days=1).asks() == []


def test_p14_two_in_flight_are_answered_each_for_itself() -> None:
    story = beyond().uses(91).uses(91)
    assert story.declines(payment_id="acme/overage/1").card_due() == usd("10.01")
    assert story.pays(payment_id="acme/overage/2").card_due() == usd("10.01")
    # A second answer for one payment is a repeat (P7).
    assert story.pays(payment_id="acme/overage/2").answer() == []
    assert story.card_due() == usd("10.01")


# M5 and B1: at the period end what has accrued is part of the invoice's payment; less than a card takes is carried.
@pytest.mark.parametrize(
    ("minutes", "asked", "carried"),
    [(1, [], "0.11"), (5, [("invoice", "0.55")], "0"), (90, [("invoice", "9.90")], "0")],
)
def test_m05_b01_at_the_period_end_the_rest_is_requested(
    minutes: int, asked: list[tuple[str, str]], carried: str
) -> None:
    story = beyond().uses(minutes).ticks(FEBRUARY)
    assert story.asks() == dollars(*asked, ("subscription", 49))
    assert (story.card_due(), story.snapshot()["carried_micros"]) == (0, usd(carried))


# No card yet: the gate admits, overage accrues, nothing is asked for until a card comes.
@pytest.mark.parametrize(
    ("minutes", "asks", "due"),
    [
        # Below the threshold it goes on accruing.
        (10, [("subscription", 49)], "1.10"),
        # The fee first, then overage (decision 0015).
        (91, [("subscription", 49), ("overage", "10.01")], "0"),
    ],
)
def test_m05_p11_without_a_card_overage_waits(minutes: int, asks: list[tuple[str, Any]], due: str) -> None:
    story = beyond(card=False).uses(minutes)
    assert (story.asks(), story.card_due()) == ([], minutes * usd("0.11"))
    assert story.adds_card().asks() == dollars(*asks)
    assert story.card_due() == usd(due)


def test_m05_p11_overage_of_a_period_that_ended_without_a_card_is_asked_for_when_one_comes() -> None:
    story = beyond(card=False).uses(1).ticks(FEBRUARY)
    assert (story.asks(), story.card_due()) == ([], 0)
    # This period's fee, then the invoice that carries the fee and the overage of January.
    assert story.adds_card().asks() == dollars(("subscription", 49), ("invoice", "49.11"))


# Overage of February that has not reached the threshold waits for February's end.
def test_m05_overage_of_the_new_period_accrues_anew() -> None:
    story = beyond().uses(50).ticks(FEBRUARY).settles_all().uses(100).uses(50)
    assert (story.asks(), story.card_due()) == ([], usd("5.50"))
    assert story.ticks("2026-03-01T00:00:00Z").asks() == dollars(("invoice", "5.50"), ("subscription", 49))


# G11: of every charge and adjustment, wallet and card make up the amount, and the lines sum to it.
def test_m05_wallet_and_card_make_up_every_amount() -> None:
    story = paying("3.33").uses(99).talks("c1", 150_000).uses(40, "c2", direction="web").starts("c3").starts("c4")
    story.ends("c3", answered=False).ends_after("c4", 600_000).ends_after("c4", 60_000).ends_after("c3", 120_000)
    story.reclassifies("c1", real=False).reclassifies("c2", real=False).reclassifies("c1", real=True)
    story.uses(200).reclassifies("c2", real=True)
    facts = story.facts("call-charged", "charge-adjusted")
    assert len(facts) >= 11
    for fact in facts:
        assert fact["wallet_micros"] + fact["card_micros"] == fact["amount_micros"]
        assert sum(line["amount_micros"] for line in fact["lines"]) == fact["amount_micros"]
        assert fact["balance_before_micros"] - fact["wallet_micros"] == fact["balance_after_micros"]
    assert sum(e["amount_micros"] for e in story.facts("ledger-entry-posted")) == story.balance()
    taken = sum(fact["wallet_micros"] for fact in facts)
    assert story.balance() == usd("3.33") - taken
    requested = sum(f["amount_micros"] for f in story.facts("payment-requested") if f["purpose"] == "overage")
    assert story.card_due() == sum(fact["card_micros"] for fact in facts) - requested


# B4: declined after its invoice it is in the bill of that, also when the subscription is over.
@pytest.mark.parametrize("over", ["ended", "free"])
@pytest.mark.parametrize("declined", ["2026-02-01T00:01:00Z", "2026-03-05T00:00:00Z"])
def test_b04_m08_what_is_declined_after_the_end_is_asked_for_again(over: str, declined: str) -> None:
    story = paying().uses(110)
    (story.cancels() if over == "ended" else story.changes_plan("free")).ticks(FEBRUARY)
    assert story.asks() == dollars(("invoice", "1.10"))
    story.ticks(declined).refuses("invoice")
    assert story.card_due() == 0
    assert story.ticks(days=1).asks() == dollars(("invoice", "1.10"))
    assert numbers(story.pays().answer("invoice-paid")) == [1]
